//! The equations between a report's own counts. A report that breaks one has a
//! defect, or was edited by hand.

use super::model::{Acquisitions, Mode, Report, Way};

/// The first equation that does not hold, with its numbers.
pub fn contradiction(report: &Report) -> Option<String> {
    of_the_run(report)
        .or_else(|| of_the_flows(report))
        .or_else(|| of_the_series(report))
        .or_else(|| of_the_ways(report))
}

fn first_broken(equations: &[(&str, u64, u64)]) -> Option<String> {
    equations
        .iter()
        .find(|(_, left, right)| left != right)
        .map(|(equation, left, right)| format!("{equation}, yet {left} is not {right}"))
}

/// `offered = started + dropped`, `started = ok + error + timeout + censored`,
/// and the counts by source, level and reason each add up to `ok`: the first that
/// does not hold.
pub fn of_the_run(report: &Report) -> Option<String> {
    let load = &report.load;
    let totals = &report.totals;
    let source = totals.token_source;
    let level = totals.cache_level;
    let reason = totals.cache_refresh_reason;
    first_broken(&[
        (
            "offered = started + dropped",
            load.offered,
            sum(&[load.started, load.dropped]),
        ),
        (
            "started = ok + error + timeout + censored",
            load.started,
            sum(&[load.ok, load.error, load.timeout, load.censored]),
        ),
        (
            "ok = sum of token_source",
            load.ok,
            sum(&[source.cache, source.identity_provider]),
        ),
        (
            "ok = sum of cache_level",
            load.ok,
            sum(&[level.none, level.l1, level.l2, level.unknown]),
        ),
        (
            "ok = sum of cache_refresh_reason",
            load.ok,
            sum(&[
                reason.not_applicable,
                reason.no_cached_access_token,
                reason.expired,
                reason.force_refresh_or_claims,
                reason.proactively_refreshed,
                reason.cache_disabled,
            ]),
        ),
        (
            "ok = oracle.checked",
            // A model's tokens are made up: there is nothing to check.
            match report.mode {
                Mode::Model => 0,
                Mode::Real | Mode::Virtual => load.ok,
            },
            report.oracle.checked,
        ),
    ])
}

/// What each flow counted adds up to the totals.
fn of_the_flows(report: &Report) -> Option<String> {
    type Read = fn(&Acquisitions) -> u64;
    const READINGS: [(&str, Read); 14] = [
        ("acquisitions", |of| of.acquisitions),
        ("errors", |of| of.errors),
        ("token_source.cache", |of| of.token_source.cache),
        ("token_source.identity_provider", |of| {
            of.token_source.identity_provider
        }),
        ("cache_level.l1", |of| of.cache_level.l1),
        ("cache_level.l2", |of| of.cache_level.l2),
        ("cache_level.unknown", |of| of.cache_level.unknown),
        ("cache_refresh_reason.expired", |of| {
            of.cache_refresh_reason.expired
        }),
        ("cache_refresh_reason.no_cached_access_token", |of| {
            of.cache_refresh_reason.no_cached_access_token
        }),
        ("background_refreshes", |of| of.background_refreshes),
        ("coalesced", |of| of.coalesced),
        ("durations.total.count", |of| of.durations.total.count),
        ("durations.cache.count", |of| of.durations.cache.count),
        ("durations.http.count", |of| of.durations.http.count),
    ];
    READINGS.iter().find_map(|(name, read)| {
        let flows: Vec<u64> = report
            .flows
            .iter()
            .map(|flow| read(&flow.acquisitions))
            .collect();
        let equation = format!("{name} = sum of the flows'");
        first_broken(&[(&equation, read(&report.totals), sum(&flows))])
    })
}

/// The joint table of each flow, and of all, adds up to what is said of them one
/// by one. Reports of older writers have none.
fn of_the_ways(report: &Report) -> Option<String> {
    let flows = report.flows.iter().map(|flow| &flow.acquisitions);
    let tables = flows.chain([&report.totals]);
    tables.filter(|of| !of.ways.is_empty()).find_map(|of| {
        let count = |fits: &dyn Fn(&Way) -> bool| {
            let fitting = of.ways.iter().filter(|way| fits(way));
            sum(&fitting.map(|way| way.count).collect::<Vec<_>>())
        };
        let from = |source: &str| count(&|way| way.token_source == source);
        let level =
            |level: &str| count(&|way| way.outcome == "success" && way.cache_level == level);
        first_broken(&[
            (
                "acquisitions = sum of ways",
                of.acquisitions,
                count(&|_| true),
            ),
            (
                "errors = sum of ways without a token",
                of.errors,
                count(&|way| way.outcome != "success"),
            ),
            (
                "token_source.cache = sum of ways from there",
                of.token_source.cache,
                from("cache"),
            ),
            (
                "token_source.identity_provider = sum of ways from there",
                of.token_source.identity_provider,
                from("identity_provider"),
            ),
            (
                "cache_level.l1 = sum of ways from there",
                of.cache_level.l1,
                level("l1"),
            ),
            (
                "cache_level.l2 = sum of ways from there",
                of.cache_level.l2,
                level("l2"),
            ),
            (
                "cache_level.unknown = sum of ways from there",
                of.cache_level.unknown,
                level("unknown"),
            ),
        ])
    })
}

/// No interval holds what the totals do not.
fn of_the_series(report: &Report) -> Option<String> {
    let intervals = &report.series.intervals;
    if intervals.is_empty() {
        return None;
    }
    let of = |read: fn(&super::model::Interval) -> u64| {
        sum(&intervals.iter().map(read).collect::<Vec<_>>())
    };
    first_broken(&[
        (
            "offered = sum of the intervals'",
            report.load.offered,
            of(|interval| interval.offered),
        ),
        (
            "token_source.cache = sum of the intervals'",
            report.totals.token_source.cache,
            of(|interval| interval.token_source.cache),
        ),
        (
            "token_source.identity_provider = sum of the intervals'",
            report.totals.token_source.identity_provider,
            of(|interval| interval.token_source.identity_provider),
        ),
        (
            "errors = sum of the intervals'",
            report.totals.errors,
            of(|interval| interval.errors),
        ),
    ])
}

/// A file may hold numbers that do not fit together in 64 bits.
fn sum(numbers: &[u64]) -> u64 {
    numbers
        .iter()
        .fold(0, |sum, number| sum.saturating_add(*number))
}
