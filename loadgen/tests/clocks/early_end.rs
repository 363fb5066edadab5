//! Thresholds that end a run as soon as they do not hold.

use loadgen::report::model::{Report, ThresholdVerdict, Verdict};
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report, written};

/// A provider that refuses everything from the third second on, and tokens that
/// nobody keeps.
const OUTAGE: &str = "
version: 1
duration: 20s
graceful_stop: 5s
cache: { l1: none, l2: none }
traffic: [{ flow: client_credentials, arrivals: constant, rate: 20/s }]
faults: [{ at: 3s, for: 3s, idp: { aadsts: 7000215 } }]
";

fn run(threshold: &str, mode: Mode) -> Report {
    let scenario = format!("{}\nthresholds: [\"{threshold}\"]\n", OUTAGE.trim());
    report(&plan(&scenario, 1, &[]), mode)
}

#[test]
fn a_run_ends_when_a_threshold_that_can_end_it_does_not_hold() {
    for mode in [Mode::Virtual, Mode::Real] {
        let report = run("errors <= 5 abort_on_fail 0s", mode);
        assert_eq!(
            (report.verdict, report.exit_code),
            (Verdict::Fail, 1),
            "{mode:?}: {:?}",
            report.reasons
        );
        assert!(
            (3.0..7.0).contains(&report.duration_s),
            "{mode:?}: {}",
            report.duration_s
        );
        let result = &report.thresholds[0];
        let aborted = result.aborted_at_s.unwrap();
        assert!((3.0..=5.0).contains(&aborted), "{mode:?}: {aborted}");
        assert!(result.measured.unwrap() > 5.0);
        let reason = format!("did not hold after {aborted:.0}s, and ended the run");
        assert!(report.reasons[0].contains(&reason), "{:?}", report.reasons);
        let load = &report.load;
        assert_eq!(load.offered, load.started + load.dropped);
        assert!(load.offered < 200, "{}", load.offered);
    }
}

#[test]
fn what_was_measured_when_it_ended_a_run_counts_and_not_what_came_after() {
    // 1 in 20 fails after 19 more have ended well: the drain cannot mend it.
    let report = run("error_ratio <= 1% abort_on_fail 0s", Mode::Virtual);
    let result = &report.thresholds[0];
    assert_eq!(result.verdict, ThresholdVerdict::Fail);
    assert!(result.measured.unwrap() > 0.01);
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn before_its_time_and_with_too_few_samples_it_ends_nothing() {
    for threshold in [
        "errors <= 5 abort_on_fail 19s",
        "errors <= 5 min_samples 399 abort_on_fail 0s",
    ] {
        let report = run(threshold, Mode::Virtual);
        // The whole load came, and the threshold still fails.
        assert!(report.load.offered >= 380, "{threshold}: {:?}", report.load);
        assert_eq!(report.verdict, Verdict::Fail, "{threshold}");
    }
    let kept = run("errors <= 500 abort_on_fail 0s", Mode::Virtual);
    assert_eq!((kept.verdict, kept.load.offered), (Verdict::Pass, 400));
    assert_eq!(kept.thresholds[0].aborted_at_s, None);
}

#[test]
fn users_who_think_for_long_do_not_keep_a_run_that_has_ended() {
    let scenario = OUTAGE.replace(
        "arrivals: constant, rate: 20/s",
        "users: { count: 200, think: 15s }",
    );
    let scenario = format!(
        "{}\nthresholds: [\"errors == 0 abort_on_fail 0s\"]\n",
        scenario.trim()
    );
    for mode in [Mode::Virtual, Mode::Real] {
        let report = report(&plan(&scenario, 1, &[]), mode);
        assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
        assert!(report.duration_s < 7.0, "{mode:?}: {}", report.duration_s);
    }
}

#[test]
fn a_run_that_ended_early_is_the_same_again() {
    let scenario = format!(
        "{}\nthresholds: [\"errors <= 5 abort_on_fail 0s\"]\n",
        OUTAGE.trim()
    );
    let stable = |text: String| {
        text.lines()
            .filter(|line| !line.contains("started_at") && !line.contains("wall_s"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let plan = plan(&scenario, 1, &[]);
    let first = stable(written(&plan, Mode::Virtual));
    assert_eq!(first, stable(written(&plan, Mode::Virtual)));
}
