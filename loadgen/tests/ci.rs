//! What CI systems run: the script that all of them share, and the files that
//! call it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser as _;
use loadgen::cli::Cli;
use program::Lab;

const SERVICE: &str = "\
version: 1
name: service
mode: virtual
duration: 1m
population: { tenants: 5 }
traffic: [{ flow: client_credentials, rate: 5/s }]
thresholds:
  - errors == 0
  - hit_ratio >= ${LEAST_HITS:-50%}
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the script in `lab`, with these variables, and no CI's own.
fn ci_gate(lab: &Lab, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(root().join("scripts/ci-gate"));
    for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TF_BUILD"] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .current_dir(lab.path("."))
        .env("LOADGEN", env!("CARGO_BIN_EXE_loadgen"))
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("service.yaml", SERVICE);
    let bless = ["gate", "service.yaml", "--baseline", "base.json", "--bless"];
    assert_eq!(lab.start(&bless).end().code, Some(0));
    lab
}

fn read(lab: &Lab, name: &str) -> String {
    std::fs::read_to_string(lab.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const GITHUB: [(&str, &str); 2] = [
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_STEP_SUMMARY", "step-summary.md"),
];

#[test]
fn a_cache_that_is_as_good_as_before_is_green_on_github() {
    let lab = lab();
    let output = ci_gate(&lab, &["service.yaml", "base.json", "out"], &GITHUB);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("::error"), "{said}");
    let summary = read(&lab, "step-summary.md");
    assert!(summary.contains("PASS: service\n"), "{summary}");
    assert!(
        summary.contains("PASS: service against its baseline"),
        "{summary}"
    );
    assert_eq!(summary, read(&lab, "out/summary.md"));
    assert!(read(&lab, "out/junit.xml").contains("<testsuite"));
    assert!(read(&lab, "out/report.html").starts_with("<!doctype html>"));
}

#[test]
fn a_threshold_that_fails_is_annotated_on_its_own_line() {
    let lab = lab();
    let variables = [&GITHUB[..], &[("LEAST_HITS", "100%")]].concat();
    let output = ci_gate(&lab, &["service.yaml"], &variables);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("::error file=service.yaml,line=9,"), "{said}");
    assert!(read(&lab, "step-summary.md").contains("FAIL: service"));
}

#[test]
fn a_count_that_got_worse_fails_with_one_line_of_why() {
    let lab = lab();
    let base = read(&lab, "base.json");
    let mut baseline: serde_json::Value = serde_json::from_str(&base).unwrap();
    let number = &mut baseline["runs"][0]["numbers"]["token_requests"];
    *number = serde_json::json!(number.as_f64().unwrap() - 1.0);
    lab.write("base.json", baseline.to_string());
    let azure = [("TF_BUILD", "True")];
    let output = ci_gate(&lab, &["service.yaml", "base.json"], &azure);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("against the baseline: "), "{said}");
    assert!(said.contains("##vso[task.uploadsummary]/"), "{said}");
    assert!(!said.contains("::error"), "{said}");
}

#[test]
fn what_cannot_be_judged_has_an_exit_code_of_its_own() {
    let lab = lab();
    let output = ci_gate(&lab, &["none.yaml"], &GITHUB);
    assert!(matches!(output.status.code(), Some(2 | 4)), "{output:?}");
    lab.write("base.json", "{");
    let output = ci_gate(&lab, &["service.yaml", "base.json"], &GITHUB);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("::error file=base.json,"), "{said}");
}

/// Every file that a CI system reads.
fn files() -> Vec<PathBuf> {
    let below = |directory: &str| {
        let entries = std::fs::read_dir(root().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let files: Vec<PathBuf> = below(".github/workflows")
        .chain(below("docs/ci"))
        .chain([root().join("action.yml")])
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    files
}

#[test]
fn the_files_are_yaml_and_call_what_is_there() {
    for path in files() {
        let name = path.display();
        let text = std::fs::read_to_string(&path).unwrap();
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let mut called = 0;
        for (index, _) in text.match_indices("scripts/") {
            let script: String = text[index..]
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || "/-".contains(*letter))
                .collect();
            assert!(root().join(&script).is_file(), "{name}: {script}");
            called += 1;
        }
        assert!(called > 0 || text.contains("uses: ./"), "{name}");
        for build in text.match_indices("cargo build").map(|(at, _)| &text[at..]) {
            assert!(
                build.starts_with("cargo build --locked --release -p loadgen"),
                "{name}"
            );
        }
    }
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    for (index, _) in action.match_indices("inputs.") {
        let input: String = action[index + 7..]
            .chars()
            .take_while(char::is_ascii_lowercase)
            .collect();
        assert!(action.contains(&format!("\n  {input}:\n")), "{input}");
    }
}

#[test]
fn the_script_calls_loadgen_as_it_can_be_called() {
    let script = std::fs::read_to_string(root().join("scripts/ci-gate")).unwrap();
    let calls: Vec<&str> = script
        .split("\"$loadgen\" ")
        .skip(1)
        .map(|rest| rest.split(['\n', '>']).next().unwrap_or(rest))
        .collect();
    assert_eq!(calls.len(), 6, "{calls:?}");
    for call in calls {
        let words = call.split_whitespace().map(|word| word.trim_matches('"'));
        Cli::try_parse_from(std::iter::once("loadgen").chain(words))
            .unwrap_or_else(|error| panic!("{call}: {error}"));
    }
}
