//! Faults of keys, key rings, clocks and connections.

use loadgen::report::model::{Report, Verdict};
use loadgen::scenario::plan::Mode;

use super::lab::{plan, report};

fn run(mode: Mode, scenario: &str) -> Report {
    report(&plan(scenario, 7, &[]), mode)
}

/// An hour of one call a second to four tenants, virtually.
fn hour(rest: &str) -> Report {
    let scenario = format!(
        "version: 1\nduration: 1h\npopulation: {{ tenants: 4 }}\n\
         traffic: [{{ flow: client_credentials, rate: 1/s }}]\n{rest}"
    );
    run(Mode::Virtual, &scenario)
}

#[test]
fn tokens_of_an_old_key_stay_good_while_it_is_published_and_not_after_it_is_withdrawn() {
    let rolled = hour("faults: [{ at: 20m, keys: rollover }]\n");
    assert_eq!(rolled.verdict, Verdict::Pass, "{:?}", rolled.reasons);
    assert_eq!(rolled.oracle.not_issued, 0);
    let withdrawn = hour("faults: [{ at: 20m, keys: withdrawal }]\n");
    assert_eq!(withdrawn.verdict, Verdict::Fail);
    assert!(
        withdrawn.oracle.not_issued > 1_000,
        "{:?}",
        withdrawn.oracle
    );
}

#[test]
fn keys_roll_over_in_real_time_too() {
    let report = run(
        Mode::Real,
        "version: 1\nduration: 3s\npopulation: { tenants: 4 }\n\
         traffic: [{ flow: client_credentials, rate: 50/s, force_refresh: 20% }]\n\
         faults: [{ at: 1s, keys: rollover }]\n",
    );
    assert_eq!(report.oracle.not_issued, 0);
    assert!(report.oracle.checked > 100, "{:?}", report.reasons);
}

#[test]
fn a_clock_ahead_expires_tokens_early_and_one_behind_serves_them_too_long() {
    let right = hour("");
    assert_eq!(
        right.idp.token_requests, 8,
        "at the start, and at 55 minutes"
    );
    let ahead = hour("faults: [{ at: 30m, clock: { ahead: 30m } }]\n");
    assert_eq!(ahead.verdict, Verdict::Pass, "{:?}", ahead.reasons);
    assert_eq!(ahead.idp.token_requests, 8);
    assert!(ahead.idp.redundant_token_requests >= 4, "{:?}", ahead.idp);
    let behind = hour("faults: [{ at: 30m, clock: { behind: 10m } }]\n");
    assert_eq!(behind.verdict, Verdict::Fail);
    assert!(behind.oracle.expired_served > 200, "{:?}", behind.oracle);
}

#[test]
fn a_clock_may_step_on_one_of_the_instances_for_a_while() {
    let report = hour(
        "fleet: { instances: 4 }\n\
         faults: [{ at: 10m, for: 20m, clock: { ahead: 1h, instances: 1 } }]\n",
    );
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    // Its tokens seem to have expired: it fetches others, which it finds good,
    // and again when its clock is set back.
    let redundant = report.idp.redundant_token_requests;
    assert!((4..50).contains(&redundant), "{redundant}");
}

#[test]
fn entries_are_encrypted_and_a_ring_that_others_do_not_know_costs_misses_or_errors() {
    let with = |policy: &str, faults: &str| {
        hour(&format!(
            "fleet: {{ instances: 4 }}\ncache: {{ l1: none, l2: {{ store: memory }}, \
             encryption: true{policy} }}\n{faults}"
        ))
    };
    let quiet = with("", "");
    assert_eq!(quiet.verdict, Verdict::Pass, "{:?}", quiet.reasons);
    let contents = quiet.cache.l2.contents;
    assert_eq!((contents.plaintext, contents.unreadable), (0, 0));
    assert!(contents.access_tokens > 0);
    let swap = "faults: [{ at: 10m, key_ring: { swap: 50% } }]\n";
    let tolerant = with("", swap);
    assert_eq!(
        tolerant.totals.errors, 0,
        "{:?}",
        tolerant.totals.errors_by_kind
    );
    assert!(tolerant.idp.token_requests > quiet.idp.token_requests + 100);
    let strict = with(", policy: { unreadable: error }", swap);
    assert!(strict.totals.errors > 1_000, "{}", strict.totals.errors);
    assert!(
        strict
            .totals
            .errors_by_kind
            .contains_key("cache_undecryptable")
    );
}

#[test]
fn what_is_not_encrypted_is_found_in_the_shared_store() {
    let plain = hour("cache: { l2: { store: memory } }\n");
    let contents = plain.cache.l2.contents;
    assert_eq!(
        (contents.access_tokens, contents.most_access_tokens),
        (4, 1)
    );
    assert_eq!(contents.expired_access_tokens, 0);
    assert!(contents.largest_entry > 1_000);
}

#[test]
fn connections_fail_in_real_time_and_come_back() {
    for network in ["reset", "tls_failure", "tls_stall"] {
        let report = run(
            Mode::Real,
            &format!(
                "version: 1\nduration: 4s\nacquire_timeout: 500ms\nfleet: {{ instances: 2, rolling_restarts: [{{ at: 1100ms, gap: 0s }}] }}\n\
                 population: {{ tenants: 40 }}\n\
                 traffic: [{{ flow: client_credentials, rate: 50/s, force_refresh: 50% }}]\n\
                 faults: [{{ at: 1s, for: 1s, network: {network} }}]\n"
            ),
        );
        let failed = report.totals.errors;
        assert!(failed > 5, "{network}: {failed} errors");
        assert!(
            report.totals.acquisitions - failed > 60,
            "{network}: {failed} of {} failed",
            report.totals.acquisitions
        );
    }
}
