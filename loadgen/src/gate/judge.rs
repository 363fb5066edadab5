//! A threshold against a report. Anything the report cannot answer, or cannot
//! answer with enough samples, is `no_data`, which is never a pass.

use super::metric::{Counted, Reading};
use super::threshold::{Statistic, Threshold};
use crate::report::model::{Acquisitions, Distribution, Report, ThresholdResult, ThresholdVerdict};

/// Judges one threshold. `measured` and `limit` are in the metric's unit:
/// counts, shares from 0 to 1, bytes, microseconds.
pub fn judge(threshold: &Threshold, report: &Report) -> ThresholdResult {
    let measured = measure(threshold, report).filter(|measured| measured.is_finite());
    let verdict =
        match measured.and_then(|measured| threshold.operator.holds(measured, threshold.limit)) {
            Some(true) => ThresholdVerdict::Pass,
            Some(false) => ThresholdVerdict::Fail,
            None => ThresholdVerdict::NoData,
        };
    ThresholdResult {
        expression: threshold.expression.clone(),
        measured,
        limit: threshold.limit,
        unit: threshold.metric.unit,
        verdict,
        file: report.scenario.file.clone(),
        line: threshold.line,
    }
}

fn measure(threshold: &Threshold, report: &Report) -> Option<f64> {
    match threshold.metric.reading {
        Reading::Flow(read) => read(acquisitions(threshold, report)?),
        Reading::FlowBy(_, values) => {
            let of = acquisitions(threshold, report)?;
            (of.acquisitions > 0).then(|| counted(threshold, values, of))?
        }
        Reading::FlowTimes(read) => {
            statistic(threshold.statistic?, read(acquisitions(threshold, report)?))
        }
        Reading::Run(read) => read(report),
        Reading::RunBy(_, values) => {
            (report.totals.acquisitions > 0).then(|| counted(threshold, values, report))?
        }
        Reading::RunTimes(read) => statistic(threshold.statistic?, read(report)),
    }
}

/// The numbers of the threshold's flow, or of all; `None` for a flow the
/// report does not have.
fn acquisitions<'a>(threshold: &Threshold, report: &'a Report) -> Option<&'a Acquisitions> {
    match &threshold.flow {
        None => Some(&report.totals),
        Some(name) => report
            .flows
            .iter()
            .find(|flow| flow.name == *name)
            .map(|flow| &flow.acquisitions),
    }
}

fn counted<T>(threshold: &Threshold, values: &[Counted<T>], of: &T) -> Option<f64> {
    let chosen = threshold.label?;
    values
        .iter()
        .find(|(value, _)| *value == chosen)
        .map(|(_, read)| read(of) as f64)
}

fn statistic(statistic: Statistic, times: &Distribution) -> Option<f64> {
    if times.count < statistic.samples_needed() {
        return None;
    }
    Some(match statistic {
        Statistic::P50 => times.p50_us,
        Statistic::P90 => times.p90_us,
        Statistic::P99 => times.p99_us,
        Statistic::P999 => times.p999_us,
        Statistic::Max => times.max_us,
        Statistic::Mean => times.mean_us,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gate::threshold::{Context, parse};
    use crate::report::model::{
        BySource, Cache, CacheLevelCounts, CacheRefreshReasonCounts, Durations, FlowReport, Idp,
        L1, L2, L2Operations, Ledger, Load, Mode, Oracle, SCHEMA_VERSION, ScenarioId, Series,
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
            environment: BTreeMap::new(),
            totals: Acquisitions::default(),
            flows: vec![],
            load: Load::default(),
            idp: Idp::default(),
            ledger: Ledger::default(),
            oracle: Oracle::default(),
            cache: Cache::default(),
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
                },
            },
            ..empty()
        }
    }

    fn judged(text: &str, report: &Report) -> (Option<f64>, ThresholdVerdict) {
        let threshold = parse(text, 7, 3, &Context::default())
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
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
            ("l2_errors", 87.0),
            ("l2_operations{operation=get}", 83.0),
            ("l2_operations{operation=set}", 84.0),
            ("l2_operations{operation=refresh}", 85.0),
            ("l2_operations{operation=remove}", 86.0),
        ];
        let report = full();
        for (subject, expected) in cases {
            let limit = match *subject {
                "hit_ratio" | "error_ratio" | "error_ratio{flow=obo}" => "0.7",
                "l1_bytes" | "l2_bytes" => "1B",
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
}
