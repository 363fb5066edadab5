//! What holds of every format: a name is text in all of them, and what failed is
//! told in all of them.

use std::process::Command;

use clap::ValueEnum as _;
use serde_json::Value;

use super::judge::{Circumstances, judge};
use super::markdown::MOST_BYTES;
use super::model::{Report, Verdict};
use super::sample;
use crate::command::report::{Format, render};
use crate::gate::threshold::{Context, Threshold, parse};

/// A name that is markup, a command or a formula somewhere.
const NASTY: &str = "<script>alert(1)</script> --> | `x` @me\n::error::x%0A \"q\" ]]> \u{1} =1";

fn threshold(text: &str, line: u32) -> Threshold {
    parse(text, line, 5, &Context::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A run of which one threshold failed and one had no data.
fn failed() -> Report {
    let mut report = sample::clean_report();
    let thresholds = [
        threshold("hit_ratio >= 50%", 11),
        threshold("hit_ratio >= 99%", 12),
        threshold("p99(acquire) < 50us", 13),
    ];
    judge(&mut report, &thresholds, &Circumstances::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    report
}

fn nasty() -> Report {
    let mut report = failed();
    NASTY.clone_into(&mut report.scenario.name);
    NASTY.clone_into(&mut report.scenario.file);
    NASTY.clone_into(&mut report.flows[0].name);
    report.reasons.push(NASTY.to_owned());
    report
        .thresholds
        .iter_mut()
        .for_each(|threshold| NASTY.clone_into(&mut threshold.file));
    report
}

fn rendered(report: &Report, format: Format) -> String {
    render(report, format, None).unwrap_or_else(|failure| panic!("{format:?}: {failure}"))
}

fn json(report: &Report, format: Format) -> Value {
    serde_json::from_str(&rendered(report, format)).unwrap()
}

#[test]
fn every_format_is_listed_and_renders_any_run() {
    assert_eq!(Format::ALL, Format::value_variants());
    for report in [sample::report(), failed(), nasty()] {
        for format in Format::ALL {
            let text = rendered(&report, format);
            assert!(!text.is_empty() || format == Format::Github, "{format:?}");
            let for_people = [Format::Text, Format::Markdown, Format::Junit];
            let is_clean = !text.contains('\u{1}');
            assert!(is_clean || !for_people.contains(&format), "{format:?}");
        }
    }
}

#[test]
fn a_nasty_name_is_no_markup() {
    let report = nasty();
    let page = rendered(&report, Format::Markdown);
    assert!(!page.contains("<script") && !page.contains("@me"), "{page}");
    assert_eq!(page.matches("-->").count(), 1, "{page}");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let columns: Vec<usize> = rows.map(|row| row.matches('|').count()).collect();
    assert!(columns.iter().all(|count| [6, 8].contains(count)), "{page}");
    let commands = rendered(&report, Format::Github);
    assert_eq!(commands.lines().count(), 3, "{commands}");
    assert!(
        commands
            .lines()
            .all(|line| line.starts_with("::error file=")),
        "{commands}"
    );
    let csv = rendered(&report, Format::Csv);
    assert!(csv.lines().count() >= 2 && !csv.contains(",="), "{csv}");
    assert!(json(&report, Format::Bmf).get(NASTY).is_some());
}

#[test]
fn markdown_tells_the_verdict_first_and_never_outgrows_a_comment() {
    let mut report = failed();
    let page = rendered(&report, Format::Markdown);
    let mut lines = page.lines();
    assert_eq!(lines.next(), Some("<!-- loadgen:run:sample -->"));
    assert_eq!(lines.next(), Some("### ❌ FAIL: sample"));
    let failed = page.find("**failed**").unwrap();
    assert!(failed < page.find("threshold held").unwrap(), "{page}");
    let one = report.thresholds[1].clone();
    report.thresholds = std::iter::repeat_n(one, 500).collect();
    report.reasons = vec!["x".repeat(3_000); 500];
    report.scenario.overrides = vec!["x".repeat(3_000); 50];
    report.scenario.file = "y".repeat(4_000);
    for flow in &mut report.flows {
        flow.name = "|".repeat(2_000);
    }
    let page = rendered(&report, Format::Markdown);
    assert!(page.len() < MOST_BYTES, "{}", page.len());
    assert!(page.contains("more"), "{page}");
}

/// Python's parser, since no XML parser is at hand here.
fn parsed_xml(text: &str) -> String {
    let script = "\
import sys, xml.etree.ElementTree as e
root = e.fromstring(sys.stdin.buffer.read())
for suite in root:
    print(suite.tag, suite.get('tests'), suite.get('failures'), suite.get('errors'))
    for case in suite.iter('testcase'):
        print(case.get('name'), [child.tag + ':' + child.get('type') for child in case])";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    {
        use std::io::Write as _;
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn junit_is_xml_with_a_case_for_each_threshold() {
    let said = parsed_xml(&rendered(&failed(), Format::Junit));
    assert_eq!(
        said,
        "\
testsuite 6 2 0
the run is valid []
every token is the right one []
both ledgers agree []
hit_ratio >= 50% []
hit_ratio >= 99% ['failure:threshold']
p99(acquire) < 50us ['failure:no_data']
"
    );
    parsed_xml(&rendered(&nasty(), Format::Junit));
}

#[test]
fn an_invalid_run_is_an_error_in_junit() {
    let mut report = sample::clean_report();
    report.load.lag.p99_us = 1e6;
    judge(&mut report, &[], &Circumstances::default()).unwrap();
    let said = parsed_xml(&rendered(&report, Format::Junit));
    assert!(
        said.contains("the run is valid ['error:invalid']"),
        "{said}"
    );
}

#[test]
fn annotations_point_at_the_line_of_each_threshold_and_keep_to_eight() {
    let mut report = failed();
    let said = rendered(&report, Format::Github);
    let expected = "\
::error file=sample.yaml,line=12,title=threshold of sample::hit_ratio >= 99%25 does not hold: measured 70%25, limit 99%25
::error file=sample.yaml,line=13,title=threshold of sample::p99(acquire) < 50us has nothing, or too little, to judge by
";
    assert_eq!(said, expected);
    let one = report.thresholds[1].clone();
    report.thresholds = std::iter::repeat_n(one, 30).collect();
    let said = rendered(&report, Format::Github);
    assert_eq!(said.lines().count(), 8, "{said}");
    assert!(said.ends_with("%0Aand 22 more thresholds\n"), "{said}");
}

#[test]
fn sarif_has_a_result_at_the_line_of_each_failure() {
    let log = json(&failed(), Format::Sarif);
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let places: Vec<(&str, u64)> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            (
                result["ruleId"].as_str().unwrap(),
                place["region"]["startLine"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("threshold/hit_ratio >= 99%", 12),
            ("threshold/p99(acquire) < 50us", 13)
        ]
    );
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    assert_eq!(rules.len(), 2);
}

#[test]
fn benchmark_formats_hold_the_report_s_numbers() {
    let report = sample::clean_report();
    let bmf = json(&report, Format::Bmf);
    assert_eq!(bmf["sample"]["hit_ratio"]["value"], 0.7);
    assert_eq!(bmf["sample"]["hit_ratio{flow=api}"]["value"], 0.8);
    assert_eq!(bmf["sample"]["l2_operations{operation=set}"]["value"], 12.0);
    let gha = json(&report, Format::GhaBenchmark);
    let entries = gha.as_array().unwrap();
    let named = |name: &str| entries.iter().find(|entry| entry["name"] == name);
    let misses = named("sample: 1 - hit_ratio").unwrap()["value"]
        .as_f64()
        .unwrap();
    assert!((misses - 0.3).abs() < 1e-9);
    assert_eq!(named("sample: l1_bytes").unwrap()["value"], 7_000.0);
    assert!(named("sample: offered").is_none(), "neither way better");
    let csv = rendered(&report, Format::Csv);
    let mut lines = csv.lines();
    let (heading, line) = (lines.next().unwrap(), lines.next().unwrap());
    let place = heading.split(',').position(|it| it == "hit_ratio").unwrap();
    assert_eq!(line.split(',').nth(place), Some("0.7"));
}

#[test]
fn openmetrics_names_each_family_once_and_ends_as_it_must() {
    for format in [Format::Openmetrics, Format::OpenmetricsSeries] {
        let text = rendered(&nasty(), format);
        assert!(text.ends_with("# EOF\n"));
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        let mut names: Vec<&str> = types.collect();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "each family once");
    }
    let snapshot = rendered(&sample::clean_report(), Format::Openmetrics);
    assert!(
        snapshot.contains("loadgen_report_hit_ratio{scenario=\"sample\"} 0.7\n"),
        "{snapshot}"
    );
    assert!(
        snapshot
            .contains("loadgen_report_acquire_seconds{scenario=\"sample\",quantile=\"1\"} 0.05"),
        "{snapshot}"
    );
}
