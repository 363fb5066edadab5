//! The page around the charts: verdict and validity first, then five numbers, the
//! charts, what was run, and the data to take away.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::chart::table;
use super::section;
use crate::gate::threshold::show;
use crate::report::escape::xml;
use crate::report::model::{Report, ThresholdVerdict, Verdict};
use crate::report::number::{bytes, count, microseconds};

/// A larger report is not embedded: the page stays below a megabyte.
const MOST_EMBEDDED: usize = 450_000;

pub(super) fn render(report: &Report, base: Option<&Report>) -> String {
    let name = xml(&report.scenario.name);
    let verdict = report.verdict.word();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:,\">\
         <title>{verdict}: {name}</title><style>{}</style></head><body>\
         <a class=\"skip\" href=\"#numbers\">Skip to the numbers</a><main>",
        include_str!("page.css")
    );
    head(&mut out, report);
    numbers(&mut out, report, base);
    thresholds(&mut out, report);
    charts(&mut out, report, base);
    theory(&mut out, report);
    if let Some(base) = base {
        comparison(&mut out, report, base);
    }
    flows(&mut out, report);
    what_ran(&mut out, report);
    out.push_str("</main></body></html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let class = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Invalid | Verdict::Interrupted => "invalid",
    };
    let valid = match report.verdict {
        Verdict::Pass | Verdict::Fail => "The run is valid: its numbers can be trusted.",
        Verdict::Invalid => "The run is not valid: its numbers cannot be trusted.",
        Verdict::Interrupted => "The run was stopped before its time.",
    };
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<header class=\"{class}\"><p class=\"verdict\">{}</p><h1>{}</h1>\
         <p>{valid} {} time, seed {}, {:.1} s, {}.</p>",
        report.verdict.word(),
        xml(&report.scenario.name),
        xml(report.mode.as_str()),
        report.seed,
        report.duration_s,
        xml(&to_the_second(&report.started_at))
    );
    if !report.reasons.is_empty() {
        out.push_str("<ul class=\"reasons\">");
        for reason in report.reasons.iter().take(50) {
            let _ = write!(out, "<li>{}</li>", xml(reason));
        }
        out.push_str("</ul>");
    }
    out.push_str("</header>");
}

/// A time stamp without the parts of its second.
fn to_the_second(started_at: &str) -> String {
    match started_at.split_once('.') {
        Some((whole, parts)) if parts.ends_with('Z') => format!("{whole}Z"),
        _ => started_at.to_owned(),
    }
}

/// Names of the five numbers, and how each reads in a report.
fn five(report: &Report) -> [(&'static str, String); 5] {
    let totals = &report.totals;
    let time = &totals.durations.total;
    let none = || "–".to_owned();
    let shown = |value: f64| {
        if time.count == 0 {
            none()
        } else {
            // A number and its unit stay on one line.
            microseconds(value).replace(' ', "\u{a0}")
        }
    };
    let calls = report
        .ledger
        .server_side
        .filter(|_| totals.acquisitions > 0)
        .map(|calls| calls as f64 * 1e3 / totals.acquisitions as f64);
    let l1 = report.cache.l1;
    [
        (
            "hit ratio",
            totals
                .hit_ratio
                .map_or_else(none, |ratio| format!("{:.2} %", ratio * 100.0)),
        ),
        (
            "provider calls per 1000",
            calls.map_or_else(none, |calls| format!("{calls:.1}")),
        ),
        (
            "p50 · p99 · max",
            format!(
                "{} · {} · {}",
                shown(time.p50_us),
                shown(time.p99_us),
                shown(time.max_us)
            ),
        ),
        ("errors", count(totals.errors)),
        (
            "bytes per L1 entry",
            l1.bytes.checked_div(l1.entries).map_or_else(none, bytes),
        ),
    ]
}

fn numbers(out: &mut String, report: &Report, base: Option<&Report>) {
    out.push_str("<section id=\"numbers\" aria-label=\"Five numbers\"><dl class=\"five\">");
    let before = base.map(five);
    for (index, (name, value)) in five(report).into_iter().enumerate() {
        let before = before.as_ref().map_or_else(String::new, |before| {
            format!("<dd class=\"base\">base {}</dd>", xml(&before[index].1))
        });
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "<div><dt>{name}</dt><dd>{}</dd>{before}</div>",
            xml(&value)
        );
    }
    out.push_str("</dl></section>");
}

fn thresholds(out: &mut String, report: &Report) {
    if report.thresholds.is_empty() {
        return;
    }
    out.push_str(
        "<section><h2>Thresholds</h2><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">verdict</th><th scope=\"col\">threshold</th><th scope=\"col\">measured</th>\
         <th scope=\"col\">limit</th><th scope=\"col\">line</th></tr></thead><tbody>",
    );
    let mut sorted: Vec<_> = report.thresholds.iter().collect();
    sorted.sort_by_key(|threshold| threshold.verdict == ThresholdVerdict::Pass);
    for threshold in sorted {
        let (class, word) = match threshold.verdict {
            ThresholdVerdict::Pass => ("pass", "✓ pass"),
            ThresholdVerdict::Fail => ("fail", "✗ fail"),
            ThresholdVerdict::NoData => ("fail", "✗ no data"),
        };
        let shown = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| show(threshold.unit, value))
        };
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "<tr class=\"{class}\"><td>{word}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            xml(&threshold.expression),
            xml(&shown(threshold.measured)),
            xml(&shown(threshold.limit)),
            threshold.line
        );
    }
    out.push_str("</tbody></table></div></section>");
}

fn charts(out: &mut String, report: &Report, base: Option<&Report>) {
    out.push_str("<section><h2>Why misses happened, and how long it took</h2>");
    let over_time = !report.series.intervals.is_empty();
    if over_time {
        out.push_str(&section::what_happened(report));
        out.push_str(&section::misses(report));
    } else {
        out.push_str(
            "<p>The report keeps no course over time, so that charts of it are left out.</p>",
        );
    }
    out.push_str(&section::percentiles(report, base));
    if over_time {
        for chart in [section::sources, section::heat, section::held, section::lag] {
            out.push_str(&chart(report));
        }
    }
    out.push_str("</section>");
}

fn theory(out: &mut String, report: &Report) {
    if report.theory.is_empty() {
        return;
    }
    let share = |share: f64| format!("{:.3} %", share * 100.0);
    // A report of an earlier build has no standard error.
    let beside = |predicted: f64, error: f64| {
        if error > 0.0 {
            format!("{} ± {:.3}", share(predicted), error * 100.0)
        } else {
            share(predicted)
        }
    };
    let mut rows = Vec::new();
    for theory in &report.theory {
        let causes: Vec<String> = theory
            .attribution
            .iter()
            .filter(|(_, times)| **times != 0)
            .map(|(cause, times)| format!("{cause} {times:+}"))
            .collect();
        let broken = theory.broken_assumptions.iter();
        let broken = broken.map(|assumption| format!("NOT SO: {assumption}"));
        let assumptions: Vec<String> = broken.chain(theory.assumptions.iter().cloned()).collect();
        rows.push(vec![
            theory.scope.clone(),
            theory.predicted_by.clone(),
            beside(theory.predicted_hit_ratio, theory.standard_error),
            share(theory.measured_hit_ratio),
            format!("{:+.1}", theory.z),
            causes.join(", "),
            assumptions.join("; "),
        ]);
        let form = theory.closed_form.as_ref();
        rows.extend(form.map(|form| {
            vec![
                theory.scope.clone(),
                form.formula.clone(),
                beside(form.hit_ratio, form.standard_error),
                share(theory.measured_hit_ratio),
                format!("{:+.1}", form.z),
                String::new(),
                String::new(),
            ]
        }));
    }
    out.push_str(
        "<section><h2>Measured against predicted</h2><p>What an ideal cache would do: by a \
         model with the same arrivals, and by a closed form where one covers the load. ± is \
         one standard error, how far chance alone moves what is measured.</p>",
    );
    out.push_str(&table(
        &[
            "scope",
            "predicted by",
            "an ideal cache",
            "this one",
            "standard errors between",
            "the gap, in acquisitions",
            "taken for granted",
        ],
        &rows,
    ));
    out.push_str("</section>");
}

fn comparison(out: &mut String, report: &Report, base: &Report) {
    use crate::report::figure::figures;

    let before = figures(base);
    let rows: Vec<Vec<String>> = figures(report)
        .into_iter()
        .filter(|head| head.subject.flow.is_none())
        .filter_map(|head| {
            let base = before.iter().find(|base| base.name == head.name)?;
            let change = (head.value - base.value) / base.value.abs();
            Some(vec![
                head.name.clone(),
                show(base.unit(), base.value),
                show(head.unit(), head.value),
                if change.is_finite() {
                    format!("{:+.2} %", change * 100.0)
                } else {
                    "–".to_owned()
                },
            ])
        })
        .collect();
    out.push_str("<section><h2>Beside the base</h2><details><summary>Every number</summary>");
    out.push_str(&table(&["number", "base", "this run", "change"], &rows));
    out.push_str("</details></section>");
}

fn flows(out: &mut String, report: &Report) {
    let flows = report
        .flows
        .iter()
        .map(|flow| (flow.name.as_str(), &flow.acquisitions));
    let rows: Vec<Vec<String>> = flows
        .chain([("all", &report.totals)])
        .map(|(name, of)| {
            vec![
                name.to_owned(),
                count(of.acquisitions),
                of.hit_ratio
                    .map_or_else(|| "–".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0)),
                count(of.token_source.cache),
                count(of.token_source.identity_provider),
                count(of.coalesced),
                count(of.background_refreshes),
                count(of.errors),
            ]
        })
        .collect();
    out.push_str("<section><h2>Flows</h2>");
    out.push_str(&table(
        &[
            "flow",
            "acquisitions",
            "hit ratio",
            "cache",
            "provider",
            "coalesced",
            "refreshed behind",
            "errors",
        ],
        &rows,
    ));
    out.push_str("</section>");
}

fn what_ran(out: &mut String, report: &Report) {
    let scenario = &report.scenario;
    let mut rows = vec![
        vec!["scenario".to_owned(), scenario.file.clone()],
        vec!["SHA-256 of it".to_owned(), scenario.hash.clone()],
        vec!["seed".to_owned(), report.seed.to_string()],
    ];
    rows.extend(
        scenario
            .overrides
            .iter()
            .map(|change| vec!["--set".to_owned(), change.clone()]),
    );
    rows.extend(
        report
            .environment
            .iter()
            .map(|(name, value)| vec![name.clone(), value.clone()]),
    );
    let ledger = report.ledger;
    rows.push(vec![
        "ledgers".to_owned(),
        format!(
            "clients {}, provider {}: {}",
            count(ledger.client_side),
            ledger
                .server_side
                .map_or_else(|| "not read".to_owned(), count),
            if ledger.balanced {
                "balanced"
            } else {
                "NOT BALANCED"
            }
        ),
    ]);
    let set: String = scenario
        .overrides
        .iter()
        .fold(String::new(), |mut all, change| {
            // Writing to a string does not fail.
            let _ = write!(all, " --set '{change}'");
            all
        });
    rows.push(vec![
        "again".to_owned(),
        format!(
            "loadgen run {} --mode {} --seed {}{set}",
            scenario.file,
            report.mode.as_str(),
            report.seed
        ),
    ]);
    out.push_str("<section><h2>What was run</h2>");
    out.push_str(&table(&["", ""], &rows));
    out.push_str(&download(report));
    out.push_str("</section>");
}

/// The report itself, for machines, without a network.
fn download(report: &Report) -> String {
    let Ok(json) = serde_json::to_string(report) else {
        return String::new();
    };
    if json.len() > MOST_EMBEDDED {
        return "<p>The report is too large to be embedded; report.json lies beside this page.</p>"
            .to_owned();
    }
    format!(
        "<p><a download=\"report.json\" href=\"data:application/json;base64,{}\">Download report.json</a></p>",
        BASE64_STANDARD.encode(json)
    )
}
