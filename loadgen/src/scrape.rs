//! What Prometheus gets: the same numbers as the report, folded at scrape.

use telemetry::catalogue as metric;
use telemetry::{Family, HistogramSample, Kind, Metric};

use crate::record::Recorded;
use crate::record::flow::FlowRecord;
use crate::record::histogram::Times;
use crate::report::model::Cache;
use crate::scenario::plan::{Flow, Plan};

/// What a scrape is made of.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// What runs.
    pub plan: &'a Plan,
    /// What happened so far.
    pub recorded: &'a Recorded,
    /// What the caches hold.
    pub cache: Cache,
    /// Operations under way.
    pub in_flight: usize,
    /// When the caches started, Unix seconds.
    pub started_at: f64,
    /// When the first arrival fell due, Unix seconds; zero before.
    pub began_at: f64,
}

/// Every successful way an acquisition can go, so that each series is there,
/// at zero, before its first event.
const WAYS: [(&str, &str, &str); 8] = [
    ("cache", "l1", "not_applicable"),
    ("cache", "l2", "not_applicable"),
    ("identity_provider", "none", "not_applicable"),
    ("identity_provider", "none", "no_cached_access_token"),
    ("identity_provider", "none", "expired"),
    ("identity_provider", "none", "force_refresh_or_claims"),
    ("cache", "l1", "proactively_refreshed"),
    ("cache", "l2", "proactively_refreshed"),
];

impl Scrape<'_> {
    /// Prometheus text.
    pub fn render(&self) -> String {
        let mut families = self.acquisitions();
        families.extend(self.caches());
        families.extend(self.generator());
        telemetry::render(families)
    }

    fn acquisitions(&self) -> Vec<Family> {
        let mut acquired = Family::of(&metric::TOKENCACHE_ACQUISITIONS);
        let mut all = FlowRecord::default();
        for flow in Flow::ALL {
            let mut record = FlowRecord::default();
            for (traffic, of_traffic) in self.plan.traffic.iter().zip(&self.recorded.flows) {
                if traffic.flow == flow {
                    record.add(of_traffic);
                }
            }
            for way in WAYS {
                record.tokens.entry(way).or_default();
            }
            let flow = flow.as_str();
            for ((source, level, reason), count) in &record.tokens {
                acquired = acquired.count(&[flow, "success", source, level, reason], *count);
            }
            let failed = record.failures() + record.timeouts;
            let labels = [flow, "error", "none", "none", "not_applicable"];
            acquired = acquired.count(&labels, failed);
            all.add(&record);
        }
        let by_source = |metric: &'static Metric,
                         pick: fn(&crate::record::flow::Parts) -> &Times| {
            Family::of(metric)
                .histogram(&["cache"], &fold(metric, pick(&all.from_cache)))
                .histogram(
                    &["identity_provider"],
                    &fold(metric, pick(&all.from_provider)),
                )
                .histogram(&["none"], &fold(metric, pick(&all.failed)))
        };
        vec![
            acquired,
            Family::of(&metric::TOKENCACHE_BACKGROUND_REFRESHES)
                .count(&["success"], all.refreshes.succeeded)
                .count(&["error"], all.refreshes.failed),
            by_source(&metric::TOKENCACHE_ACQUIRE_DURATION, |parts| &parts.total),
            by_source(&metric::TOKENCACHE_ACQUIRE_CACHE_DURATION, |parts| {
                &parts.cache
            }),
            histogram(
                &metric::TOKENCACHE_ACQUIRE_HTTP_DURATION,
                &all.all_times().http,
            ),
            Family::of(&metric::TOKENCACHE_COALESCED_ACQUISITIONS).count(&[], all.coalesced),
        ]
    }

    fn caches(&self) -> [Family; 7] {
        let (l1, l2) = (self.cache.l1, self.cache.l2);
        [
            Family::of(&metric::TOKENCACHE_OPERATIONS)
                .count(&["l2", "get"], l2.operations.get)
                .count(&["l2", "set"], l2.operations.set)
                .count(&["l2", "refresh"], l2.operations.refresh)
                .count(&["l2", "remove"], l2.operations.remove),
            Family::of(&metric::TOKENCACHE_OPERATION_ERRORS).count(&["l2"], l2.errors),
            Family::of(&metric::TOKENCACHE_ENTRIES)
                .count(&["l1"], l1.entries)
                .count(&["l2"], l2.entries),
            Family::of(&metric::TOKENCACHE_SIZE_BYTES)
                .count(&["l1"], l1.bytes)
                .count(&["l2"], l2.bytes),
            Family::of(&metric::TOKENCACHE_EVICTIONS).count(&["l1", "size"], l1.evictions),
            Family::of(&metric::TOKENCACHE_START_TIMESTAMP).value(&[], self.started_at),
            Family::of(&metric::TOKENCACHE_BUILD_INFO).count(&[env!("CARGO_PKG_VERSION")], 1),
        ]
    }

    fn generator(&self) -> [Family; 9] {
        let recorded = self.recorded;
        let mut operations = Family::of(&metric::LOADGEN_OPERATIONS);
        for (traffic, flow) in self.plan.traffic.iter().zip(&recorded.flows) {
            operations = operations
                .count(&[&traffic.name, "ok"], flow.ok())
                .count(&[&traffic.name, "error"], flow.failures())
                .count(&[&traffic.name, "timeout"], flow.timeouts);
        }
        let oracle = recorded.oracle;
        let seed = self.plan.seed.to_string();
        [
            Family::of(&metric::LOADGEN_ARRIVALS)
                .count(&["started"], recorded.started)
                .count(&["dropped"], recorded.dropped),
            operations,
            histogram(&metric::LOADGEN_RESPONSE_DURATION, &recorded.response),
            histogram(&metric::LOADGEN_SERVICE_DURATION, &recorded.service),
            histogram(&metric::LOADGEN_SCHEDULE_LAG, &recorded.lag),
            Family::of(&metric::LOADGEN_IN_FLIGHT).value(&[], self.in_flight as f64),
            Family::of(&metric::LOADGEN_INVARIANT_VIOLATIONS)
                .count(&["wrong_token"], oracle.wrong_token)
                .count(&["expired_served"], oracle.expired_served)
                .count(&["under_scoped"], oracle.under_scoped)
                .count(&["not_issued"], oracle.not_issued),
            Family::of(&metric::LOADGEN_RUN_START).value(&[], self.began_at),
            Family::of(&metric::LOADGEN_RUN_INFO)
                .count(&[&self.plan.name, &self.plan.hash, &seed], 1),
        ]
    }
}

fn histogram(metric: &'static Metric, times: &Times) -> Family {
    Family::of(metric).histogram(&[], &fold(metric, times))
}

fn fold(metric: &Metric, times: &Times) -> HistogramSample {
    match metric.kind {
        Kind::Histogram(edges) => times.fold(edges),
        Kind::Counter | Kind::Gauge => times.fold(&[]),
    }
}

#[cfg(test)]
mod tests;
