//! Closed loops: users who wait for each answer, and think.

use loadgen::report::model::Report;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report, written};

/// A hundred users who think ten seconds on average, and a token endpoint that
/// nobody asks for long.
const USERS: &str = "
version: 1
duration: 20m
idp: { expires_in: 24h, latency: { token: 100ms } }
population: { tenants: 20, users: 1000 }
traffic:
  - { flow: client_credentials, users: { count: 100, think: { exponential: 10s } } }
";

fn count(report: &Report) -> f64 {
    report.load.started as f64
}

#[test]
fn users_call_as_often_as_they_think_and_are_answered() {
    // Little's law: N users who think Z and are answered within R call N / (Z + R).
    let quick = report(&plan(USERS, 1, &[]), Mode::Virtual);
    let expected = 100.0 / 10.0 * 1_200.0;
    // About Poisson: four in a hundred are four standard errors.
    assert!(
        (count(&quick) / expected - 1.0).abs() < 0.04,
        "{}",
        count(&quick)
    );
    assert_eq!(quick.load.closed_loops, ["client_credentials"]);
    assert_eq!(quick.outcomes, None, "another run has other arrivals");
    assert_eq!(quick.load.ok, quick.load.offered);

    // Answers that take as long as thinking halve the calls: the load yields, which
    // an open one would not.
    let set = ["idp.latency.token=10s", "traffic[0].force_refresh=100%"];
    let slow = report(&plan(USERS, 1, &set), Mode::Virtual);
    let ratio = count(&slow) / expected;
    // Those who want the same token at once share a fetch, and wait less.
    assert!((0.45..0.65).contains(&ratio), "{ratio}");
}

#[test]
fn a_user_is_one_subject_for_the_whole_run_and_a_seed_decides_everything() {
    // Each user of this flow signs in once; whoever came as somebody else each
    // time would sign in again and again.
    let set = ["traffic=[{ flow: authorization_code, users: { count: 50, think: 30s } }]"];
    let run = |seed| report(&plan(USERS, seed, &set), Mode::Virtual);
    let first = run(1);
    assert!(
        first.idp.by_grant["authorization_code"] <= 50,
        "{:?}",
        first.idp
    );
    assert!(first.load.started > 1_500);
    let json = |seed| {
        let written = written(&plan(USERS, seed, &set), Mode::Virtual);
        let is_wall = |line: &&str| line.contains("\"started_at\"") || line.contains("\"wall_s\"");
        let kept: Vec<String> = written
            .lines()
            .filter(|line| !is_wall(line))
            .map(str::to_owned)
            .collect();
        kept
    };
    assert!(json(1) == json(1) && json(1) != json(2));
}

#[test]
fn users_who_do_not_think_call_without_a_pause_in_real_time() {
    let set = [
        "duration=1s",
        "traffic=[{ flow: client_credentials, users: { count: 2, think: 0s } }]",
    ];
    let report = report(&plan(USERS, 1, &set), Mode::Real);
    assert!(report.load.ok > 1_000, "{:?}", report.load);
    assert_eq!(report.load.ok, report.load.offered);
    assert!(
        report.load.lag.p50_us < 1_000.0,
        "a closed loop is never late"
    );
    // The drain had nothing left to wait for.
    assert!(report.duration_s < 3.0);
}
