//! The same arrivals on every clock, and the same counts where the cache is
//! ideal.

use std::path::Path;

use loadgen::scenario::Overrides;
use loadgen::scenario::load::parse;
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

/// People who come, call, come back and sign out, some with several sessions; two
/// applications share their partitions.
const PEOPLE: &str = "
version: 1
duration: 3h
idp: { expires_in: 1h, latency: { token: { lognormal: { median: 80ms, p99: 900ms } } } }
population:
  applications: 2
  users: { count: 60, popularity: { zipf: 0.7 } }
  resources: 2
  sessions: { median: 2, p99: 6, most: 9 }
traffic:
  - flow: authorization_code
    visits: { rate: 2/min, calls: 4, think: 20s, returns: 40%, idle: 30m, sign_out: 50% }
  - { flow: on_behalf_of, visits: { rate: 1/min, calls: 3, sign_out: 20% } }
";

/// Users who wait for their answers, beside calls that come at a rate.
const LOOPS: &str = "
version: 1
duration: 90m
idp: { expires_in: 40m, latency: { token: { lognormal: { median: 300ms, p99: 3s } } } }
population: { tenants: 25, applications: 2, users: 80 }
traffic:
  - { name: daemons, flow: client_credentials, users: { count: 30, think: { exponential: 2m } } }
  - { name: people, flow: authorization_code, users: { count: 40, think: { exponential: 3m } } }
  - { flow: on_behalf_of, users: { count: 5, think: 90s } }
  - { flow: client_credentials, rate: 6/min }
";

/// Machines whose callers come for two resources, by tokens of their own length, which
/// are said to end at an instant; two applications of many tenants, and an application's
/// own tokens beside them.
const MACHINES: &str = "
version: 1
duration: 6h
idp:
  managed_identity: { expires_in: 70m }
  latency: { token: { lognormal: { median: 300ms, p99: 2s } } }
population: { tenants: 30, applications: 2, resources: 2 }
traffic:
  - { flow: managed_identity, rate: 6/min }
  - { name: herd, flow: managed_identity, bursts: [{ at: 0s, calls: 40, every: 65m }] }
  - { name: loops, flow: managed_identity, users: { count: 12, think: { exponential: 10m } } }
  - { flow: client_credentials, rate: 2/min }
";

/// People who are signed in when the run begins, with tokens of many ages; some are in
/// several sessions, and two applications share their partitions.
const SILENT: &str = "
version: 1
duration: 4h
idp: { expires_in: 1h, latency: { token: { lognormal: { median: 300ms, p99: 3s } } } }
population:
  applications: 2
  users: { count: 150, popularity: { zipf: 0.7 } }
  resources: 2
  sessions: { median: 2, p99: 6, most: 9 }
traffic:
  - { flow: silent, rate: 6/min }
  - { name: visits, flow: silent, visits: { rate: 1/min, calls: 4, think: 20s } }
  - { name: loops, flow: silent, users: { count: 15, think: { exponential: 5m } } }
  - { flow: client_credentials, rate: 1/min }
";

/// Beside them some sign in and out, which takes from the others what they count on.
const LEAVERS: &str = "traffic=[{ flow: silent, rate: 6/min }, \
    { flow: authorization_code, visits: { rate: 2/min, calls: 2, sign_out: 40% } }]";

/// Web APIs that work on for users who have left, longer than any assertion lasts, beside
/// some who bring theirs each time.
const LONG_RUNNING: &str = "
version: 1
duration: 4h
idp: { expires_in: 50m, latency: { token: { lognormal: { median: 300ms, p99: 3s } } } }
population:
  applications: 2
  users: { count: 60, popularity: { zipf: 0.7 } }
  resources: 2
  sessions: { median: 2, p99: 5, most: 7 }
traffic:
  - { flow: long_running_obo, rate: 6/min }
  - { name: herd, flow: long_running_obo, bursts: [{ at: 0s, calls: 30, every: 50m }] }
  - { name: loops, flow: long_running_obo, users: { count: 15, think: { exponential: 4m } } }
  - { flow: on_behalf_of, rate: 3/min }
";

/// Users who come from another library, by the refresh tokens it gave them; some in
/// several sessions, some beside those who sign in.
const MOVERS: &str = "
version: 1
duration: 4h
idp: { expires_in: 1h, latency: { token: { lognormal: { median: 300ms, p99: 3s } } } }
population:
  applications: 2
  users: { count: 150, popularity: { zipf: 0.7 } }
  resources: 2
  sessions: { median: 2, p99: 5, most: 7 }
traffic:
  - { flow: refresh_token, rate: 6/min }
  - { name: herd, flow: refresh_token, bursts: [{ at: 0s, calls: 30, every: 1h }] }
  - { name: loops, flow: refresh_token, users: { count: 15, think: { exponential: 5m } } }
  - { name: visits, flow: refresh_token, visits: { rate: 1/min, calls: 3 } }
  - { flow: authorization_code, rate: 1/min }
";

/// The same counts, to the last one, and theory that says so.
fn agree(scenario: &str, seed: u64, set: &[&str]) -> Report {
    let plan = plan(scenario, seed, set);
    let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
    assert_eq!(counts(&model), counts(&real_code), "seed {seed}, {set:?}");
    assert!(model.totals.token_source.cache > 300, "{set:?}");
    for theory in &real_code.theory {
        assert_eq!(theory.predicted_by, "model");
        assert!(theory.z.abs() < f64::EPSILON, "{theory:?}");
        let has_missed = theory.predicted_hit_ratio < 1.0;
        assert_eq!(theory.standard_error > 0.0, has_missed, "{theory:?}");
        let causes = theory.attribution.keys();
        let causes: Vec<&String> = causes.filter(|cause| *cause != "errors").collect();
        assert!(causes.is_empty(), "{theory:?}");
    }
    assert_eq!(real_code.theory.len(), 1 + plan.traffic.len());
    assert_eq!(model.reasons, real_code.reasons);
    assert!(real_code.ledger.balanced && model.ledger.balanced);
    real_code
}

#[test]
fn a_virtual_run_with_an_ideal_cache_equals_the_model_for_machines() {
    let shared = agree(MACHINES, 1, &["cache.preset=recommended"]);
    // No form knows of a flow that finds what another has fetched.
    assert!(
        shared
            .theory
            .iter()
            .all(|row| row.closed_form.is_none() || row.scope == "client_credentials")
    );
    let calls = "traffic=[{ flow: managed_identity, rate: 2/min }]";
    let alone = agree(MACHINES, 5, &[calls]);
    let forms = alone
        .theory
        .iter()
        .map(|row| row.closed_form.as_ref().unwrap());
    assert!(
        forms.clone().all(|form| form.z.abs() < 4.0),
        "{:?}",
        alone.theory
    );
    agree(
        MACHINES,
        2,
        &["fleet.instances=4", "cache.l2={ store: memory }"],
    );
    agree(MACHINES, 3, &["fleet.instances=3"]);
    // Where it is longer than two hours a client replaces a token at half its life: not here.
    agree(MACHINES, 4, &["idp.managed_identity.expires_in=1d"]);
}

#[test]
fn a_virtual_run_with_an_ideal_cache_equals_the_model_for_people_signed_in_before() {
    let fleet = ["fleet.instances=4", "cache.l2={ store: memory }"];
    assert_eq!(
        agree(SILENT, 1, &["cache.preset=recommended"])
            .totals
            .errors,
        0
    );
    assert_eq!(agree(SILENT, 2, &fleet).totals.errors, 0);
    // Who signed in with one instance is not known to another that shares nothing.
    assert!(agree(SILENT, 3, &["fleet.instances=3"]).totals.errors > 100);
    let affinity = ["fleet={ instances: 3, affinity: user }"];
    assert_eq!(agree(SILENT, 4, &affinity).totals.errors, 0);
    assert!(agree(SILENT, 5, &[LEAVERS]).totals.errors > 20);
    assert!(
        agree(SILENT, 6, &[&fleet[..], &[LEAVERS]].concat())
            .totals
            .errors
            > 20
    );
}

#[test]
fn a_virtual_run_with_an_ideal_cache_equals_the_model_for_long_running_sessions() {
    let fleet = ["fleet.instances=4", "cache.l2={ store: memory }"];
    let alone = agree(LONG_RUNNING, 1, &["cache.preset=recommended"]);
    assert_eq!(alone.totals.errors, 0);
    assert!(alone.idp.by_grant["refresh_token"] > 100, "{:?}", alone.idp);
    assert_eq!(agree(LONG_RUNNING, 2, &fleet).totals.errors, 0);
    // The session's key means nothing to an instance that it was not begun with.
    assert!(agree(LONG_RUNNING, 3, &["fleet.instances=3"]).totals.errors > 100);
    let affinity = ["fleet={ instances: 3, affinity: user }"];
    assert_eq!(agree(LONG_RUNNING, 4, &affinity).totals.errors, 0);
}

#[test]
fn a_virtual_run_with_an_ideal_cache_equals_the_model_for_refresh_tokens_from_elsewhere() {
    let fleet = ["fleet.instances=4", "cache.l2={ store: memory }"];
    assert_eq!(
        agree(MOVERS, 1, &["cache.preset=recommended"])
            .totals
            .errors,
        0
    );
    assert_eq!(agree(MOVERS, 2, &fleet).totals.errors, 0);
    assert!(agree(MOVERS, 3, &["fleet.instances=3"]).totals.errors > 100);
    let affinity = ["fleet={ instances: 3, affinity: user }"];
    assert_eq!(agree(MOVERS, 4, &affinity).totals.errors, 0);
    // Who signs out comes back with the token from elsewhere; in another application they
    // are signed in still, and nothing is left of them.
    let leaves = "traffic[3].visits.sign_out=30%";
    let one = [leaves, "population.applications=1"];
    assert_eq!(agree(MOVERS, 5, &one).totals.errors, 0);
    assert!(
        agree(MOVERS, 6, &[&fleet[..], &[leaves]].concat())
            .totals
            .errors
            > 30
    );
}

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
        (PEOPLE, 5, &alone),
        (PEOPLE, 6, &fleet),
        (PEOPLE, 7, &["fleet.instances=3"]),
        (LOOPS, 8, &alone),
        (LOOPS, 9, &fleet),
    ] {
        agree(scenario, seed, set);
    }
}

#[test]
fn a_virtual_run_with_refreshes_agrees_with_the_model_up_to_chance() {
    // By how much a refresh is put off from the advice is drawn by the client and by the
    // model, each for itself.
    for (scenario, seed) in [(ALL_FLOWS, 10), (PEOPLE, 11)] {
        let plan = plan(scenario, seed, &["idp.refresh_in=30m"]);
        let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
        assert_eq!(model.load.fingerprint, real_code.load.fingerprint);
        let refreshes = [&model, &real_code].map(|run| run.totals.background_refreshes as f64);
        let apart = (refreshes[0] - refreshes[1]).abs();
        assert!(
            refreshes[0] > 60.0 && apart < 4.0 * refreshes[0].sqrt(),
            "{refreshes:?}"
        );
        for theory in &real_code.theory {
            assert_eq!(theory.predicted_by, "model");
            assert!(theory.z.abs() < 4.0, "{theory:?}");
        }
        assert!(real_code.ledger.balanced && model.ledger.balanced);
    }
}

#[test]
fn a_fleet_refreshes_at_the_first_of_its_instances_draws_and_so_does_the_model() {
    // Tokens are served for 100 s and to be replaced in the last 50 of them or later, by
    // each of six instances at a time of its own.
    let fleet = "
version: 1
duration: 30m
idp: { expires_in: 400s, refresh_in: 350s, latency: { token: 100ms } }
cache: { l2: { store: memory } }
fleet: { instances: 6 }
population: { tenants: { count: 30, popularity: { zipf: 1.0 } } }
traffic:
  - { flow: client_credentials, rate: 20/s }
";
    let real_code = report(&plan(fleet, 16, &[]), Mode::Virtual);
    let refreshes = real_code.totals.background_refreshes;
    assert!(refreshes > 50, "{refreshes}");
    let theory = &real_code.theory[0];
    assert!(theory.broken_assumptions.is_empty(), "{theory:?}");
    assert!(theory.z.abs() < 4.0, "{theory:?}");
}

#[test]
fn a_virtual_run_whose_tokens_last_differently_agrees_with_the_model_up_to_chance() {
    // How much longer a token lasts is drawn by the provider and by the model, each for
    // itself; by application is said in the scenario.
    let by_chance = ["idp.expires_in=15m", "idp.jitter=30m"];
    let by_application = ["idp.applications=[{ application: 1, expires_in: 10m }, \
        { application: 2, expires_in: 2h, refresh_in: 20m }]"];
    for (scenario, seed, set) in [
        (ALL_FLOWS, 12, &by_chance[..]),
        (PEOPLE, 13, &by_chance),
        (ALL_FLOWS, 14, &by_application),
    ] {
        let plan = plan(scenario, seed, set);
        let (model, real_code) = (report(&plan, Mode::Model), report(&plan, Mode::Virtual));
        assert_eq!(model.load.fingerprint, real_code.load.fingerprint);
        assert!(!real_code.theory.is_empty());
        for theory in &real_code.theory {
            assert_eq!(theory.predicted_by, "model");
            assert!(theory.broken_assumptions.is_empty(), "{theory:?}");
            assert!(theory.z.abs() < 4.0, "{theory:?}");
        }
    }
}

#[test]
fn what_the_model_cannot_have_is_refused_with_its_place_and_the_reason() {
    for (change, reason) in [
        (
            "traffic[0].force_refresh=5%",
            "takes a cached token wherever there is one",
        ),
        (
            "traffic[0].wording=varied",
            "calls without words of their own",
        ),
        ("traffic[1].code_redeemed=twice", "redeems a code once"),
        ("idp.refresh_tokens.use=once", "as long as anybody brings"),
        (
            "idp.refresh_tokens.lifetime=2h",
            "as long as anybody brings",
        ),
        (
            "idp.user_tokens=groups_50",
            "no bytes to encrypt or to weigh",
        ),
        (
            "faults=[{ at: 1m, for: 1m, idp: { status: 503 } }]",
            "answers every request",
        ),
        (
            "faults=[{ at: 1m, keys: rollover }]",
            "tokens without signatures",
        ),
        (
            "fleet.rolling_restarts=[{ at: 1m }]",
            "neither begin anew nor come or go",
        ),
        ("when_full=queue", "has room for every arrival"),
    ] {
        let set = ["mode=model", change].map(str::to_owned).to_vec();
        let overrides = Overrides {
            set,
            ..Overrides::default()
        };
        let refused = parse(Path::new("x.yaml"), HERD.as_bytes(), &overrides);
        let refused = refused.unwrap_err().to_string();
        let place = change.split_once('=').map_or(change, |(place, _)| place);
        assert!(refused.contains(reason), "{change}: {refused}");
        assert!(refused.contains(place) && refused.contains("model of an ideal cache"));
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

/// Keys that miss at first and hit later, whatever the time an answer takes: one
/// instance, whose callers share fetches, and tokens that outlive the run. Visitors
/// who come before their first sign-in has ended sign in again, and how many do
/// depends on the machine; so none here.
const BRIEF: &str = "
version: 1
duration: 4s
idp: { expires_in: 1h, latency: { token: 15ms } }
cache: { l2: { store: memory } }
population: { tenants: 120, users: 90 }
traffic:
  - { flow: client_credentials, rate: 150/s }
  - { flow: on_behalf_of, rate: 60/s }
";

#[test]
fn hit_ratios_of_all_three_clocks_agree_within_their_stated_intervals() {
    let plan = plan(BRIEF, 6, &[]);
    let [model, virtual_, real] =
        [Mode::Model, Mode::Virtual, Mode::Real].map(|mode| report(&plan, mode));
    assert_eq!(counts(&model), counts(&virtual_));
    assert_eq!(model.load.fingerprint, real.load.fingerprint);
    for run in [&virtual_, &real] {
        let scopes: Vec<&str> = run.theory.iter().map(|row| row.scope.as_str()).collect();
        let flows = ["totals", "client_credentials", "on_behalf_of"];
        assert_eq!(scopes, flows, "{:?}", run.mode);
        for (row, of_model) in run.theory.iter().zip(&ratios(&model)) {
            assert!(
                (row.predicted_hit_ratio - of_model).abs() < 1e-12,
                "{row:?}"
            );
            // What a real clock adds is when an answer comes: within chance.
            assert!(row.z.abs() < 4.0, "{:?}: {row:?}", run.mode);
            assert!(
                row.standard_error > 0.0 && row.standard_error < 0.03,
                "{row:?}"
            );
            assert!(
                row.measured_hit_ratio > 0.2 && row.measured_hit_ratio < 0.95,
                "{row:?}"
            );
        }
        assert_eq!(
            run.idp.max_concurrent_fetches_per_key,
            Some(1),
            "{:?}",
            run.mode
        );
    }
    assert_eq!(model.idp.max_concurrent_fetches_per_key, None);
}

fn ratios(report: &Report) -> Vec<f64> {
    std::iter::once(&report.totals)
        .chain(report.flows.iter().map(|flow| &flow.acquisitions))
        .map(|of| of.hit_ratio.unwrap())
        .collect()
}

/// A defect, the cause it is named by, and how many misses that must be at least.
const DEFECTS: [(&str, &str, i64); 6] = [
    ("cache.policy={ flight: none }", "no_single_flight", 5),
    ("traffic[0].force_refresh=5%", "forced_refresh", 20),
    ("cache.l1={ size_limit: 12KB }", "eviction", 20),
    (
        "cache.policy={ stale_l1: ask_identity_provider }",
        "stale_instance",
        5,
    ),
    ("cache.policy={ caching: disabled }", "cache_disabled", 500),
    (
        "faults=[{ at: 0s, for: 20m, l2: { is: error, share: 30% } }]",
        "l2_failure",
        5,
    ),
];

#[test]
fn a_gap_is_put_down_to_what_causes_it() {
    for (defect, cause, least) in DEFECTS {
        let mut set = vec![
            "population={ tenants: 20 }",
            "idp.expires_in=400s",
            "duration=8m",
            defect,
        ];
        if !matches!(cause, "eviction") {
            set.push("cache.l2={ store: memory }");
            set.push("fleet.instances=3");
        }
        let set: Vec<&str> = set.into_iter().chain(["traffic[1].rate=0.01/s"]).collect();
        let run = report(&plan(HERD, 9, &set), Mode::Virtual);
        let whole = &run.theory[0];
        let found = whole.attribution.get(cause).copied().unwrap_or_default();
        assert!(found >= least, "{defect}: {:?}", whole.attribution);
        let largest = whole.attribution.values().copied().max().unwrap();
        assert_eq!(found, largest, "{defect}: {:?}", whole.attribution);
        assert!(
            whole.measured_hit_ratio < whole.predicted_hit_ratio,
            "{defect}"
        );
        let parts: i64 = whole
            .attribution
            .iter()
            .filter(|(cause, _)| *cause != "errors")
            .map(|(_, many)| many)
            .sum();
        let ok = run.totals.token_source.cache + run.totals.token_source.identity_provider;
        let gap = (whole.predicted_hit_ratio - whole.measured_hit_ratio) * ok as f64;
        assert!((parts as f64 - gap).abs() < 1.0, "{defect}: {parts} {gap}");
    }
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
        "{flows}{:?} {:?} {}",
        report.idp.by_grant, report.sessions, report.load.fingerprint
    )
}
