//! Files that are no report to rely on: each is refused, with what is wrong.

use serde_json::{Value, json};

use super::*;
use crate::report::judge::{Circumstances, judge};
use crate::report::sample;

/// A judged report as it is written.
fn written() -> Value {
    let mut report = sample::clean_report();
    judge(
        &mut report,
        &sample::plan().thresholds,
        &Circumstances::default(),
    )
    .unwrap();
    serde_json::to_value(&report).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    match parse_report(bytes) {
        Ok(_) => String::new(),
        Err((message, _)) => message,
    }
}

#[test]
fn a_report_reads_back_as_it_was_written() {
    let value = written();
    let read = parse_report(value.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
}

#[test]
fn every_truncation_is_refused() {
    let whole = written().to_string();
    for end in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
        let said = refused(&whole.as_bytes()[..end]);
        assert!(
            said.contains("ends in the middle") || said.contains("it is empty"),
            "{end}: {said}"
        );
    }
}

#[test]
fn foreign_files_and_newer_versions_are_refused() {
    for (text, expected) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("hello", "it is not JSON"),
        ("[]", "it is no report of loadgen"),
        (
            "{}",
            "it is no report of loadgen: it has no `schema_version`",
        ),
        (
            r#"{"metrics":{"http_reqs":1}}"#,
            "it is no report of loadgen",
        ),
        (
            r#"{"schema_version":1}"#,
            "it is no report of loadgen: missing field",
        ),
        (r#"{"schema_version":0}"#, "it is no report of loadgen"),
        (
            r#"{"schema_version":2}"#,
            "it is of version 2, and this loadgen reads up to 1",
        ),
        (r#"{"schema_version":"1"}"#, "it is no report of loadgen"),
    ] {
        let said = refused(text.as_bytes());
        assert!(said.starts_with(expected), "{text}: {said}");
    }
}

/// A place in the report, what stands there instead, and what is said of it.
type Edit = (&'static str, Value, &'static str);

#[test]
fn numbers_edited_by_hand_are_refused() {
    let edits: [Edit; 16] = [
        ("/totals/hit_ratio", json!(0.99), "`hit_ratio` of totals"),
        ("/flows/0/hit_ratio", json!(null), "`hit_ratio` of api"),
        (
            "/totals/token_source/cache",
            json!(8),
            "ok = sum of token_source",
        ),
        ("/flows/0/errors", json!(1), "errors = sum of the flows'"),
        ("/load/offered", json!(11), "offered = started + dropped"),
        (
            "/load/ok",
            json!(9),
            "started = ok + error + timeout + censored",
        ),
        ("/oracle/checked", json!(9), "ok = oracle.checked"),
        (
            "/totals/durations/total/p99_us",
            json!(1.0),
            "durations.total of totals: `p99_us` is 1",
        ),
        ("/load/lag/count", json!(99), "load.lag: 12 samples, not 99"),
        (
            "/load/response/hdr",
            json!("AAAA"),
            "load.response: too short",
        ),
        (
            "/thresholds/0/measured",
            json!(0.9),
            "threshold `hit_ratio >= 50%` is not judged",
        ),
        (
            "/thresholds/0/verdict",
            json!("fail"),
            "threshold `hit_ratio >= 50%` is not judged",
        ),
        (
            "/thresholds/0/expression",
            json!("hit_ratio >= 95%"),
            "threshold `hit_ratio >= 95%` is not judged",
        ),
        (
            "/thresholds/0/expression",
            json!("hit_ratoi >= 5%"),
            "unknown metric",
        ),
        ("/verdict", json!("fail"), "verdict FAIL with exit code 0"),
        (
            "/oracle/wrong_token",
            json!(1),
            "it passes, although not everything in it holds",
        ),
    ];
    for (place, instead, expected) in edits {
        let mut report = written();
        *report
            .pointer_mut(place)
            .unwrap_or_else(|| panic!("{place}")) = instead;
        let said = refused(report.to_string().as_bytes());
        assert!(
            said.starts_with("it disagrees with itself") && said.contains(expected),
            "{place}: {said}"
        );
    }
}

#[test]
fn a_series_or_outcomes_that_do_not_fit_are_refused() {
    let edits: [Edit; 5] = [
        (
            "/series",
            json!({"interval_s": 1.0, "intervals": [crate::report::model::Interval::default()], "marks": []}),
            "sum of the intervals'",
        ),
        (
            "/outcomes",
            json!({"count": 3, "letters": "h3"}),
            "3 outcomes of 10 arrivals",
        ),
        (
            "/outcomes",
            json!({"count": 10, "letters": "h3"}),
            "3 outcomes, not 10",
        ),
        (
            "/outcomes",
            json!({"count": 10, "letters": "z10"}),
            "`z` is not an outcome",
        ),
        (
            "/load/dropped",
            json!(u64::MAX),
            "offered = started + dropped",
        ),
    ];
    for (place, instead, expected) in edits {
        let mut report = written();
        let (parent, key) = place.rsplit_once('/').unwrap();
        report.pointer_mut(parent).unwrap()[key] = instead;
        let said = refused(report.to_string().as_bytes());
        assert!(said.contains(expected), "{place}: {said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_the_environment_s_fault() {
    let failure = read(Path::new("no/such/report.json")).unwrap_err();
    assert_eq!(failure.exit, Exit::Environment);
}
