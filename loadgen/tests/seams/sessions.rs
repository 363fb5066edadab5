//! What becomes of users' sessions: who has to sign in again, who is served
//! what is out of date, who is served after signing out.

use loadgen::report::model::{Report, Verdict};
use loadgen::scenario::plan::Mode;

use super::lab::{plan, report};

fn day(cache: &str, fleet: &str, traffic: &str) -> Report {
    let scenario = format!(
        "version: 1\nduration: 4h\ncache: {cache}\nfleet: {fleet}\n\
         population: {{ users: 50 }}\ntraffic: [{{ {traffic} }}]\n"
    );
    let report = report(&plan(&scenario, 7, &[]), Mode::Virtual);
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    report
}

const CALLS: &str = "flow: authorization_code, rate: 1/s";

#[test]
fn users_whose_refresh_token_is_gone_have_to_sign_in_again() {
    let kept = day("{ l2: { store: memory } }", "{ instances: 2 }", CALLS);
    assert_eq!(kept.sessions.interaction_required, 0);
    let restarts = "{ instances: 2, rolling_restarts: [{ at: 2h, gap: 0s }] }";
    let lost = day("{}", restarts, CALLS);
    assert!(
        lost.sessions.interaction_required >= 50,
        "{:?}",
        lost.sessions
    );
}

#[test]
fn after_a_claims_challenge_other_instances_serve_what_is_out_of_date() {
    let calls = "flow: authorization_code, rate: 1/s, claims: 1%";
    let stale = |cache: &str, fleet: &str| day(cache, fleet, calls).sessions.stale_served;
    let l1_over_l2 = "{ l2: { store: memory } }";
    let without_l1 = "{ l1: none, l2: { store: memory } }";
    assert!(stale(l1_over_l2, "{ instances: 4 }") > 100);
    assert_eq!(stale(l1_over_l2, "{ instances: 4, affinity: user }"), 0);
    assert_eq!(stale(without_l1, "{ instances: 4 }"), 0);
}

#[test]
fn after_signing_out_other_instances_still_serve_what_they_have_in_memory() {
    let visits = "flow: authorization_code, visits: { rate: 200/h, calls: 5, sign_out: 50% }";
    let served = |cache: &str| {
        day(cache, "{ instances: 4 }", visits)
            .sessions
            .served_after_sign_out
    };
    assert!(served("{ l2: { store: memory } }") > 10);
    assert_eq!(served("{ l1: none, l2: { store: memory } }"), 0);
}
