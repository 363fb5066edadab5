//! Each metric against a report that has a number of its own for it, and all
//! that must never pass.

mod cookies;
mod predicted;

use std::collections::BTreeMap;

use super::*;
use crate::gate::threshold::{Context, parse};
use crate::report::model::{
    Acquisitions, BySource, Cache, CacheLevelCounts, CacheRefreshReasonCounts, Cookies,
    Distribution, Durations, FlowReport, Idp, Interval, L1, L2, L2Contents, L2Operations, Ledger,
    Load, Mark, MarkKind, Mode, Oracle, SCHEMA_VERSION, ScenarioId, Series, Sessions, Theory,
    TokenSourceCounts, Verdict,
};

fn times(count: u64, scale: f64) -> Distribution {
    Distribution {
        count,
        mean_us: 6.0 * scale,
        p50_us: 1.0 * scale,
        p90_us: 2.0 * scale,
        p99_us: 3.0 * scale,
        p999_us: 4.0 * scale,
        max_us: 5.0 * scale,
        hdr: String::new(),
    }
}

/// Acquisitions with a different number in every field.
fn acquisitions() -> Acquisitions {
    Acquisitions {
        acquisitions: 1_000,
        errors: 10,
        hit_ratio: Some(0.9),
        token_source: TokenSourceCounts {
            cache: 891,
            identity_provider: 99,
        },
        cache_level: CacheLevelCounts {
            none: 11,
            l1: 12,
            l2: 13,
            unknown: 14,
        },
        cache_refresh_reason: CacheRefreshReasonCounts {
            not_applicable: 21,
            no_cached_access_token: 22,
            expired: 23,
            force_refresh_or_claims: 24,
            proactively_refreshed: 25,
            cache_disabled: 26,
        },
        background_refreshes: 31,
        coalesced: 32,
        durations: Durations {
            total: times(20_000, 1.0),
            cache: times(20_000, 10.0),
            http: times(999, 100.0),
            by_source: BySource::default(),
        },
        errors_by_kind: BTreeMap::new(),
        ways: Vec::new(),
    }
}

fn empty() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        scenario: ScenarioId {
            name: "x".to_owned(),
            file: "x.yaml".to_owned(),
            hash: String::new(),
            overrides: Vec::new(),
        },
        mode: Mode::Real,
        seed: 1,
        verdict: Verdict::Pass,
        exit_code: 0,
        reasons: vec![],
        started_at: String::new(),
        duration_s: 0.0,
        wall_s: 0.0,
        environment: BTreeMap::new(),
        totals: Acquisitions::default(),
        flows: vec![],
        load: Load::default(),
        idp: Idp::default(),
        ledger: Ledger::default(),
        oracle: Oracle::default(),
        violations: vec![],
        cache: Cache::default(),
        sessions: Sessions::default(),
        theory: vec![],
        thresholds: vec![],
        series: Series::default(),
        outcomes: None,
    }
}

fn full() -> Report {
    let obo = Acquisitions {
        errors: 500,
        ..acquisitions()
    };
    let flow = |name: &str, acquisitions| FlowReport {
        name: name.to_owned(),
        flow: name.to_owned(),
        acquisitions,
    };
    Report {
        totals: acquisitions(),
        flows: vec![
            flow("app", acquisitions()),
            flow("obo", obo),
            flow("idle", Acquisitions::default()),
        ],
        load: Load {
            offered: 41,
            started: 42,
            dropped: 43,
            timeout: 44,
            censored: 45,
            lag: times(20_000, 1e3),
            response: times(20_000, 1e4),
            service: times(20_000, 1e5),
            ..Load::default()
        },
        idp: Idp {
            token_requests: 50,
            redundant_token_requests: 52,
            by_status: BTreeMap::from([("429".to_owned(), 53)]),
            max_concurrent_fetches_per_key: Some(54),
            ..Idp::default()
        },
        ledger: Ledger {
            server_side: Some(51),
            ..Ledger::default()
        },
        oracle: Oracle {
            checked: 60,
            wrong_token: 61,
            expired_served: 62,
            under_scoped: 63,
            not_issued: 64,
            wrong_rate_below: None,
        },
        cache: Cache {
            l1: L1 {
                entries: 71,
                bytes: 72,
                evictions: 73,
            },
            l2: L2 {
                entries: 81,
                bytes: 82,
                operations: L2Operations {
                    get: 83,
                    set: 84,
                    refresh: 85,
                    remove: 86,
                },
                errors: 87,
                refused: 88,
                evictions: 89,
                bytes_read: 90,
                bytes_written: 91,
                contents: L2Contents {
                    access_tokens: 186,
                    expired_access_tokens: 93,
                    most_access_tokens: 94,
                    most_accounts: 95,
                    largest_entry: 96,
                    plaintext: 97,
                    unreadable: 98,
                },
            },
            cookies: Cookies {
                set: 99,
                refused: 100,
                largest_bytes: 101,
                limit_bytes: 102,
            },
        },
        sessions: Sessions {
            interaction_required: 65,
            stale_served: 66,
            served_after_sign_out: 67,
        },
        ..empty()
    }
}

fn judged(text: &str, report: &Report) -> (Option<f64>, ThresholdVerdict) {
    let threshold =
        parse(text, 7, 3, &Context::default()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let result = judge(&threshold, report);
    assert_eq!(
        (
            result.expression.as_str(),
            result.file.as_str(),
            result.line
        ),
        (text, "x.yaml", 7)
    );
    (result.measured, result.verdict)
}

#[test]
fn every_metric_reads_its_own_number() {
    let cases: &[(&str, f64)] = &[
        ("acquisitions", 1_000.0),
        ("hit_ratio", 0.9),
        ("errors", 10.0),
        ("errors{flow=obo}", 500.0),
        ("error_ratio", 0.01),
        ("error_ratio{flow=obo}", 0.5),
        ("coalesced", 32.0),
        ("background_refreshes", 31.0),
        ("token_source{source=cache}", 891.0),
        ("token_source{source=identity_provider}", 99.0),
        ("cache_level{level=none}", 11.0),
        ("cache_level{level=l1}", 12.0),
        ("cache_level{level=l2,flow=obo}", 13.0),
        ("cache_level{level=unknown}", 14.0),
        ("cache_refresh_reason{reason=not_applicable}", 21.0),
        ("cache_refresh_reason{reason=no_cached_access_token}", 22.0),
        ("cache_refresh_reason{reason=expired}", 23.0),
        ("cache_refresh_reason{reason=force_refresh_or_claims}", 24.0),
        ("cache_refresh_reason{reason=proactively_refreshed}", 25.0),
        ("cache_refresh_reason{reason=cache_disabled}", 26.0),
        ("p50(acquire)", 1.0),
        ("p90(acquire)", 2.0),
        ("p99(acquire)", 3.0),
        ("p999(acquire)", 4.0),
        ("max(acquire)", 5.0),
        ("mean(acquire)", 6.0),
        ("p99(acquire_cache{flow=obo})", 30.0),
        ("p90(acquire_http)", 200.0),
        ("p99(lag)", 3e3),
        ("p99(response)", 3e4),
        ("p99(service)", 3e5),
        ("offered", 41.0),
        ("started", 42.0),
        ("dropped", 43.0),
        ("timeout", 44.0),
        ("censored", 45.0),
        ("token_requests", 51.0),
        ("redundant_token_requests", 52.0),
        ("max_concurrent_fetches_per_key", 54.0),
        ("idp_calls_per_1k", 51.0),
        ("wrong_token", 61.0),
        ("expired_served", 62.0),
        ("under_scoped", 63.0),
        ("not_issued", 64.0),
        ("l1_entries", 71.0),
        ("l1_bytes", 72.0),
        ("l1_evictions", 73.0),
        ("l2_entries", 81.0),
        ("l2_bytes", 82.0),
        ("throttled", 53.0),
        ("interaction_required", 65.0),
        ("stale_served", 66.0),
        ("served_after_sign_out", 67.0),
        ("l2_largest_entry", 96.0),
        ("l2_most_tokens", 94.0),
        ("l2_most_accounts", 95.0),
        ("l2_expired_tokens", 0.5),
        ("l2_plaintext", 97.0),
        ("l2_unreadable", 98.0),
        ("l2_bytes_written", 91.0),
        ("l2_bytes_read", 90.0),
        ("l2_errors", 87.0),
        ("largest_session_cookies", 101.0),
        ("session_cookies_refused", 100.0),
        ("l2_operations{operation=get}", 83.0),
        ("l2_operations{operation=set}", 84.0),
        ("l2_operations{operation=refresh}", 85.0),
        ("l2_operations{operation=remove}", 86.0),
    ];
    let report = full();
    for (subject, expected) in cases {
        let limit = match *subject {
            "hit_ratio" | "error_ratio" | "error_ratio{flow=obo}" | "l2_expired_tokens" => "0.7",
            "l1_bytes"
            | "l2_bytes"
            | "l2_bytes_written"
            | "l2_bytes_read"
            | "l2_largest_entry"
            | "largest_session_cookies" => "1B",
            times if times.contains('(') => "0.5ns",
            _ => "0.5",
        };
        let limit = if limit == "0.5ns" { "1ns" } else { limit };
        let (measured, _) = judged(&format!("{subject} > {limit}"), &report);
        let measured = measured.unwrap_or(f64::NAN);
        assert!(
            (measured - expected).abs() < 1e-9,
            "{subject}: {measured} is not {expected}"
        );
    }
    for metric in super::super::metric::METRICS {
        assert!(
            cases
                .iter()
                .any(|(subject, _)| subject.contains(metric.name)),
            "no case for {}",
            metric.name
        );
    }
}

#[test]
fn a_threshold_passes_fails_or_has_no_data() {
    use ThresholdVerdict::{Fail, NoData, Pass};
    let report = full();
    let cases = [
        ("hit_ratio >= 0.9", Pass),
        ("hit_ratio > 0.9", Fail),
        ("errors == 10", Pass),
        ("errors == 11", Fail),
        ("errors{flow=obo} <= 499", Fail),
        ("hit_ratio{flow=idle} > 0.5", NoData),
        ("errors{flow=idle} == 0", NoData),
        (
            "cache_refresh_reason{reason=expired,flow=idle} == 0",
            NoData,
        ),
        ("errors{flow=absent} == 0", NoData),
        ("p50(acquire{flow=idle}) < 1s", NoData),
        ("p90(acquire_http) < 1s", Pass),
        ("p99(acquire_http) < 1s", NoData),
        ("p99(acquire) < 3us", Fail),
        ("p99(acquire) <= 3us", Pass),
    ];
    for (text, expected) in cases {
        assert_eq!(judged(text, &report).1, expected, "{text}");
    }
}

#[test]
fn nothing_passes_on_an_empty_report() {
    let report = empty();
    for metric in super::super::metric::METRICS {
        let zero = match metric.unit {
            crate::gate::metric::Unit::Bytes => "0B",
            crate::gate::metric::Unit::Microseconds => "0s",
            _ => "0",
        };
        // What was offered and finished is known to be zero; all else is not known.
        let known = matches!(metric.name, "acquisitions" | "offered" | "started");
        let (measured, verdict) = judged(&format!("{} == {zero}", metric.example()), &report);
        assert_eq!(measured.is_some(), known, "{}", metric.name);
        assert_eq!(verdict == ThresholdVerdict::Pass, known, "{}", metric.name);
    }
}

#[test]
fn what_is_not_a_number_is_no_data() {
    let mut report = full();
    report.totals.durations.total.p99_us = f64::NAN;
    report.totals.durations.total.max_us = f64::INFINITY;
    for text in [
        "p99(acquire) < 1s",
        "p99(acquire) != 1s",
        "max(acquire) > 1s",
    ] {
        assert_eq!(
            judged(text, &report),
            (None, ThresholdVerdict::NoData),
            "{text}"
        );
    }
}

#[test]
fn a_quantile_needs_ten_samples_beyond_it() {
    for (text, needed) in [
        ("p50(lag) < 1h", 20),
        ("p90(lag) < 1h", 100),
        ("p99(lag) < 1h", 1_000),
        ("p999(lag) < 1h", 10_000),
        ("max(lag) < 1h", 1),
        ("mean(lag) < 1h", 1),
    ] {
        let mut report = full();
        report.load.lag.count = needed - 1;
        assert_eq!(judged(text, &report).1, ThresholdVerdict::NoData, "{text}");
        report.load.lag.count = needed;
        assert_eq!(judged(text, &report).1, ThresholdVerdict::Pass, "{text}");
    }
}

/// Ten intervals of a second: the first three miss, the rest hit.
fn over_time() -> Report {
    let mut report = full();
    let mut times = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000_000_000, 2).unwrap();
    times.record_n(5_000_000, 30).unwrap();
    let interval = |cache, identity_provider| Interval {
        offered: 30,
        token_source: TokenSourceCounts {
            cache,
            identity_provider,
        },
        acquire: crate::report::hdr::encode(&times),
        ..Interval::default()
    };
    report.series = Series {
        interval_s: 1.0,
        intervals: (0..10)
            .map(|index| {
                if index < 3 {
                    interval(0, 30)
                } else {
                    interval(30, 0)
                }
            })
            .collect(),
        marks: Vec::new(),
    };
    report
}

#[test]
fn a_window_is_judged_by_the_intervals_wholly_inside_it() {
    use ThresholdVerdict::{Fail, NoData, Pass};
    let cases = [
        ("hit_ratio >= 99% after 3s", Pass, Some(1.0)),
        ("hit_ratio >= 99% after 2500ms", Pass, Some(1.0)),
        ("hit_ratio >= 99% after 2s", Fail, Some(210.0 / 240.0)),
        ("hit_ratio > 0 until 3s", Fail, Some(0.0)),
        ("hit_ratio > 0 until 3500ms", Fail, Some(0.0)),
        ("acquisitions == 60 after 1s until 3s", Pass, Some(60.0)),
        ("errors == 0 after 10s", NoData, None),
        ("errors == 0 after 9500ms", NoData, None),
        ("errors == 0 after 1s until 1500ms", NoData, None),
        ("hit_ratio >= 99% after warmup", NoData, None),
        ("p50(acquire) < 6ms after 5s", Pass, Some(5_013.503)),
        ("p90(acquire) < 6ms after 8s", NoData, None),
    ];
    for (text, verdict, measured) in cases {
        let (found, judged) = judged(text, &over_time());
        assert_eq!(judged, verdict, "{text}: {found:?}");
        assert_eq!(
            found.map(|value| (value * 1e3).round()),
            measured.map(|value: f64| (value * 1e3).round()),
            "{text}"
        );
    }
    let mut warmed = over_time();
    warmed.series.marks.push(Mark {
        kind: MarkKind::Warmup,
        label: "warm-up".to_owned(),
        from_s: 0.0,
        until_s: Some(3.0),
    });
    assert_eq!(judged("hit_ratio >= 99% after warmup", &warmed).1, Pass);
    let nothing = judged("errors == 0 after 1s", &full());
    assert_eq!(nothing, (None, NoData), "a report without a series");
}

#[test]
fn fewer_samples_than_asked_for_are_no_data() {
    let report = over_time();
    for (text, verdict) in [
        ("hit_ratio >= 50% min_samples 1000", ThresholdVerdict::Pass),
        (
            "hit_ratio >= 50% min_samples 1001",
            ThresholdVerdict::NoData,
        ),
        (
            "p99(acquire) < 1s min_samples 20000",
            ThresholdVerdict::Pass,
        ),
        (
            "p99(acquire) < 1s min_samples 20001",
            ThresholdVerdict::NoData,
        ),
        (
            "hit_ratio >= 0.1 after 8s min_samples 60",
            ThresholdVerdict::Pass,
        ),
        (
            "hit_ratio >= 0.1 after 8s min_samples 61",
            ThresholdVerdict::NoData,
        ),
    ] {
        assert_eq!(judged(text, &report).1, verdict, "{text}");
    }
}
