//! A stationary start: what a cache shows that has been in use for ever, from the
//! first call on.

use std::path::Path;

use loadgen::report::model::Report;
use loadgen::scenario::Overrides;
use loadgen::scenario::load::parse;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

/// Half an hour, less than the life of a token: a cold cache does little but miss.
const SHORT: &str = "
version: 1
duration: 30m
mode: virtual
start: stationary
idp: { expires_in: 1h, latency: { token: 80ms } }
population:
  tenants: { count: 500, popularity: { zipf: 0.9 } }
  users: { count: 400, popularity: { zipf: 0.7 } }
traffic:
  - { flow: client_credentials, rate: 1/s }
  - { flow: authorization_code, rate: 1/s }
";

fn counts(report: &Report) -> [u64; 9] {
    let of = &report.totals;
    [
        report.load.started,
        of.token_source.cache,
        of.token_source.identity_provider,
        of.cache_level.l1,
        of.cache_level.l2,
        of.cache_refresh_reason.expired,
        of.cache_refresh_reason.no_cached_access_token,
        report.idp.token_requests,
        report.cache.l1.entries,
    ]
}

#[test]
fn its_hit_ratio_is_the_steady_state_s_in_a_run_shorter_than_a_token_s_life() {
    for seed in [1, 2, 3] {
        let found = report(&plan(SHORT, seed, &[]), Mode::Virtual);
        assert_eq!(found.totals.errors, 0);
        assert!(found.ledger.balanced, "what came before is not counted");
        for theory in &found.theory {
            let form = theory.closed_form.as_ref().unwrap();
            assert!(form.formula.ends_with("stationary start"), "{form:?}");
            // The form lets the sum of many keys vary; a coin a key is the most.
            assert!(form.z.abs() < 4.0, "seed {seed}: {theory:?}");
        }
        // Nobody signs in again: everybody did so before.
        let requests = &found.idp.by_grant;
        assert_eq!(requests.get("authorization_code"), None, "{requests:?}");
        let cold = report(&plan(SHORT, seed, &["start=cold"]), Mode::Virtual);
        let (warm, cold) = (
            found.totals.hit_ratio.unwrap(),
            cold.totals.hit_ratio.unwrap(),
        );
        assert!(warm - cold > 0.05, "{warm} after for ever, {cold} cold");
    }
}

#[test]
fn the_model_starts_as_the_real_cache_does() {
    let fleet = ["fleet={ instances: 3, affinity: none }"];
    let shared = ["fleet.instances=3", "cache.l2={ store: memory }"];
    for (seed, set) in [(4, &[][..]), (5, &fleet), (6, &shared)] {
        let plan = plan(SHORT, seed, set);
        let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
        assert_eq!(counts(&model), counts(&real_code), "seed {seed}, {set:?}");
        assert_eq!(model.load.fingerprint, real_code.load.fingerprint);
        assert!(
            real_code
                .theory
                .iter()
                .all(|theory| theory.z.abs() < f64::EPSILON)
        );
    }
}

#[test]
fn the_arrivals_are_those_of_a_cold_start() {
    let (warm, cold) = (plan(SHORT, 7, &[]), plan(SHORT, 7, &["start=cold"]));
    let (warm, cold) = (report(&warm, Mode::Model), report(&cold, Mode::Model));
    assert_eq!(warm.load.fingerprint, cold.load.fingerprint);
    assert_eq!(warm.load.offered, cold.load.offered);
    assert!(warm.duration_s <= 1_810.0, "{}", warm.duration_s);
}

#[test]
fn what_has_no_stationary_law_is_refused_with_its_place() {
    let refusal = |set: &[&str]| {
        let overrides = Overrides {
            set: set.iter().map(|&change| change.to_owned()).collect(),
            ..Overrides::default()
        };
        let found = parse(Path::new("x.yaml"), SHORT.as_bytes(), &overrides);
        found.unwrap_err().to_string()
    };
    for (set, said) in [
        (["mode=real"], "mode `real` has none"),
        (
            ["traffic=[{ flow: on_behalf_of, rate: 1/s }]"],
            "what a cache holds of such calls after a long time is not known",
        ),
        (
            ["traffic=[{ flow: client_credentials, users: { count: 2, think: 1s } }]"],
            "what a cache holds of such calls after a long time is not known",
        ),
        (["idp.refresh_in=30m"], "tokens that all last equally long"),
        (["idp.expires_in=310s"], "longer than five minutes"),
        (
            ["population.tenants.count=2000000"],
            "fills at most 1000000 keys",
        ),
    ] {
        let refused = refusal(&[&["mode=virtual"][..], &set].concat());
        assert!(refused.contains(said), "{set:?}: {refused}");
    }
}
