//! Whole runs of the program, judged by what they leave behind.
//!
//! None of these asserts on a time: the machine may be busy. A generator that
//! was late for that reason alone spoils no test whose point is another.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;
#[path = "support/report.rs"]
mod report;
#[path = "support/watch.rs"]
mod watch;

#[path = "run/contract.rs"]
mod contract;
#[path = "run/course.rs"]
mod course;
#[path = "run/injected.rs"]
mod injected;
#[path = "run/misfortune.rs"]
mod misfortune;
#[path = "run/provider.rs"]
mod run_provider;
#[path = "run/stop.rs"]
mod stop;

use loadgen::report::model::{Report, ThresholdVerdict, Verdict};
use program::Lab;
use report::run;

/// Three flows over a small population, so that each both hits and misses.
const THREE_FLOWS: &str = "\
version: 1
name: three
duration: 2s
idp: { latency: { token: 5ms } }
cache: { l2: { store: memory, latency: 1ms } }
fleet: { instances: 2 }
population:
  tenants: { count: 5, popularity: { zipf: 0.9 } }
  applications: 2
  users: 20
  resources: 2
traffic:
  - { flow: client_credentials, rate: 60/s }
  - { flow: authorization_code, rate: 40/s }
  - { flow: on_behalf_of, arrivals: constant, rate: 40/s }
thresholds:
  - errors == 0
  - dropped == 0
";

/// Everybody wants the same token, and it takes a while to come.
const COLD_BURST: &str = "\
version: 1
duration: 1s
idp: { latency: { token: 300ms } }
traffic:
  - { flow: client_credentials, arrivals: constant, rate: 200/s }
";

#[test]
fn all_three_flows_hit_and_miss_and_every_count_agrees() {
    let run = run(&Lab::new(), THREE_FLOWS, &[]);
    run.is_clean();
    run.adds_up();
    let Report {
        flows,
        ledger,
        load,
        idp,
        ..
    } = &run.report;
    let names: Vec<&str> = flows.iter().map(|flow| flow.flow.as_str()).collect();
    let expected = ["client_credentials", "authorization_code", "on_behalf_of"];
    assert_eq!(names, expected);
    for flow in flows {
        let ratio = flow.acquisitions.hit_ratio.unwrap();
        assert!(0.0 < ratio && ratio < 1.0, "{}: {ratio}", flow.name);
        assert!(idp.by_grant[flow.flow.as_str()] > 0, "{idp:?}");
    }
    assert_eq!(load.offered, load.ok);
    assert_eq!(Some(ledger.client_side), ledger.server_side);
    assert!(
        ledger.client_side > 0 && ledger.unsettled == 0,
        "{ledger:?}"
    );
    // Without failures, who was not served from a cache asked, once.
    let served = run.report.totals.token_source.identity_provider;
    assert_eq!(served, ledger.client_side);
    assert_eq!(served, run.report.totals.durations.http.count);
    let operations = run.report.cache.l2.operations;
    assert!(operations.get > 0 && operations.set > 0, "{operations:?}");
}

#[test]
fn in_single_flight_a_cold_burst_asks_once() {
    let run = run(&Lab::new(), COLD_BURST, &[]);
    run.is_clean();
    run.adds_up();
    assert_eq!(run.report.idp.token_requests, 1);
    assert_eq!(run.report.idp.redundant_token_requests, 0);
    assert!(run.report.totals.coalesced > 0);
    assert_eq!(run.report.totals.token_source.identity_provider, 1);
}

#[test]
fn each_tenant_has_a_partition_of_its_own_and_is_asked_for_once() {
    let scenario = "\
version: 1
duration: 2s
idp: { latency: { token: 20ms } }
cache: { l2: { store: memory } }
population: { tenants: 30 }
traffic:
  - { flow: client_credentials, rate: 150/s }
thresholds:
  - wrong_token == 0
  - redundant_token_requests == 0
";
    let run = run(&Lab::new(), scenario, &[]);
    run.is_clean();
    run.adds_up();
    let Report { idp, cache, .. } = &run.report;
    assert!((20..=30).contains(&idp.token_requests), "{idp:?}");
    assert_eq!(cache.l1.entries, idp.token_requests);
    assert_eq!(cache.l2.entries, idp.token_requests);
}

#[test]
fn as_msal_net_a_cold_burst_asks_again_and_again() {
    let run = run(&Lab::new(), COLD_BURST, &["--set", "cache.preset=msal_net"]);
    run.is_clean();
    run.adds_up();
    let idp = &run.report.idp;
    assert!(idp.token_requests > 1, "{idp:?}");
    assert_eq!(idp.redundant_token_requests, idp.token_requests - 1);
    assert_eq!(run.report.totals.coalesced, 0);
    assert_eq!(run.report.scenario.overrides, ["cache.preset=msal_net"]);
}

#[test]
fn the_same_seed_offers_the_same_arrivals() {
    let offered = |seed: &str| {
        let run = run(&Lab::new(), THREE_FLOWS, &["--seed", seed]);
        run.is_clean();
        let report = run.report;
        assert_eq!((report.load.dropped, report.load.censored), (0, 0));
        assert_eq!(report.seed.to_string(), seed);
        let flows = report.flows.iter();
        let of_flows: Vec<u64> = flows.map(|flow| flow.acquisitions.acquisitions).collect();
        (report.load.offered, of_flows)
    };
    let (first, again, other) = (offered("1"), offered("1"), offered("2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(first.1[2], other.1[2], "constant arrivals are as many");
}

#[test]
fn a_threshold_that_does_not_hold_fails_the_run_and_is_said_first() {
    let scenario = format!("{THREE_FLOWS}  - hit_ratio{{flow=on_behalf_of}} >= 0.9999\n");
    let run = run(&Lab::new(), &scenario, &[]);
    run.adds_up();
    run.is_wrong_only_in(&["threshold `hit_ratio{flow=on_behalf_of} >= 0.9999` does not hold"]);
    let second = run.ended.stdout.lines().nth(1).unwrap();
    assert_eq!(
        second,
        "  - threshold `hit_ratio{flow=on_behalf_of} >= 0.9999` does not hold (line 19)"
    );
    let [errors, dropped, ratio] = run.report.thresholds.as_slice() else {
        panic!("{:?}", run.report.thresholds)
    };
    assert_eq!(errors.verdict, ThresholdVerdict::Pass);
    assert_eq!(dropped.verdict, ThresholdVerdict::Pass);
    assert_eq!(ratio.verdict, ThresholdVerdict::Fail);
    assert_eq!((ratio.line, ratio.file.as_str()), (19, "x.yaml"));
    assert_eq!(ratio.measured, run.report.flows[2].acquisitions.hit_ratio);
    if run.report.reasons.len() == 1 {
        assert_eq!(run.report.verdict, Verdict::Fail);
        assert_eq!(run.ended.code, Some(1));
    }
}

#[test]
fn a_threshold_without_samples_is_no_pass() {
    // A p90 needs 100 samples. That many acquisitions there are, but most of
    // them hit and have no time in HTTP.
    let expression = "p90(acquire_http{flow=client_credentials}) < 1h";
    let scenario = format!("{THREE_FLOWS}  - {expression}\n");
    let run = run(&Lab::new(), &scenario, &[]);
    run.is_wrong_only_in(&["` has nothing, or too little, to judge by (line 19)"]);
    assert_eq!(run.report.thresholds[2].verdict, ThresholdVerdict::NoData);
    assert_eq!(run.report.thresholds[2].measured, None);
    assert_ne!(run.ended.code, Some(0));
}

#[test]
fn arrivals_that_find_no_room_are_dropped_and_the_run_is_invalid() {
    // Every token comes from L2, and slowly; that is no provider's latency, for
    // which a scenario with so little room would be refused.
    let scenario = "\
version: 1
duration: 1s
max_in_flight: 1
cache: { l1: none, l2: { store: memory, latency: 100ms } }
traffic:
  - { flow: client_credentials, arrivals: constant, rate: 200/s }
";
    let run = run(&Lab::new(), scenario, &[]);
    run.adds_up();
    run.is_wrong_only_in(&["arrivals were dropped: the load was not the one planned"]);
    assert!(run.report.load.dropped > 0 && run.report.load.started > 0);
    assert_eq!(run.report.verdict, Verdict::Invalid);
    assert_eq!(run.ended.code, Some(3));
}

#[test]
fn acquisitions_that_take_too_long_are_timeouts_and_their_requests_unsettled() {
    let scenario = "\
version: 1
duration: 1s
acquire_timeout: 2s
graceful_stop: 30s
idp: { latency: { token: { uniform: { min: 1ms, max: 5s } } } }
cache: { preset: msal_net }
population: { tenants: 200 }
traffic:
  - { flow: client_credentials, rate: 50/s }
";
    let run = run(&Lab::new(), scenario, &[]);
    run.adds_up();
    let Report { load, ledger, .. } = &run.report;
    assert!(load.ok > 0 && load.timeout > 0, "{load:?}");
    assert_eq!((load.error, load.censored), (0, 0));
    assert!(ledger.client_side > 0, "{ledger:?}");
    assert!(ledger.unsettled > 0, "{ledger:?}");
    assert_eq!(run.report.totals.errors_by_kind["timeout"], load.timeout);
}

#[test]
fn an_answer_that_comes_after_its_caller_gave_up_is_still_accounted_for() {
    // Three and a half seconds together, though neither alone takes two.
    let scenario = "\
version: 1
duration: 1s
acquire_timeout: 2s
graceful_stop: 30s
idp: { latency: { token: 1s } }
cache: { policy: { l2_guard: 'off' }, l2: { store: memory, latency: 1500ms } }
population: { tenants: 5 }
traffic:
  - { flow: client_credentials, rate: 20/s }
";
    let run = run(&Lab::new(), scenario, &[]);
    run.adds_up();
    let Report { load, ledger, .. } = &run.report;
    assert_eq!((load.timeout, load.ok), (load.started, 0));
    assert!(ledger.client_side > 0, "{ledger:?}");
    assert_eq!(Some(ledger.client_side), ledger.server_side);
    assert_eq!(ledger.unsettled, 0);
}

#[test]
fn what_has_not_ended_when_the_drain_does_is_censored_and_the_run_invalid() {
    let scenario = "\
version: 1
duration: 1s
graceful_stop: 300ms
acquire_timeout: 60s
idp: { latency: { token: 60s } }
traffic:
  - { flow: client_credentials, arrivals: constant, rate: 20/s }
";
    let run = run(&Lab::new(), scenario, &[]);
    run.adds_up();
    let load = &run.report.load;
    assert_eq!((load.censored, load.ok), (load.started, 0));
    assert!(load.censored > 0);
    run.is_wrong_only_in(&[
        "are unsettled beside",
        "no acquisition ended",
        "had not ended when the drain did",
    ]);
    assert_eq!(run.ended.code, Some(3));
    assert_eq!(run.report.totals.hit_ratio, None);
}

#[test]
fn refreshes_behind_served_tokens_are_counted_apart_and_the_ledgers_still_agree() {
    let scenario = "
version: 1
duration: 3s
idp: { expires_in: 3600s, refresh_in: 1s, latency: { token: 20ms } }
fleet: { instances: 2 }
cache: { l2: { store: memory, latency: 1ms } }
population: { tenants: 5, users: 5 }
traffic:
  - { flow: client_credentials, rate: 40/s }
  - { flow: authorization_code, rate: 40/s }
  - { flow: on_behalf_of, rate: 40/s }
";
    let mut refreshes = Vec::new();
    for preset in ["recommended", "msal_net"] {
        let set = format!("cache.preset={preset}");
        let run = run(&Lab::new(), scenario, &["--set", &set]);
        run.is_clean();
        let Report {
            totals,
            ledger,
            flows,
            ..
        } = &run.report;
        let reason = totals.cache_refresh_reason;
        assert!(reason.proactively_refreshed > 0, "{preset}");
        assert!(totals.background_refreshes > 0, "{preset}");
        let of_flows: u64 = flows
            .iter()
            .map(|flow| flow.acquisitions.background_refreshes)
            .sum();
        assert_eq!(of_flows, totals.background_refreshes);
        assert_eq!(Some(ledger.client_side), ledger.server_side);
        assert!(
            ledger.client_side > totals.token_source.identity_provider,
            "refreshes are requests too"
        );
        if preset == "msal_net" {
            assert_eq!(
                ledger.client_side,
                totals.token_source.identity_provider + totals.background_refreshes
            );
        }
        refreshes.push(totals.background_refreshes);
    }
    assert!(
        refreshes[0] < refreshes[1],
        "recommended refreshes once for all: {refreshes:?}"
    );
}
