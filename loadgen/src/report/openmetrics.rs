//! `OpenMetrics` text: a snapshot of the run's numbers, as GitLab compares, or
//! its course over time with a time stamp on each sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::label;
use super::figure::figures;
use super::model::{Interval, Report};
use crate::gate::metric::Unit;
use crate::gate::threshold::Statistic;

/// The numbers of `report`, one gauge a metric.
pub fn snapshot(report: &Report) -> String {
    let scenario = label(&report.scenario.name);
    let mut families: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for figure in figures(report) {
        let subject = &figure.subject;
        let metric = subject.metric;
        let (suffix, value) = match metric.unit {
            Unit::Count => ("", figure.value),
            Unit::Share if metric.name.ends_with("ratio") => ("", figure.value),
            Unit::Share => ("_ratio", figure.value),
            Unit::Bytes if metric.name.ends_with("bytes") => ("", figure.value),
            Unit::Bytes => ("_bytes", figure.value),
            Unit::Microseconds => ("_seconds", figure.value / 1e6),
        };
        let mut labels = format!("scenario=\"{scenario}\"");
        if let Some(flow) = &subject.flow {
            let _ = write!(labels, ",flow=\"{}\"", label(flow));
        }
        let own = metric.required_label().or_else(|| metric.optional_label());
        if let (Some((name, _)), Some(value)) = (own, subject.label) {
            let _ = write!(labels, ",{name}=\"{value}\"");
        }
        match subject.statistic {
            Some(Statistic::Max) => labels.push_str(",quantile=\"1\""),
            Some(Statistic::P50) => labels.push_str(",quantile=\"0.5\""),
            Some(Statistic::P90) => labels.push_str(",quantile=\"0.9\""),
            Some(Statistic::P99) => labels.push_str(",quantile=\"0.99\""),
            Some(Statistic::P999) => labels.push_str(",quantile=\"0.999\""),
            Some(Statistic::Mean) | None => {}
        }
        let name = format!("loadgen_report_{}{suffix}", metric.name);
        families
            .entry(name)
            .or_insert((metric.doc, Vec::new()))
            .1
            .push(format!("{{{labels}}} {}", rounded(value)));
    }
    let mut out = String::new();
    for (name, (doc, samples)) in families {
        let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {doc}");
        for sample in samples {
            let _ = writeln!(out, "{name}{sample}");
        }
    }
    out.push_str("# EOF\n");
    out
}

/// Six digits: GitLab compares texts, and noise behind them is no news.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// How `report` went over time, each sample at its interval's end.
pub fn series(report: &Report) -> String {
    type Read = fn(&Interval) -> u64;
    const COUNTERS: [(&str, &str, Read); 6] = [
        ("offered", "arrivals that fell due", |of| of.offered),
        ("dropped", "arrivals that found no room", |of| of.dropped),
        ("cache_hits", "tokens from the cache", |of| {
            of.token_source.cache
        }),
        ("cache_misses", "tokens from the provider", |of| {
            of.token_source.identity_provider
        }),
        ("errors", "acquisitions without a token", |of| of.errors),
        (
            "background_refreshes",
            "refreshes nobody waited for",
            |of| of.background_refreshes,
        ),
    ];
    let scenario = label(&report.scenario.name);
    let began = report
        .started_at
        .parse::<jiff::Timestamp>()
        .map_or(0.0, |at| at.as_millisecond() as f64 / 1_000.0);
    let mut out = String::new();
    for (name, doc, read) in COUNTERS {
        let name = format!("loadgen_series_{name}");
        let _ = writeln!(out, "# TYPE {name} counter\n# HELP {name} {doc}");
        let mut sum = 0_u64;
        for (index, interval) in report.series.intervals.iter().enumerate() {
            sum = sum.saturating_add(read(interval));
            let at = began + (index + 1) as f64 * report.series.interval_s;
            let _ = writeln!(out, "{name}_total{{scenario=\"{scenario}\"}} {sum} {at:.3}");
        }
    }
    out.push_str("# EOF\n");
    out
}
