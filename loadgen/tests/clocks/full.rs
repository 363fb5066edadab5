//! What becomes of arrivals that find `max_in_flight` under way.

use loadgen::report::model::{Report, Verdict};
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

/// Ten a second for ten seconds, one at a time, each a fifth of a second: every
/// other one finds no room.
const TWICE_TOO_MANY: &str = "
version: 1
duration: 10s
graceful_stop: 1m
max_in_flight: 1
cache: { l1: none, l2: { store: memory, latency: 200ms } }
traffic: [{ flow: client_credentials, arrivals: constant, rate: 10/s }]
";

fn run(when_full: &str, mode: Mode) -> Report {
    let set = [format!("when_full={when_full}")];
    report(&plan(TWICE_TOO_MANY, 1, &[&set[0]]), mode)
}

#[test]
fn what_queues_keeps_its_intended_start_and_nothing_is_lost() {
    let report = run("queue", Mode::Virtual);
    let load = &report.load;
    assert_eq!((load.offered, load.dropped, load.ok), (100, 0, 100));
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    // The hundredth came after 9.9 s and was served after about 20.
    assert!(
        (8e6..13e6).contains(&load.response.max_us),
        "{:?}",
        load.response.max_us
    );
    assert!(load.queued.count >= 98, "{:?}", load.queued.count);
    let parts = load.queued.max_us + load.service.max_us;
    assert!((load.response.max_us - parts).abs() < 1e6);
    assert!(
        load.lag.max_us < 1.0,
        "the generator was not late: the callers waited"
    );
    assert!(
        (19.0..25.0).contains(&report.duration_s),
        "{}",
        report.duration_s
    );
}

#[test]
fn what_is_dropped_is_counted_and_the_others_are_not_slower() {
    let report = run("drop", Mode::Virtual);
    let load = &report.load;
    assert_eq!(load.offered, load.ok + load.dropped);
    assert!(load.dropped >= 45, "{}", load.dropped);
    assert!(load.response.max_us < 1e6);
    assert_eq!(report.verdict, Verdict::Invalid);
}

#[test]
fn abort_ends_the_run_at_the_first_arrival_without_room() {
    for mode in [Mode::Virtual, Mode::Real] {
        let report = run("abort", mode);
        let load = &report.load;
        assert_eq!((report.verdict, report.exit_code), (Verdict::Invalid, 3));
        let reason = "aborted: an arrival found `max_in_flight` under way";
        assert!(
            report.reasons.iter().any(|of| of.starts_with(reason)),
            "{:?}",
            report.reasons
        );
        assert!(load.dropped >= 1 && load.ok >= 1, "{load:?}");
        assert_eq!(load.offered, load.started + load.dropped);
        assert!(report.duration_s < 8.0, "{mode:?}: {}", report.duration_s);
    }
}
