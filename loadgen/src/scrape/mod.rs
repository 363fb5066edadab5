//! What Prometheus gets: the same numbers as the report, folded at scrape.

mod acquisitions;
pub mod export;
mod msal_dotnet;
pub mod otlp;

use telemetry::catalogue as metric;
use telemetry::{Exemplar, Family, HistogramSample, Kind, Metric, StoreMeter};
use token_client::TokenSource;

use crate::record::Recorded;
use crate::record::histogram::Times;
use crate::report::model::Cache;
use crate::scenario::plan::{Plan, StorePlan};

/// What a scrape is made of.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// What runs.
    pub plan: &'a Plan,
    /// What happened so far.
    pub recorded: &'a Recorded,
    /// What was left of tokens given out, from the cache and from the provider.
    pub remaining: [HistogramSample; 2],
    /// What the caches hold.
    pub cache: Cache,
    /// Operations on the caches' levels.
    pub store: &'a StoreMeter,
    /// Requests to the token endpoint under way.
    pub fetching: i64,
    /// Operations under way.
    pub in_flight: usize,
    /// When the caches started, Unix seconds.
    pub started_at: f64,
    /// When the first arrival fell due, Unix seconds; zero before.
    pub began_at: f64,
    /// When the run ended, Unix seconds; zero before.
    pub ended_at: f64,
    /// Now, Unix seconds.
    pub now: f64,
}

impl Scrape<'_> {
    /// Everything under the project's own names.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.acquisitions();
        families.extend(self.caches());
        families.extend(self.generator());
        families.extend(telemetry::process::families());
        families
    }

    fn caches(&self) -> Vec<Family> {
        let (l1, l2) = (self.cache.l1, self.cache.l2);
        let [from_cache, from_provider] = self.remaining.clone();
        let mut families = vec![
            Family::of(&metric::TOKENCACHE_TOKEN_REMAINING_LIFETIME)
                .histogram(&[TokenSource::Cache.as_str()], from_cache)
                .histogram(&[TokenSource::IdentityProvider.as_str()], from_provider),
        ];
        families.extend(self.store.families());
        families.push(
            Family::of(&metric::TOKENCACHE_IN_FLIGHT_FETCHES).value(&[], self.fetching as f64),
        );
        families.extend([
            Family::of(&metric::TOKENCACHE_ENTRIES)
                .count(&["l1"], l1.entries)
                .count(&["l2"], l2.entries),
            Family::of(&metric::TOKENCACHE_SIZE_BYTES)
                .count(&["l1"], l1.bytes)
                .count(&["l2"], l2.bytes),
            self.capacity(),
            Family::of(&metric::TOKENCACHE_EVICTIONS)
                .count(&["l1", "size"], l1.evictions)
                .count(&["l2", "size"], l2.evictions),
            Family::of(&metric::TOKENCACHE_START_TIMESTAMP).value(&[], self.started_at),
            Family::of(&metric::TOKENCACHE_BUILD_INFO).count(&[env!("CARGO_PKG_VERSION")], 1),
        ]);
        families
    }

    /// What the levels may hold: every instance has an L1 of its own.
    fn capacity(&self) -> Family {
        let mut capacity = Family::of(&metric::TOKENCACHE_CAPACITY_BYTES);
        if let Some(l1) = &self.plan.cache.l1 {
            let instances = self.plan.fleet.instances as u64;
            capacity = capacity.count(&["l1"], l1.size_limit.get().saturating_mul(instances));
        }
        if let Some(l2) = &self.plan.cache.l2 {
            // What a server may hold only the server knows.
            if let StorePlan::Memory { size_limit, .. } = l2.store {
                capacity = capacity.count(&["l2"], size_limit.get());
            }
        }
        capacity
    }

    fn generator(&self) -> [Family; 10] {
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
        let mut response = fold(&metric::LOADGEN_RESPONSE_DURATION, &recorded.response);
        response.exemplar = self.slow();
        [
            Family::of(&metric::LOADGEN_ARRIVALS)
                .count(&["started"], recorded.started)
                .count(&["dropped"], recorded.dropped),
            operations,
            Family::of(&metric::LOADGEN_RESPONSE_DURATION).histogram(&[], response),
            histogram(&metric::LOADGEN_SERVICE_DURATION, &recorded.service),
            histogram(&metric::LOADGEN_SCHEDULE_LAG, &recorded.lag),
            Family::of(&metric::LOADGEN_IN_FLIGHT).value(&[], self.in_flight as f64),
            Family::of(&metric::LOADGEN_INVARIANT_VIOLATIONS)
                .count(&["wrong_token"], oracle.wrong_token)
                .count(&["expired_served"], oracle.expired_served)
                .count(&["under_scoped"], oracle.under_scoped)
                .count(&["not_issued"], oracle.not_issued),
            Family::of(&metric::LOADGEN_RUN_START).value(&[], self.began_at),
            Family::of(&metric::LOADGEN_RUN_END).value(&[], self.ended_at),
            Family::of(&metric::LOADGEN_RUN_INFO)
                .count(&[&self.plan.name, &self.plan.hash, &seed], 1),
        ]
    }

    /// The last slow response, by the scenario's name for its traffic.
    fn slow(&self) -> Option<Exemplar> {
        let slow = self.recorded.slow?;
        let name = &self.plan.traffic.get(slow.flow_index)?.name;
        Some(Exemplar {
            label: ("operation", name.chars().take(100).collect()),
            value: slow.response.as_secs_f64(),
            at: self.now - slow.ended.elapsed().as_secs_f64(),
        })
    }
}

fn histogram(metric: &'static Metric, times: &Times) -> Family {
    Family::of(metric).histogram(&[], fold(metric, times))
}

fn fold(metric: &Metric, times: &Times) -> HistogramSample {
    match metric.kind {
        Kind::Histogram(edges) => times.fold(edges),
        Kind::Counter | Kind::Gauge => times.fold(&[]),
    }
}

#[cfg(test)]
mod tests;
