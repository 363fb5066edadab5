//! Flows in virtual and in real time, and how requests are worded.

use loadgen::report::model::{Report, Verdict};
use loadgen::scenario::plan::Mode;

use super::lab::{plan, report};

/// A scenario with one flow of 20 calls a second for 5 seconds.
fn calls(flow: &str, rest: &str) -> String {
    format!(
        "version: 1\nduration: 5s\nidp: {{ latency: {{ token: 5ms }} }}\n\
         population: {{ users: 4, tenants: 2, resources: 2 }}\n\
         traffic: [{{ flow: {flow}, rate: 20/s{rest} }}]\n"
    )
}

fn runs(scenario: &str, modes: &[Mode]) -> Vec<Report> {
    let plan = plan(scenario, 7, &[]);
    modes.iter().map(|mode| report(&plan, *mode)).collect()
}

fn passes(report: &Report) {
    // Tests beside this one may make the generator late, and machines set their clocks.
    let of_machine = |reason: &String| {
        reason.contains("generator was late") || reason.contains("the wall clock moved")
    };
    assert!(
        report.reasons.iter().all(of_machine),
        "{:?}",
        report.reasons
    );
    assert_ne!(report.verdict, Verdict::Fail);
    assert!(report.ledger.balanced, "{:?}", report.ledger);
    assert_eq!(
        report.totals.errors, 0,
        "{:?}",
        report.totals.errors_by_kind
    );
    assert_eq!(report.oracle.checked, report.totals.acquisitions);
}

#[test]
fn silent_callers_were_signed_in_before_the_run() {
    for report in runs(&calls("silent", ""), &[Mode::Virtual, Mode::Real]) {
        passes(&report);
        // Each of 4 users signed in for one resource; the other is got by
        // refresh token, by whoever comes first, and then by all who wait.
        let idp = &report.idp;
        assert!(idp.token_requests <= 4, "{idp:?}");
        assert_eq!(idp.by_grant.get("authorization_code"), None, "{idp:?}");
        assert!(report.totals.hit_ratio.is_some_and(|ratio| ratio > 0.9));
    }
}

#[test]
fn a_refresh_token_from_elsewhere_is_brought_once_and_later_calls_are_silent() {
    for report in runs(&calls("refresh_token", ""), &[Mode::Virtual, Mode::Real]) {
        passes(&report);
        let first =
            report.totals.cache_refresh_reason.not_applicable - report.totals.token_source.cache;
        assert!((4..=8).contains(&first), "{:?}", report.totals);
        assert!(report.idp.by_grant["refresh_token"] >= 4);
    }
}

#[test]
fn a_managed_identity_is_asked_for_on_the_machine() {
    for report in runs(&calls("managed_identity", ""), &[Mode::Virtual, Mode::Real]) {
        passes(&report);
        // One application and two resources, whatever the tenant.
        assert_eq!(report.idp.by_grant["managed_identity"], 2);
        assert_eq!(report.idp.token_requests, 2);
    }
}

#[test]
fn forced_refreshes_and_claims_pass_over_cached_tokens_in_their_shares() {
    let scenario = calls("client_credentials", ", force_refresh: 20%, claims: 10%");
    for report in runs(&scenario, &[Mode::Virtual, Mode::Real]) {
        passes(&report);
        let forced = report.totals.cache_refresh_reason.force_refresh_or_claims;
        let share = forced as f64 / report.totals.acquisitions as f64;
        assert!(
            (0.15..0.42).contains(&share),
            "{forced} of {}",
            report.totals.acquisitions
        );
    }
}

#[test]
fn other_words_for_the_same_request_find_the_same_token() {
    for flow in ["client_credentials", "on_behalf_of", "authorization_code"] {
        let plain = &runs(&calls(flow, ""), &[Mode::Virtual])[0];
        let varied = &runs(&calls(flow, ", wording: varied"), &[Mode::Virtual])[0];
        passes(varied);
        assert_eq!(
            varied.idp.token_requests, plain.idp.token_requests,
            "{flow}"
        );
    }
}

#[test]
fn values_that_do_not_belong_into_the_key_make_a_token_each() {
    let plain = &runs(&calls("client_credentials", ""), &[Mode::Virtual])[0];
    let scenario = calls("client_credentials", ", key_values: 5");
    let valued = &runs(&scenario, &[Mode::Virtual])[0];
    assert_eq!(plain.idp.token_requests, 4);
    assert_eq!(
        valued.idp.token_requests, 20,
        "2 tenants x 2 resources x 5 values"
    );
    assert_eq!(valued.idp.redundant_token_requests, 16);
}

#[test]
fn lifetimes_may_differ_by_application() {
    let scenario = "version: 1\nduration: 1h\npopulation: { applications: 2 }\n\
        idp: { applications: [{ application: 1, expires_in: 10m }] }\n\
        traffic: [{ flow: client_credentials, rate: 1/s }]\n";
    let report = &runs(scenario, &[Mode::Virtual])[0];
    passes(report);
    // Application 0 once, and once more at 55 minutes; application 1 every five.
    assert!(
        (13..=14).contains(&report.idp.token_requests),
        "{:?}",
        report.idp
    );
}

#[test]
fn es256_signs_real_runs_and_the_report_says_so() {
    let scenario =
        calls("client_credentials", "").replace("idp: { latency", "idp: { signing: es256, latency");
    let report = &runs(&scenario, &[Mode::Real])[0];
    passes(report);
    assert!(report.environment["identity provider"].ends_with("ES256"));
}
