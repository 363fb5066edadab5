//! Acquisitions and their times.

use std::collections::BTreeMap;

use telemetry::catalogue as metric;
use telemetry::{Family, errors};

use super::Scrape;
use crate::record::flow::FlowCounts;
use crate::record::folded::BySource;
use crate::record::ways::How;
use crate::scenario::plan::Flow;

/// Every successful way an acquisition can go, so that each series is there,
/// at zero, before its first event.
const WAYS: [How; 9] = [
    ("cache", "l1", "not_applicable"),
    ("cache", "l2", "not_applicable"),
    ("identity_provider", "none", "not_applicable"),
    ("identity_provider", "none", "no_cached_access_token"),
    ("identity_provider", "none", "expired"),
    ("identity_provider", "none", "force_refresh_or_claims"),
    ("identity_provider", "none", "cache_disabled"),
    ("cache", "l1", "proactively_refreshed"),
    ("cache", "l2", "proactively_refreshed"),
];

/// What became of the acquisitions of one flow, whichever entries of `traffic`
/// asked for them.
struct OfFlow {
    flow: Flow,
    counts: FlowCounts,
    /// By class, all of them.
    errors: BTreeMap<&'static str, u64>,
}

impl OfFlow {
    /// How tokens were come by, with how many were; zero for a way that is
    /// possible and that nobody went.
    fn ways(&self) -> Vec<(How, u64)> {
        let tokens = &self.counts.tokens;
        let mut ways: Vec<(How, u64)> = tokens.iter().collect();
        let idle = WAYS.into_iter().filter(|way| tokens.of(*way) == 0);
        ways.extend(idle.map(|way| (way, 0)));
        ways.sort_unstable();
        ways
    }
}

impl Scrape<'_> {
    /// The flows that the scenario has.
    fn by_flow(&self) -> Vec<OfFlow> {
        let is_offered = |flow: &Flow| self.plan.traffic.iter().any(|one| one.flow == *flow);
        let flows = Flow::ALL.into_iter().filter(is_offered);
        flows.map(|flow| self.of_flow(flow)).collect()
    }

    fn of_flow(&self, flow: Flow) -> OfFlow {
        let mut counts = FlowCounts::default();
        for (traffic, of_traffic) in self.plan.traffic.iter().zip(&self.folded.flows) {
            if traffic.flow == flow {
                counts.add(&of_traffic.counts);
            }
        }
        let mut classes: BTreeMap<_, _> = errors::CLASSES.map(|class| (class, 0)).into();
        for (code, count) in &counts.errors {
            *classes.entry(errors::class(code)).or_default() += count;
        }
        *classes.entry("timeout").or_default() += counts.timeouts;
        OfFlow {
            flow,
            counts,
            errors: classes,
        }
    }

    pub(super) fn acquisitions(&self) -> Vec<Family> {
        let mut acquired = Family::of(&metric::TOKENCACHE_ACQUISITIONS);
        let mut failed = Family::of(&metric::TOKENCACHE_ACQUISITION_ERRORS);
        let mut all = FlowCounts::default();
        for of_flow in self.by_flow() {
            let flow = of_flow.flow.as_str();
            for ((source, level, reason), count) in of_flow.ways() {
                acquired = acquired.count(&[flow, "success", source, level, reason], count);
            }
            let errors = of_flow.errors.values().sum();
            let labels = [flow, "error", "none", "none", "not_applicable"];
            acquired = acquired.count(&labels, errors);
            for (class, count) in of_flow.errors {
                failed = failed.count(&[flow, class], count);
            }
            all.add(&of_flow.counts);
        }
        let BySource {
            from_cache,
            from_provider,
            failed: without,
        } = &self.folded.total;
        let in_cache = &self.folded.cache;
        vec![
            acquired,
            failed,
            Family::of(&metric::TOKENCACHE_BACKGROUND_REFRESHES)
                .count(&["success"], all.refreshes.succeeded)
                .count(&["error"], all.refreshes.failed),
            Family::of(&metric::TOKENCACHE_ACQUIRE_DURATION)
                .histogram(&["cache", "success"], from_cache.clone())
                .histogram(&["identity_provider", "success"], from_provider.clone())
                .histogram(&["none", "error"], without.clone()),
            Family::of(&metric::TOKENCACHE_ACQUIRE_CACHE_DURATION)
                .histogram(&["cache"], in_cache.from_cache.clone())
                .histogram(&["identity_provider"], in_cache.from_provider.clone())
                .histogram(&["none"], in_cache.failed.clone()),
            Family::of(&metric::TOKENCACHE_ACQUIRE_HTTP_DURATION)
                .histogram(&[], self.folded.http.clone()),
            Family::of(&metric::TOKENCACHE_COALESCED_ACQUISITIONS).count(&[], all.coalesced),
        ]
    }
}
