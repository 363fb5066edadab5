//! What each spoiled number does to a verdict.

use super::*;
use crate::report::sample;

/// A change to a clean report.
type Spoil = fn(&mut Report);

fn circumstances(interrupted: bool, report: &Report) -> Circumstances {
    Circumstances {
        interrupted,
        under_way: report.load.censored,
        ..Circumstances::default()
    }
}

const NOTHING: Spoil = |_| {};

fn judged(spoil: Spoil, interrupted: bool) -> Report {
    let mut report = sample::clean_report();
    spoil(&mut report);
    let circumstances = circumstances(interrupted, &report);
    judge(&mut report, &sample::plan().thresholds, &circumstances)
        .unwrap_or_else(|failure| panic!("{failure}"));
    report
}

const WRONG_TOKEN: Spoil = |report| report.oracle.wrong_token = 2;
const FEW_HITS: Spoil = |report| {
    report.totals.token_source.cache = 4;
    report.totals.token_source.identity_provider = 6;
};
const LATE: Spoil = |report| report.load.lag.p99_us = 25_001.0;

#[test]
fn a_clean_run_passes_without_a_word() {
    let report = judged(NOTHING, false);
    assert_eq!((report.verdict, report.exit_code), (Verdict::Pass, 0));
    assert_eq!(report.reasons, Vec::<String>::new());
    assert_eq!(report.thresholds.len(), 1);
    assert_eq!(report.thresholds[0].measured, Some(0.7));
}

#[test]
fn each_thing_wrong_has_its_verdict_and_its_reason() {
    let cases: &[(Spoil, Verdict, &str)] = &[
        (
            WRONG_TOKEN,
            Verdict::Fail,
            "2 of 10 returned tokens were another tenant's, application's, user's or resource's",
        ),
        (
            |report| report.oracle.expired_served = 1,
            Verdict::Fail,
            "1 of 10 returned tokens had expired when they were returned",
        ),
        (
            |report| report.oracle.under_scoped = 1,
            Verdict::Fail,
            "1 of 10 returned tokens lacked a scope that was asked for",
        ),
        (
            |report| report.oracle.not_issued = 1,
            Verdict::Fail,
            "1 of 10 returned tokens were not signed by the provider",
        ),
        (
            |report| {
                report.ledger.balanced = false;
                report.ledger.server_side = Some(4);
            },
            Verdict::Fail,
            "the ledgers disagree: clients account for 3 token requests, the provider counted 4",
        ),
        (
            FEW_HITS,
            Verdict::Fail,
            "threshold `hit_ratio >= 50%` does not hold (line 11)",
        ),
        (
            LATE,
            Verdict::Invalid,
            "the generator was late: p99 of its lag is 25.0 ms, with 25 % of the machine's time \
             its own and 1 % taken by the host",
        ),
        (
            |report| {
                report.load.offered = 12;
                report.load.dropped = 2;
            },
            Verdict::Invalid,
            "2 of 12 arrivals were dropped: the load was not the one planned",
        ),
        (
            |report| {
                report.load.offered = 11;
                report.load.started = 11;
                report.load.censored = 1;
            },
            Verdict::Invalid,
            "1 acquisition had not ended when the drain did",
        ),
    ];
    for (spoil, verdict, reason) in cases {
        let report = judged(*spoil, false);
        assert_eq!(report.verdict, *verdict, "{reason}");
        assert_eq!(report.reasons, [*reason]);
        assert_eq!(report.exit_code, Exit::from(*verdict).code());
    }
}

#[test]
fn a_run_in_which_nothing_ended_is_invalid() {
    let mut report = sample::clean_report();
    let started = report.load.started;
    report.load = crate::report::model::Load {
        offered: started,
        started,
        censored: started,
        ..Default::default()
    };
    report.totals = crate::report::model::Acquisitions::default();
    report.oracle = crate::report::model::Oracle::default();
    let circumstances = circumstances(false, &report);
    judge(&mut report, &sample::plan().thresholds, &circumstances).unwrap();
    assert_eq!(report.verdict, Verdict::Invalid);
    let expected = [
        "threshold `hit_ratio >= 50%` has nothing, or too little, to judge by (line 11)",
        "no acquisition ended",
        "10 acquisitions had not ended when the drain did",
    ];
    assert_eq!(report.reasons, expected);
}

#[test]
fn what_kept_the_generator_from_its_work_is_named() {
    let cases: [(Spoil, &str); 4] = [
        (
            |report| report.load.generator.longest_pause_us = 2_500_000.0,
            "the generator was late: it stood still for 2.5 s",
        ),
        (
            |report| report.load.generator.clock_jump_s = -7_200.0,
            "the wall clock moved by -7200.0 s against the monotonic one: \
             the machine slept, or its clock was set",
        ),
        (
            |report| report.load.generator.cpu_share = Some(0.97),
            "the generator was late: 97 % of the machine's time was its own",
        ),
        (
            |report| report.load.generator.steal_share = Some(0.4),
            "the generator was late: its host took 40 % of the machine's time away",
        ),
    ];
    for (spoil, expected) in cases {
        let report = judged(spoil, false);
        assert_eq!((report.verdict, report.exit_code), (Verdict::Invalid, 3));
        assert_eq!(report.reasons, [expected]);
    }
    let fine: Spoil = |report| {
        report.load.generator = Generator {
            cpu_share: None,
            steal_share: None,
            longest_pause_us: 2_000_000.0,
            clock_jump_s: -2.0,
        };
    };
    assert_eq!(judged(fine, false).verdict, Verdict::Pass);
}

#[test]
fn lag_and_drops_are_let_pass_up_to_their_limits() {
    let cases: [Spoil; 3] = [
        |report| report.load.lag.p99_us = 25_000.0,
        // A tenth of what callers waited.
        |report| {
            report.load.lag.p99_us = 60_000.0;
            report.load.response.p99_us = 600_000.0;
        },
        // One in a hundred.
        |report| {
            report.load.offered = 1_000;
            report.load.dropped = 10;
            report.load.started = 990;
            report.load.ok = 990;
            report.totals.token_source.cache = 987;
            report.totals.cache_level.l1 = 986;
            report.totals.cache_refresh_reason.not_applicable = 988;
            report.oracle.checked = 990;
        },
    ];
    for spoil in cases {
        let report = judged(spoil, false);
        assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    }
    let beyond = judged(
        |report| {
            report.load.lag.p99_us = 60_001.0;
            report.load.response.p99_us = 600_000.0;
        },
        false,
    );
    assert_eq!(beyond.verdict, Verdict::Invalid);
}

#[test]
fn the_worse_verdict_wins_and_every_reason_is_told() {
    let both = judged(
        |report| {
            LATE(report);
            WRONG_TOKEN(report);
        },
        false,
    );
    assert_eq!((both.verdict, both.exit_code), (Verdict::Fail, 1));
    assert_eq!(both.reasons.len(), 2);
    // A threshold or a ledger says little of a run that was not the planned one.
    for spoil in [
        (|report| {
            LATE(report);
            FEW_HITS(report);
        }) as Spoil,
        |report| {
            LATE(report);
            report.ledger.balanced = false;
        },
    ] {
        let report = judged(spoil, false);
        assert_eq!((report.verdict, report.exit_code), (Verdict::Invalid, 3));
        assert_eq!(report.reasons.len(), 2, "{:?}", report.reasons);
    }
}

#[test]
fn an_interrupted_run_says_so_and_a_wrong_token_fails_even_that() {
    let wrong = judged(WRONG_TOKEN, true);
    assert_eq!((wrong.verdict, wrong.exit_code), (Verdict::Fail, 1));
    for spoil in [NOTHING, LATE] {
        let report = judged(spoil, true);
        assert_eq!(report.verdict, Verdict::Interrupted);
        assert_eq!(report.exit_code, 130);
        assert_eq!(
            report.reasons.last().unwrap(),
            "stopped before its time: the numbers cover what ran"
        );
    }
}

#[test]
fn a_report_that_contradicts_itself_is_a_defect_of_the_program() {
    let cases: &[(Spoil, &str)] = &[
        (
            |report| report.load.offered += 1,
            "offered = started + dropped, yet 11 is not 10",
        ),
        (
            |report| report.load.dropped += 1,
            "offered = started + dropped, yet 10 is not 11",
        ),
        (
            |report| {
                report.load.offered += 1;
                report.load.started += 1;
            },
            "started = ok + error + timeout + censored, yet 11 is not 10",
        ),
        (
            |report| report.load.error += 1,
            "started = ok + error + timeout + censored, yet 10 is not 11",
        ),
        (
            |report| report.load.timeout += 1,
            "started = ok + error + timeout + censored, yet 10 is not 11",
        ),
        (
            |report| report.load.censored += 1,
            "started = ok + error + timeout + censored, yet 10 is not 11",
        ),
        (
            |report| report.totals.token_source.cache += 1,
            "ok = sum of token_source, yet 10 is not 11",
        ),
        (
            |report| report.totals.token_source.identity_provider -= 1,
            "ok = sum of token_source, yet 10 is not 9",
        ),
        (
            |report| report.totals.cache_level.none += 1,
            "ok = sum of cache_level, yet 10 is not 11",
        ),
        (
            |report| report.totals.cache_level.l2 += 1,
            "ok = sum of cache_level, yet 10 is not 11",
        ),
        (
            |report| report.totals.cache_refresh_reason.expired += 1,
            "ok = sum of cache_refresh_reason, yet 10 is not 11",
        ),
        (
            |report| report.totals.cache_refresh_reason.cache_disabled += 1,
            "ok = sum of cache_refresh_reason, yet 10 is not 11",
        ),
        (
            |report| report.oracle.checked -= 1,
            "ok = oracle.checked, yet 10 is not 9",
        ),
    ];
    for (spoil, expected) in cases {
        let mut report = sample::clean_report();
        spoil(&mut report);
        let circumstances = circumstances(false, &report);
        let failure = judge(&mut report, &[], &circumstances).expect_err(expected);
        assert_eq!(failure.exit.code(), 5);
        assert!(failure.message.ends_with(expected), "{failure}");
    }
}

#[test]
fn an_arrival_that_ended_without_a_sample_is_a_defect_of_the_program() {
    let mut report = sample::clean_report();
    report.load.offered += 2;
    report.load.started += 2;
    report.load.censored += 2;
    for (under_way, defect) in [(2, false), (3, false), (1, true)] {
        let circumstances = Circumstances {
            under_way,
            ..Circumstances::default()
        };
        let judged = judge(&mut report.clone(), &[], &circumstances);
        assert_eq!(judged.is_err(), defect, "{under_way} under way");
    }
}

#[test]
fn ledgers_that_prove_nothing_make_a_run_invalid() {
    let unread = Circumstances {
        ledger_unread: Some("gone".to_owned()),
        ..Circumstances::default()
    };
    let mut report = sample::clean_report();
    report.ledger.balanced = false;
    judge(&mut report, &[], &unread).unwrap();
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(
        report.reasons,
        ["the provider's ledger could not be read: gone"]
    );
    for (unsettled, verdict) in [
        (1, Verdict::Pass),
        (10, Verdict::Pass),
        (11, Verdict::Invalid),
    ] {
        let report = judged_with(|report| report.ledger.server_side = Some(1_000), unsettled);
        assert_eq!(report.verdict, verdict, "{unsettled} of 1000");
    }
}

fn judged_with(spoil: Spoil, unsettled: u64) -> Report {
    let mut report = sample::clean_report();
    spoil(&mut report);
    report.ledger.unsettled = unsettled;
    judge(&mut report, &[], &Circumstances::default()).unwrap();
    report
}
