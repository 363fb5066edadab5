//! The same arrivals on every clock, and the same counts where the cache is
//! ideal.

use loadgen::scenario::plan::Mode;
use proptest::prelude::*;

use loadgen::report::model::{FlowReport, Report};

use crate::lab::{plan, report};

/// Six hours of every flow, over a population that hits, expires and comes back.
const ALL_FLOWS: &str = "
version: 1
duration: 3h
idp: { expires_in: 1h, latency: { token: { lognormal: { median: 80ms, p99: 900ms } } } }
population:
  tenants: { count: 40, popularity: { zipf: 0.9 } }
  applications: 3
  users: { count: 150, popularity: { zipf: 0.7 } }
traffic:
  - { flow: client_credentials, rate: 10/min }
  - { flow: authorization_code, rate: 10/min }
  - { flow: on_behalf_of, rate: 10/min }
";

/// Everybody at once for few tokens, from a slow provider: herds.
const HERD: &str = "
version: 1
duration: 20m
idp: { expires_in: 10m, latency: { token: 700ms } }
population: { tenants: 3, users: 5 }
traffic:
  - { flow: client_credentials, rate: 6/s }
  - { flow: authorization_code, arrivals: constant, rate: 1/s }
";

#[test]
fn a_virtual_run_with_an_ideal_cache_equals_the_model() {
    let alone = ["cache.preset=recommended"];
    let fleet = ["fleet.instances=4", "cache.l2={ store: memory }"];
    let sticky = ["fleet={ instances: 3, affinity: user }"];
    for (scenario, seed, set) in [
        (ALL_FLOWS, 1, &alone[..]),
        (ALL_FLOWS, 2, &fleet),
        (HERD, 3, &sticky),
        (HERD, 4, &alone),
    ] {
        let plan = plan(scenario, seed, set);
        let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
        assert_eq!(counts(&model), counts(&real_code), "seed {seed}, {set:?}");
        assert!(model.totals.token_source.cache > 300, "{set:?}");
        for theory in &real_code.theory {
            assert!(theory.z.abs() < f64::EPSILON, "{theory:?}");
            assert!(theory.attribution.is_empty(), "{theory:?}");
        }
        assert_eq!(real_code.theory.len(), 1 + plan.traffic.len());
        assert!(real_code.ledger.balanced && model.ledger.balanced);
    }
}

#[test]
fn a_cache_that_is_not_ideal_differs_from_the_model() {
    for set in ["cache.preset=msal_net", "cache.l1={ size_limit: 20KB }"] {
        let plan = plan(HERD, 4, &[set]);
        let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
        assert_ne!(counts(&model), counts(&real_code), "{set}");
        assert_eq!(model.load.fingerprint, real_code.load.fingerprint, "{set}");
    }
}

#[test]
fn hit_ratios_of_all_three_clocks_agree() {
    // Visitors who come before their first sign-in has ended sign in again: how
    // many do depends on the machine. An application's tokens have no such race.
    let set = [
        "duration=3s",
        "traffic=[{ flow: client_credentials, rate: 200/s }]",
    ];
    let plan = plan(HERD, 6, &set);
    let [model, virtual_, real] =
        [Mode::Model, Mode::Virtual, Mode::Real].map(|mode| report(&plan, mode));
    assert_eq!(counts(&model), counts(&virtual_));
    assert_eq!(model.load.fingerprint, real.load.fingerprint);
    let [model, real] = [&model, &real].map(|run| run.totals.hit_ratio.unwrap());
    // Three cold keys among 600 arrivals.
    assert!((model - real).abs() < 0.002, "{model} and {real}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn arrivals_and_subjects_are_the_same_on_every_clock(
        seed in any::<u64>(),
        tenants in 1_u32..50,
        rate in 20_u32..200,
    ) {
        let set = [
            "duration=400ms".to_owned(),
            format!("population.tenants={tenants}"),
            format!("traffic[0].rate={rate}/s"),
            "idp.latency.token=5ms".to_owned(),
        ];
        let plan = plan(HERD, seed, &set.each_ref().map(String::as_str));
        let runs = [Mode::Model, Mode::Virtual, Mode::Real].map(|mode| report(&plan, mode));
        let arrivals = runs.each_ref().map(|run| (run.load.started, run.load.fingerprint.clone()));
        prop_assert_eq!(&arrivals[0], &arrivals[1]);
        prop_assert_eq!(&arrivals[0], &arrivals[2]);
        prop_assert!(arrivals[0].0 > 0);
    }
}

/// What must be the same where two clocks agree: every count of every flow,
/// and what the provider was asked.
fn counts(report: &Report) -> String {
    let of_flow = |flow: &FlowReport| {
        let of = &flow.acquisitions;
        format!(
            "{}: {} acquisitions, {} errors, {} coalesced, {} refreshes\n  {:?}\n  {:?}\n  {:?}\n",
            flow.name,
            of.acquisitions,
            of.errors,
            of.coalesced,
            of.background_refreshes,
            of.token_source,
            of.cache_level,
            of.cache_refresh_reason,
        )
    };
    let flows: String = report.flows.iter().map(of_flow).collect();
    format!(
        "{flows}{:?} {}",
        report.idp.by_grant, report.load.fingerprint
    )
}
