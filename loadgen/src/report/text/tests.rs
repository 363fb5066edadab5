//! How a report reads.

use super::*;
use crate::report::judge::{Circumstances, judge};
use crate::report::model::Verdict;
use crate::report::sample;

#[test]
fn times_have_three_digits_and_a_unit() {
    for (time, expected) in [
        (0.85, "850 ns"),
        (1.0, "1.00 us"),
        (12.34, "12.3 us"),
        (456.7, "457 us"),
        (4_560.0, "4.56 ms"),
        (1_200_000.0, "1.20 s"),
    ] {
        assert_eq!(microseconds(time), expected);
    }
}

#[test]
fn counts_are_grouped_and_names_are_clipped() {
    assert_eq!(count(0), "0");
    assert_eq!(count(1_234_567), "1 234 567");
    assert_eq!(clip("client_credentials", 22), "client_credentials");
    assert_eq!(clip("a_very_long_name_of_a_flow", 22).chars().count(), 21);
}

fn judged(interrupted: bool) -> Report {
    let mut report = sample::report();
    let circumstances = Circumstances {
        interrupted,
        under_way: report.load.censored,
        ..Circumstances::default()
    };
    judge(&mut report, &sample::plan().thresholds, &circumstances).unwrap();
    report
}

#[test]
fn a_report_reads_like_this() {
    assert_eq!(render(&judged(false)), include_str!("sample.txt"));
}

#[test]
fn what_is_wrong_comes_first() {
    let mut report = sample::clean_report();
    report.ledger.balanced = false;
    report.oracle.wrong_token = 1;
    judge(
        &mut report,
        &sample::plan().thresholds,
        &Circumstances::default(),
    )
    .unwrap();
    let text = render(&report);
    let first: Vec<&str> = text.lines().take(3).collect();
    assert_eq!(first[0], "FAIL  sample (real time, seed 7, 10.2 s)");
    assert!(
        first[1].starts_with("  - 1 of 10 returned tokens were"),
        "{text}"
    );
    assert!(first[2].starts_with("  - the ledgers disagree"), "{text}");
    assert!(text.contains(": NOT BALANCED"), "{text}");
}

#[test]
fn each_verdict_is_the_first_word() {
    for (verdict, word) in [
        (Verdict::Pass, "PASS"),
        (Verdict::Fail, "FAIL"),
        (Verdict::Invalid, "INVALID"),
        (Verdict::Interrupted, "INTERRUPTED"),
    ] {
        let mut report = sample::clean_report();
        report.verdict = verdict;
        assert_eq!(render(&report).split(' ').next(), Some(word));
    }
    assert!(render(&judged(true)).contains("  - stopped before its time"));
}

#[test]
fn tables_keep_to_eighty_columns_however_large_the_numbers() {
    let mut report = judged(false);
    for flow in &mut report.flows {
        flow.name = "a_flow_with_a_name_that_is_far_too_long".to_owned();
        flow.acquisitions.acquisitions = 9_999_999;
        flow.acquisitions.errors = 999_999;
    }
    let kinds = (0..20).map(|number| (format!("an_error_of_kind_{number}"), number));
    report.totals.errors_by_kind = kinds.collect();
    for line in render(&report).lines() {
        let is_message = line.starts_with("  - ");
        assert!(is_message || line.chars().count() <= WIDTH, "{line}");
    }
}
