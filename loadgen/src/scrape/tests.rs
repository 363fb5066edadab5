//! The scrape and the report, made from one record, say the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use telemetry::{Format, LetGo, StoreCall};

use super::*;
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorded, Recorder, Sample};
use crate::report::model::{Acquisitions, Distribution, Durations, Report};
use crate::report::sample;
use crate::scenario::plan::Flow;
use crate::scenario::{Overrides, load::parse};

/// The report's sample of caches, as a scrape has them.
fn levels() -> Vec<Level> {
    let (l1, l2) = (sample::CACHE.l1, sample::CACHE.l2);
    let level = |name, partitions, bytes, size, kinds| Level {
        name,
        partitions,
        bytes,
        capacity_bytes: Some(1_000_000),
        kinds,
        let_go: LetGo {
            size,
            ..LetGo::default()
        },
    };
    let kinds = vec![("access_token", 3, 6_000), ("other", 0, 0)];
    vec![
        level("l1", l1.entries, l1.bytes, l1.evictions, kinds),
        level("l2", l2.entries, l2.bytes, l2.evictions, Vec::new()),
    ]
}

/// A scrape of a run in which all this happened.
fn families(recorded: &Recorded) -> Vec<Family> {
    families_of(&sample::plan(), recorded)
}

fn families_of(plan: &Plan, recorded: &Recorded) -> Vec<Family> {
    let store = StoreMeter::default();
    let operations = sample::CACHE.l2.operations;
    for (operation, outcome, times) in [
        ("get", "hit", operations.get - 1),
        ("get", "error", 1),
        ("set", "ok", operations.set),
        ("refresh", "ok", operations.refresh),
        ("remove", "ok", operations.remove),
    ] {
        for _ in 0..times {
            store.record(StoreCall {
                level: "l2",
                operation,
                outcome,
                took: Some(Duration::from_millis(1)),
            });
        }
    }
    let remaining = telemetry::Histogram::new(metric::LIFETIME_BUCKETS);
    remaining.record(Duration::from_secs(3_599));
    let scrape = Scrape {
        plan,
        folded: recorded.into(),
        remaining: [remaining.sample(), remaining.sample()],
        levels: levels(),
        store: &store,
        fetching: 2,
        in_flight: 1,
        users: 0,
        stages: &Stages::of_plan(plan),
        began_at: 1_767_323_046.0,
        ended_at: 0.0,
        started_at: 1_767_323_045.0,
        now: 1_767_323_050.0,
    };
    scrape.families()
}

fn render() -> String {
    text(&sample::recorded())
}

fn text(recorded: &Recorded) -> String {
    telemetry::render(families(recorded))
}

/// Sum of the samples of `name` that have all of `labels`.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, of_series) = series.split_once('{').unwrap_or((series, ""));
        let fits = found == name && labels.iter().all(|label| of_series.contains(label));
        fits.then(|| value.parse::<f64>().unwrap())
    });
    let values: Vec<f64> = of_name.collect();
    assert!(!values.is_empty(), "no `{name}` with {labels:?}: {text}");
    values.iter().sum()
}

#[track_caller]
fn same(scraped: f64, reported: u64) {
    assert!(
        (scraped - reported as f64).abs() < 1e-9,
        "{scraped} is not {reported}"
    );
}

/// The report's acquisitions by flow: several of its entries can be one flow's.
fn by_flow(report: &Report) -> BTreeMap<&str, Vec<&Acquisitions>> {
    let mut flows: BTreeMap<&str, Vec<&Acquisitions>> = BTreeMap::new();
    for flow in &report.flows {
        flows
            .entry(&flow.flow)
            .or_default()
            .push(&flow.acquisitions);
    }
    flows
}

#[test]
fn acquisitions_are_the_report_s_by_source_level_and_reason() {
    let (text, report) = (render(), sample::report());
    let name = "tokencache_acquisitions_total";
    let flows = by_flow(&report);
    assert_eq!(flows.len(), 2);
    for (flow, entries) in flows {
        let scraped = |labels: &[&str]| {
            let flow = format!("flow=\"{flow}\"");
            sum(&text, name, &[&[flow.as_str()], labels].concat())
        };
        let reported = |read: fn(&Acquisitions) -> u64| entries.iter().map(|of| read(of)).sum();
        let ok = "outcome=\"success\"";
        same(scraped(&["outcome=\"error\""]), reported(|of| of.errors));
        for (label, read) in [
            (
                "token_source=\"cache\"",
                (|of| of.token_source.cache) as fn(&Acquisitions) -> u64,
            ),
            ("token_source=\"identity_provider\"", |of| {
                of.token_source.identity_provider
            }),
            ("cache_level=\"l1\"", |of| of.cache_level.l1),
            ("cache_level=\"l2\"", |of| of.cache_level.l2),
            ("cache_level=\"none\"", |of| of.cache_level.none),
            ("cache_refresh_reason=\"not_applicable\"", |of| {
                of.cache_refresh_reason.not_applicable
            }),
            ("cache_refresh_reason=\"no_cached_access_token\"", |of| {
                of.cache_refresh_reason.no_cached_access_token
            }),
            ("cache_refresh_reason=\"expired\"", |of| {
                of.cache_refresh_reason.expired
            }),
        ] {
            same(scraped(&[ok, label]), reported(read));
        }
    }
    same(
        sum(&text, "tokencache_coalesced_acquisitions_total", &[]),
        report.totals.coalesced,
    );
}

#[test]
fn histograms_count_and_add_up_to_the_report_s() {
    let (text, report) = (render(), sample::report());
    let Durations {
        total, cache, http, ..
    } = report.totals.durations;
    let load = report.load;
    for (name, reported) in [
        ("tokencache_acquire_duration_seconds", &total),
        ("tokencache_acquire_cache_duration_seconds", &cache),
        ("tokencache_acquire_http_duration_seconds", &http),
        ("loadgen_response_duration_seconds", &load.response),
        ("loadgen_service_duration_seconds", &load.service),
        ("loadgen_schedule_lag_seconds", &load.lag),
    ] {
        let scraped =
            |suffix: &str, labels: &[&str]| sum(&text, &format!("{name}{suffix}"), labels);
        assert!(reported.count > 0, "{name}");
        same(scraped("_count", &[]), reported.count);
        same(scraped("_bucket", &["le=\"+Inf\""]), reported.count);
        let seconds = reported.mean_us * reported.count as f64 / 1e6;
        let off = scraped("_sum", &[]) / seconds - 1.0;
        assert!(
            off.abs() < 0.002,
            "{name}: {} is not {seconds}",
            scraped("_sum", &[])
        );
        for edge in telemetry::catalogue::DURATION_BUCKETS {
            let below = scraped("_bucket", &[&format!("le=\"{edge}\"")]);
            let slowest = |quantile: f64| at_quantile(reported, quantile);
            let share = below / reported.count as f64;
            // Everything up to this share of all is within the edge.
            if share > 0.0 {
                assert!(slowest(share) <= edge * 1.002, "{name} {edge}: {share}");
            }
        }
    }
    let slow = |source: &str| {
        let label = format!("token_source=\"{source}\"");
        sum(
            &text,
            "tokencache_acquire_duration_seconds_count",
            &[&label],
        )
    };
    same(slow("cache"), report.totals.token_source.cache);
    same(
        slow("identity_provider"),
        report.totals.token_source.identity_provider,
    );
}

/// Seconds that this share of all do not exceed, from the histogram in a report.
fn at_quantile(times: &Distribution, quantile: f64) -> f64 {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_STANDARD.decode(&times.hdr).unwrap();
    let histogram: hdrhistogram::Histogram<u64> = hdrhistogram::serialization::Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .unwrap();
    histogram.value_at_quantile(quantile) as f64 / 1e9
}

#[test]
fn everything_else_is_the_report_s_too() {
    let (text, report) = (render(), sample::report());
    let (load, cache) = (&report.load, &report.cache);
    let operations = cache.l2.operations;
    for (name, labels, reported) in [
        ("loadgen_arrivals_total", "fate=\"started\"", load.started),
        ("loadgen_arrivals_total", "fate=\"dropped\"", load.dropped),
        ("loadgen_operations_total", "outcome=\"ok\"", load.ok),
        ("loadgen_operations_total", "outcome=\"error\"", load.error),
        (
            "loadgen_operations_total",
            "outcome=\"timeout\"",
            load.timeout,
        ),
        (
            "tokencache_operations_total",
            "operation=\"get\"",
            operations.get,
        ),
        (
            "tokencache_operations_total",
            "operation=\"set\"",
            operations.set,
        ),
        (
            "tokencache_operations_total",
            "operation=\"refresh\"",
            operations.refresh,
        ),
        (
            "tokencache_operations_total",
            "operation=\"remove\"",
            operations.remove,
        ),
        ("tokencache_partitions", "level=\"l1\"", cache.l1.entries),
        ("tokencache_partitions", "level=\"l2\"", cache.l2.entries),
        ("tokencache_size_bytes", "level=\"l1\"", cache.l1.bytes),
        ("tokencache_size_bytes", "level=\"l2\"", cache.l2.bytes),
        (
            "tokencache_evictions_total",
            "level=\"l1\"",
            cache.l1.evictions,
        ),
        (
            "tokencache_evictions_total",
            "level=\"l2\"",
            cache.l2.evictions,
        ),
        ("tokencache_in_flight_fetches", "", 2),
        ("loadgen_in_flight_operations", "", 1),
        ("loadgen_run_end_timestamp_seconds", "", 0),
        ("tokencache_start_timestamp_seconds", "", 1_767_323_045),
        ("loadgen_run_start_timestamp_seconds", "", 1_767_323_046),
    ] {
        same(sum(&text, name, &[labels]), reported);
    }
    for flow in &report.flows {
        let of = &flow.acquisitions;
        let name = format!("operation=\"{}\"", flow.name);
        same(
            sum(&text, "loadgen_operations_total", &[&name]),
            of.acquisitions,
        );
    }
    let info = "loadgen_run_info";
    same(
        sum(
            &text,
            info,
            &["scenario=\"sample\"", "seed=\"7\"", &report.scenario.hash],
        ),
        1,
    );
}

#[test]
fn each_finding_of_the_oracle_is_a_violation_of_its_own() {
    let mut recorded = sample::recorded();
    recorded.oracle = crate::report::model::Oracle {
        checked: 99,
        wrong_token: 1,
        expired_served: 2,
        under_scoped: 3,
        not_issued: 4,
        wrong_rate_below: None,
    };
    let text = text(&recorded);
    for (invariant, count) in [
        ("wrong_token", 1),
        ("expired_served", 2),
        ("under_scoped", 3),
        ("not_issued", 4),
    ] {
        let label = format!("invariant=\"{invariant}\"");
        same(
            sum(&text, "loadgen_invariant_violations_total", &[&label]),
            count,
        );
    }
}

/// A plan with as much as a scenario may have, and more stages than are told apart.
fn crowded() -> Plan {
    let flows = Flow::ALL
        .iter()
        .cycle()
        .take(metric::MOST_OPERATIONS)
        .enumerate();
    let stages: String = (0..20).map(|_| "{ hold: 1s }, ").collect();
    let traffic = flows.map(|(number, flow)| {
        let flow = flow.as_str();
        format!("  - {{ name: operation_{number}, flow: {flow}, rate: 1/s, stages: [{stages}] }}\n")
    });
    let text = format!(
        "version: 1\nduration: 30s\ncache: {{ l2: {{ store: memory }} }}\ntraffic:\n{}",
        traffic.collect::<String>()
    );
    let plan = parse(
        Path::new("crowded.yaml"),
        text.as_bytes(),
        &Overrides::default(),
    );
    plan.unwrap_or_else(|error| panic!("{error}"))
}

/// A thousand samples of each operation of `plan`, from microseconds to minutes.
fn busy(plan: &Plan) -> Recorded {
    let recorder = Recorder::new(plan.traffic.len());
    for flow_index in 0..plan.traffic.len() {
        for number in 0..1_000_u64 {
            let time = Duration::from_nanos(1 << (number % 37));
            recorder.record(&Sample {
                arrival: Arrival::numbered(flow_index, number, Duration::ZERO),
                outcome: Outcome::Timeout,
                lag: time,
                queued: Duration::ZERO,
                service: time,
            });
        }
    }
    recorder.recorded()
}

#[test]
fn every_family_of_the_catalogue_is_there_and_the_series_are_bounded() {
    let plan = crowded();
    let families = families_of(&plan, &busy(&plan));
    for metric in telemetry::catalogue::all() {
        // The process speaks for itself (`telemetry::process`).
        if ["mockidp_", "process_"]
            .iter()
            .any(|role| metric.name.starts_with(role))
        {
            continue;
        }
        let family = families.iter().find(|family| family.metric() == metric);
        let series = family.map_or(0, Family::series);
        assert!(series > 0, "no `{}`", metric.name);
        assert!(
            series <= metric.most_series(),
            "`{}`: {series}",
            metric.name
        );
    }
    let series: usize = families.iter().map(Family::series).sum();
    assert!(series < 1_600, "{series} series");
    for format in [Format::Text, Format::OpenMetrics] {
        let bytes = telemetry::encode(families.clone(), format).len();
        assert!(bytes < 200_000, "{bytes} bytes of {format:?}");
    }
}

#[test]
fn response_and_service_times_are_those_of_each_operation() {
    let (text, report) = (render(), sample::report());
    for flow in &report.flows {
        let label = format!("operation=\"{}\"", flow.name);
        for name in ["response", "service"] {
            let name = format!("loadgen_{name}_duration_seconds_count");
            same(sum(&text, &name, &[&label]), flow.acquisitions.acquisitions);
        }
    }
}

#[test]
fn errors_count_by_class_and_a_timeout_is_one() {
    let (text, report) = (render(), sample::report());
    let errors = |labels: &[&str]| sum(&text, "tokencache_acquisition_errors_total", labels);
    same(errors(&[]), report.totals.errors);
    same(errors(&["error=\"timeout\""]), 1);
    same(errors(&["error=\"throttled\""]), 0);
}

#[test]
fn the_last_slow_response_is_an_exemplar_and_names_no_one() {
    let mut recorded = sample::recorded();
    recorded.slow = Some(crate::record::Slow {
        flow_index: 1,
        number: 12,
        response: Duration::from_millis(700),
        ended: tokio::time::Instant::now(),
    });
    let text = telemetry::encode(families(&recorded), Format::OpenMetrics);
    let text = String::from_utf8(text).unwrap();
    let shown: Vec<&str> = text.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].contains("{operation=\"visits\",le=\"1.0\"}"),
        "{shown:?}"
    );
    assert!(
        shown[0].contains(" # {arrival=\"12\"} 0.7 17673230"),
        "{shown:?}"
    );
}
