//! The scenarios that ship: complete, indexed, provable; and what is not is
//! found out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use loadgen::library::times::{self, Size, Taken};
use loadgen::library::{self, Entry, index::index, inputs, lacks, presets};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .output()
        .unwrap()
}

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn with(name: &str, scenario: &str) -> Self {
        let path = std::env::temp_dir().join(format!("library-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("scenario.yaml"), scenario).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_scenario_that_ships_is_complete() {
    let (entries, problems) = library::read(&root().join("scenarios")).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    assert!(entries.len() >= 33, "{} scenarios", entries.len());
    let lacking: Vec<String> = entries.iter().flat_map(lacks).collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
    let named = entries.iter().filter(|entry| {
        let stem = entry.file.trim_end_matches(".yaml");
        entry.plan.name != stem
    });
    assert_eq!(named.count(), 0, "names are those of the files");
}

#[test]
fn the_index_is_what_the_files_say() {
    let (entries, _) = library::read(&root().join("scenarios")).unwrap();
    let times = measured();
    let written = fs::read_to_string(root().join("scenarios/README.md")).unwrap();
    assert_eq!(
        written,
        index(&entries, &times),
        "write it by `loadgen scenarios index scenarios > scenarios/README.md`"
    );
}

fn measured() -> Vec<Taken> {
    let text = fs::read_to_string(root().join("scenarios/times.csv")).unwrap();
    times::parse(&text).unwrap()
}

#[test]
fn every_scenario_is_measured_in_both_sizes_and_quick_in_ci() {
    let (entries, _) = library::read(&root().join("scenarios")).unwrap();
    let times = measured();
    for entry in &entries {
        for size in [Size::Ci, Size::Full] {
            let mut of = times
                .iter()
                .filter(|taken| taken.scenario == entry.plan.name && taken.size == size);
            let taken = of
                .next()
                .unwrap_or_else(|| panic!("{} {size:?}", entry.file));
            assert_eq!(of.next(), None, "{} twice", entry.file);
            assert!(taken.calls > 0 && taken.megabytes > 0, "{taken:?}");
            if size == Size::Ci {
                assert!(taken.seconds <= 20.0, "{taken:?}");
            }
        }
    }
    assert_eq!(times.len(), 2 * entries.len(), "of scenarios that are gone");
    // Twins take about as long, and two run beside each other.
    let in_ci = times.iter().filter(|taken| taken.size == Size::Ci);
    let seconds: f64 = in_ci.map(|taken| taken.seconds).sum();
    assert!(seconds <= 300.0, "{seconds} s");
}

/// The page must have been made from the scenarios as they are.
fn is_current(page: &str, entries: &[&Entry], command: &str) -> String {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let line = inputs::line(entries).unwrap();
    assert!(
        text.ends_with(&line),
        "{page} is of other scenarios than these; make it again by `{command}`"
    );
    text
}

#[test]
fn the_table_of_presets_is_of_these_scenarios_and_its_rows_are_what_happens() {
    let (entries, _) = library::read(&root().join("scenarios")).unwrap();
    let all: Vec<&Entry> = entries.iter().collect();
    let page = is_current(
        "docs/presets.md",
        &all,
        "loadgen scenarios presets scenarios > docs/presets.md",
    );
    for entry in &entries {
        let rows = page.matches(&format!("\n| {} |", entry.plan.name)).count();
        assert_eq!(rows, 2, "{}", entry.plan.name);
    }
    // The quick ones are run again; CI runs them all.
    let quick = ["cold-stampede", "fat-partition", "throttle-convoy"];
    let quick: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| quick.contains(&entry.plan.name.as_str()))
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_loadgen"));
    let again = presets::rows(&quick, program).unwrap();
    assert_eq!(again.lines().count(), 6);
    for row in again.lines() {
        assert!(page.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn every_defect_is_caught_in_the_matrix_of_these_scenarios() {
    let (entries, _) = library::read(&root().join("scenarios")).unwrap();
    let page = is_current(
        "docs/defects.md",
        &library::against_defects(&entries),
        "scripts/defects",
    );
    let rows = page.lines().filter(|line| line.matches(" | ").count() == 5);
    let rows: Vec<&str> = rows.filter(|line| !line.starts_with("| area")).collect();
    assert!(rows.len() >= 30, "{} defects", rows.len());
    for row in rows {
        let caught: u32 = row.split(" | ").nth(3).unwrap().trim().parse().unwrap();
        assert!(caught >= 1, "{row}");
    }
}

#[test]
fn the_fifteen_are_there_by_their_names() {
    for name in [
        "wrong-token-canary",
        "no-shared-cache",
        "cold-stampede",
        "l2-blackhole",
        "expiry-cliff",
        "farm-stale-l1",
        "refresh-token-race",
        "unbounded-growth",
        "fat-partition",
        "throttle-convoy",
        "key-ring-swap",
        "key-hygiene",
        "rolling-deploy",
        "l2-ttl-mismatch",
        "l2-failover",
    ] {
        assert!(
            root().join(format!("scenarios/{name}.yaml")).is_file(),
            "{name}"
        );
    }
}

/// What a scenario of the library must have beside its twin.
const GOOD: &str = "version: 1\nname: scenario\nmode: virtual\nduration: 10m\n\
    traffic: [{ flow: client_credentials, rate: 1/s }]\n";

fn proof(name: &str, rest: &str) -> (i32, String) {
    let scratch = Scratch::with(name, &format!("{GOOD}{rest}"));
    let output = loadgen(&["gate", "--prove", &scratch.0.to_string_lossy()]);
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn a_twin_that_fails_where_it_says_is_a_proof() {
    let (exit, text) = proof(
        "good",
        "thresholds:\n  - hit_ratio >= 90%\ntwin: { why: nothing is cached, breaks: hit_ratio >= 90%, \
         change: { cache: { policy: { caching: disabled } } } }\n",
    );
    assert_eq!(exit, 0, "{text}");
    assert!(text.starts_with("PASS  1 of 1"), "{text}");
}

#[test]
fn what_proves_nothing_is_named() {
    let cases = [
        (
            "passes",
            "thresholds:\n  - hit_ratio >= 90%\ntwin: { why: not at all, breaks: hit_ratio >= 90%, change: { seed: 7 } }\n",
            1,
            "the twin does not fail: it is pass",
        ),
        (
            "without",
            "thresholds:\n  - hit_ratio >= 90%\n",
            1,
            "the scenario has no twin",
        ),
        (
            "other",
            "thresholds:\n  - hit_ratio >= 90%\n  - errors == 0\ntwin: { why: nothing is cached, breaks: errors == 0, \
             change: { cache: { policy: { caching: disabled } } } }\n",
            1,
            "the twin fails, but not on `errors == 0`",
        ),
        (
            "link",
            "thresholds:\n  - hit_ratio >= 90%\ntwin: { why: a slip, breaks: hit_ratio >= 91%, change: { seed: 7 } }\n",
            2,
            "is not one of `thresholds`",
        ),
        (
            "unevaluable",
            "thresholds:\n  - max(acquire_http{flow=client_credentials}) <= 1s min samples 500\n\
             twin: { why: not at all, breaks: max(acquire_http{flow=client_credentials}) <= 1s min samples 500, change: { seed: 7 } }\n",
            2,
            "",
        ),
        (
            "unknown",
            "thresholds:\n  - hit_rate >= 90%\ntwin: { why: a slip, breaks: hit_rate >= 90%, change: { seed: 7 } }\n",
            2,
            "unknown metric",
        ),
    ];
    for (name, rest, expected, why) in cases {
        let (exit, text) = proof(name, rest);
        assert_eq!(exit, expected, "{name}: {text}");
        assert!(text.contains(why), "{name}: {text}");
    }
}

#[test]
fn a_scenario_without_question_links_or_marks_does_not_ship() {
    let scratch = Scratch::with("bare", &format!("{GOOD}thresholds:\n  - errors == 0\n"));
    let output = loadgen(&["scenarios", "check", &scratch.0.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    for missing in [
        "nothing stands under `Question:`",
        "nothing stands under `Change in MSAL terms:`",
        "it has no twin",
        "`errors == 0` is marked neither",
        "README.md is not the index",
    ] {
        assert!(text.contains(missing), "{missing} is not in\n{text}");
    }
}
