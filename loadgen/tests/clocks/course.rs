//! The course of a run, on every clock.

use loadgen::report::conserve::contradiction;
use loadgen::report::model::{Interval, Report, ThresholdVerdict};
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

const SCENARIO: &str = "
version: 1
duration: 3s
idp: { expires_in: 10m, latency: { token: 20ms } }
cache: { l2: { store: memory, latency: 1ms } }
population: { tenants: 5, users: 10 }
traffic:
  - { flow: client_credentials, rate: 100/s }
  - { flow: authorization_code, rate: 20/s }
";

/// Asserts that intervals and endings say in parts what the totals say in sum.
fn is_consistent(report: &Report) {
    assert_eq!(contradiction(report), None, "{:?}", report.mode);
    let of = |read: fn(&Interval) -> u64| report.series.intervals.iter().map(read).sum::<u64>();
    let totals = &report.totals;
    assert_eq!(of(|one| one.dropped), report.load.dropped);
    assert_eq!(of(|one| one.coalesced), totals.coalesced);
    assert_eq!(
        of(|one| one.background_refreshes),
        totals.background_refreshes
    );
    assert_eq!(of(|one| one.cache_level.l2), totals.cache_level.l2);
    let reasons = |of: loadgen::report::model::CacheRefreshReasonCounts| {
        [of.no_cached_access_token, of.expired, of.not_applicable]
    };
    assert_eq!(
        of(|one| one.cache_refresh_reason.expired),
        reasons(totals.cache_refresh_reason)[1]
    );

    let letters = report.outcomes.as_ref().unwrap().unpack().unwrap();
    assert_eq!(letters.len() as u64, report.load.offered);
    let times = |wanted: u8| {
        letters
            .iter()
            .map(|letter| u64::from(*letter == wanted))
            .sum::<u64>()
    };
    assert_eq!(times(b'h'), totals.cache_level.l1, "{:?}", report.mode);
    assert_eq!(times(b'l'), totals.cache_level.l2);
    assert_eq!(
        times(b'm'),
        totals.cache_refresh_reason.no_cached_access_token
    );
    assert_eq!(times(b'e'), totals.cache_refresh_reason.expired);
    assert_eq!(times(b'x') + times(b't'), totals.errors);
    assert_eq!(times(b'n'), report.load.dropped);
    assert_eq!(times(b'c'), report.load.censored);
}

#[test]
fn on_every_clock_intervals_and_endings_add_up_to_the_run() {
    let plan = plan(SCENARIO, 3, &[]);
    let runs = [Mode::Model, Mode::Virtual, Mode::Real].map(|mode| report(&plan, mode));
    for run in &runs {
        is_consistent(run);
        assert!(
            (3..=8).contains(&run.series.intervals.len()),
            "{:?}",
            run.mode
        );
        let last = run.series.intervals.last().unwrap();
        assert_eq!(last.l1_entries, run.cache.l1.entries, "{:?}", run.mode);
    }
    let [model, virtual_, _] = &runs;
    assert_eq!(
        model.outcomes, virtual_.outcomes,
        "an ideal cache, arrival by arrival"
    );
    let counts = |run: &Report| -> Vec<[u64; 4]> {
        let of = |one: &Interval| {
            let refreshes = one.background_refreshes;
            [
                one.offered,
                one.token_source.cache,
                one.token_source.identity_provider,
                refreshes,
            ]
        };
        run.series.intervals.iter().map(of).collect()
    };
    assert_eq!(counts(model), counts(virtual_), "and second by second");
}

#[test]
fn refreshes_behind_served_tokens_are_counted_when_they_ended() {
    let set = ["duration=2h", "idp.refresh_in=5m", "idp.expires_in=1h"];
    let set = [
        &set[..],
        &["traffic=[{ flow: client_credentials, rate: 1/s }]"],
    ]
    .concat();
    let report = report(&plan(SCENARIO, 3, &set), Mode::Virtual);
    is_consistent(&report);
    let refreshes = |from: usize| {
        let later = report.series.intervals.iter().skip(from);
        later.map(|one| one.background_refreshes).sum::<u64>()
    };
    assert!(refreshes(0) > 20, "{}", refreshes(0));
    // All through the run, not heaped up anywhere.
    let half = report.series.intervals.len() / 2;
    let late = refreshes(half) as f64 / refreshes(0) as f64;
    assert!((0.3..0.7).contains(&late), "{late}");
}

#[test]
fn arrivals_that_found_no_room_have_an_ending_and_an_interval() {
    // Every token from L2, and slowly, with room for one.
    let set = [
        "max_in_flight=1",
        "idp.latency.token=0s",
        "cache={ l1: none, l2: { store: memory, latency: 100ms } }",
        "traffic=[{ flow: client_credentials, arrivals: constant, rate: 100/s }]",
    ];
    let report = report(&plan(SCENARIO, 3, &set), Mode::Virtual);
    assert!(report.load.dropped > 0);
    is_consistent(&report);
}

#[test]
fn a_week_takes_no_more_intervals_than_an_hour() {
    let set = [
        "duration=7d",
        "traffic=[{ flow: client_credentials, rate: 1/min }]",
        "idp={ expires_in: 1h }",
    ];
    let report = report(&plan(SCENARIO, 3, &set), Mode::Virtual);
    is_consistent(&report);
    assert!((report.series.interval_s - 300.0).abs() < 1e-9);
    assert_eq!(report.series.intervals.len(), 7 * 24 * 12);
}

#[test]
fn a_warm_up_is_left_out_by_thresholds_that_say_so() {
    // All misses come first: tokens live longer than the run.
    let scenario = "
version: 1
duration: 2m
warmup: 1m
population: { tenants: 5 }
traffic: [{ flow: client_credentials, arrivals: constant, rate: 2/s }]
thresholds: [hit_ratio == 100% after warmup, hit_ratio == 100%, hit_ratio < 100% until 1m]
";
    let report = report(&plan(scenario, 1, &[]), Mode::Virtual);
    let judged: Vec<_> = report
        .thresholds
        .iter()
        .map(|threshold| (threshold.verdict, threshold.measured.unwrap()))
        .collect();
    assert_eq!(judged[0], (ThresholdVerdict::Pass, 1.0));
    assert_eq!(judged[1].0, ThresholdVerdict::Fail);
    assert_eq!(judged[2].0, ThresholdVerdict::Pass);
}
