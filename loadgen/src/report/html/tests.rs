//! The page as a browser takes it: whole, quiet, without a network, in both
//! colour schemes; and the day-long run within its budgets.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hdrhistogram::Histogram;

use super::*;
use crate::command::report::Format;
use crate::report::hdr;
use crate::report::model::{Interval, Mark, MarkKind, Series, TokenSourceCounts};
use crate::report::sample;
use crate::report::series::MOST_INTERVALS;

/// A run of a day, as full as one can be.
fn day() -> Report {
    let mut report = sample::clean_report();
    let interval = |index: usize| {
        let mut times = Histogram::<u64>::new_with_bounds(1, 600_000_000_000, 2).unwrap();
        for step in 0..40_u64 {
            let slow = 1 + (index as u64 * 7 + step * 13) % 97;
            times.record_n(slow * slow * 1_500, 3).unwrap();
        }
        Interval {
            offered: 120,
            token_source: TokenSourceCounts {
                cache: 110,
                identity_provider: 10,
            },
            acquire: hdr::encode(&times),
            l1_bytes: 2_000_000 + index as u64 * 100,
            l1_entries: 1_000,
            l2_bytes: 5_000_000,
            l2_entries: 2_000,
            ..Interval::default()
        }
    };
    report.series = Series {
        interval_s: 24.0,
        intervals: (0..MOST_INTERVALS).map(interval).collect(),
        marks: vec![Mark {
            kind: MarkKind::Fault,
            label: "l2 down <b>".to_owned(),
            from_s: 20_000.0,
            until_s: Some(30_000.0),
        }],
    };
    report
}

#[test]
fn the_page_is_whole_escaped_and_without_a_network() {
    let mut report = day();
    "<script>alert(1)</script>\"'&".clone_into(&mut report.scenario.name);
    let page = render(&report, Some(&sample::clean_report()));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for text in [
        "<script", "<b>", "http://", "https://", "src=", "@import", "url(",
    ] {
        assert!(!page.contains(text), "{text}");
    }
    for id in ["misses", "percentiles", "sources", "heat", "held", "lag"] {
        let figure = page
            .split("<figure id=\"")
            .find(|part| part.starts_with(id));
        let figure = figure.unwrap_or_else(|| panic!("no chart {id}"));
        for part in [
            "<title id=",
            "<desc id=",
            "role=\"img\"",
            "<details>",
            "<table>",
        ] {
            assert!(figure.contains(part), "{id}: {part}");
        }
    }
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("class=\"verdict\"") < place("id=\"numbers\""));
    assert!(place("id=\"numbers\"") < place("id=\"misses\""));
    assert!(page.contains("<title>1 l2 down &lt;b&gt;</title>") && page.contains("base: cache"));
    let events = page.split("<details id=\"events\" open>").nth(1).unwrap();
    assert!(events.contains(
        "<td>1</td><td>5h33m20s</td><td>8h20m</td><td>fault</td><td>l2 down &lt;b&gt;</td>"
    ));
    assert_eq!(
        page,
        render(&report, Some(&sample::clean_report())),
        "the same bytes again"
    );
}

#[test]
fn every_output_of_a_day_stays_small() {
    let report = day();
    for format in Format::ALL {
        let text = crate::command::report::render(&report, format, None).unwrap();
        let most = if [Format::Json, Format::Hlog, Format::OpenmetricsSeries].contains(&format) {
            20_000_000
        } else {
            1_000_000
        };
        assert!(text.len() < most, "{format:?}: {} bytes", text.len());
    }
}

#[test]
fn predictions_stand_beside_what_was_measured_with_their_errors() {
    use crate::report::model::{ClosedForm, Theory};

    let mut report = sample::clean_report();
    report.theory = vec![Theory {
        scope: "totals".to_owned(),
        predicted_by: "model".to_owned(),
        predicted_hit_ratio: 0.95,
        measured_hit_ratio: 0.9,
        standard_error: 0.01,
        z: -5.0,
        broken_assumptions: vec!["no <restarts>".to_owned()],
        attribution: [("evicted".to_owned(), 7), ("other".to_owned(), 0)].into(),
        closed_form: Some(ClosedForm {
            formula: "F1".to_owned(),
            hit_ratio: 0.94,
            standard_error: 0.02,
            z: -2.0,
        }),
        ..Theory::default()
    }];
    let page = render(&report, None);
    for cell in [
        "model",
        "95.000 % ± 1.000",
        "90.000 %",
        "-5.0",
        "evicted +7",
        "NOT SO: no &lt;restarts&gt;",
        "F1",
        "94.000 % ± 2.000",
        "-2.0",
    ] {
        assert!(page.contains(&format!(">{cell}<")), "{cell}");
    }
    assert!(!page.contains("other +0"));
}

#[test]
fn a_run_without_a_series_says_so() {
    let page = render(&sample::clean_report(), None);
    assert!(page.contains("keeps no course over time"));
    assert!(page.contains("<figure id=\"percentiles\""));
}

/// A directory of one test, gone when it ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What Chromium makes of `page`: its DOM, and what it says on the console.
fn browsed(page: &str, dark: bool) -> (String, String) {
    let name = format!("loadgen-page-{}", uuid::Uuid::new_v4());
    let scratch = Scratch(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&scratch.0).unwrap();
    let file = scratch.0.join("report.html");
    std::fs::write(&file, page).unwrap();
    let profile = |root: &Path| format!("--user-data-dir={}", root.join("profile").display());
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
        ])
        .arg(profile(&scratch.0))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null());
    if dark {
        command.arg("--force-dark-mode");
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("chromium is needed (Debian: chromium): {error}"));
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn chromium_shows_every_chart_and_says_nothing_on_the_console() {
    let page = render(&day(), Some(&sample::clean_report()));
    for dark in [false, true] {
        let (dom, said) = browsed(&page, dark);
        assert!(!said.contains("CONSOLE"), "{said}");
        assert_eq!(dom.matches("<figure id=").count(), 6, "{said}");
        assert!(dom.contains("</html>"));
    }
}
