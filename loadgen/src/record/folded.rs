//! The record as a scrape shows it: counts, and histograms folded to the
//! catalogue's edges.
//!
//! Folding adds up: what the shards hold is folded shard by shard and never
//! merged first. A scrape comes while the run is under way, and threads that
//! record wait while their shard is read.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use telemetry::HistogramSample;
use telemetry::catalogue::DURATION_BUCKETS;
use tokio::time::Instant;

use super::flow::{FlowRecord, Parts, Refreshes};
use super::histogram::Times;
use super::ways::Ways;
use super::{Recorded, Recorder, Slow};
use crate::report::model::Oracle;

/// Everything that a scrape shows of a record.
#[derive(Debug, Clone)]
pub struct Folded {
    /// By entry of `traffic`.
    pub flows: Vec<FoldedFlow>,
    /// Arrivals that began.
    pub started: u64,
    /// Arrivals that found no room.
    pub dropped: u64,
    /// Whole acquisitions.
    pub total: BySource,
    /// Reading and writing the cache.
    pub cache: BySource,
    /// Waiting for the token endpoint.
    pub http: HistogramSample,
    /// Intended start to when it could begin.
    pub lag: HistogramSample,
    /// What the oracle found.
    pub oracle: Oracle,
    /// The last response that was slow.
    pub slow: Option<Slow>,
}

/// Times by where the token came from.
#[derive(Debug, Clone)]
pub struct BySource {
    /// Served from a cache.
    pub from_cache: HistogramSample,
    /// Served by the identity provider.
    pub from_provider: HistogramSample,
    /// Without a token.
    pub failed: HistogramSample,
}

/// One entry of `traffic`.
#[derive(Debug, Clone)]
pub struct FoldedFlow {
    /// Acquisitions with a token, by how they came by it.
    pub tokens: Ways,
    /// Acquisitions without a token, by error code.
    pub errors: BTreeMap<String, u64>,
    /// Acquisitions not ended in time.
    pub timeouts: u64,
    /// Acquisitions that waited for another's fetch.
    pub coalesced: u64,
    /// Refreshes behind served tokens that ended.
    pub refreshes: Refreshes,
    /// Intended start to end.
    pub response: HistogramSample,
    /// Actual start to end.
    pub service: HistogramSample,
}

fn nothing() -> HistogramSample {
    HistogramSample::empty(DURATION_BUCKETS)
}

fn fold(times: &Times) -> HistogramSample {
    times.fold(DURATION_BUCKETS)
}

impl BySource {
    fn new() -> Self {
        Self {
            from_cache: nothing(),
            from_provider: nothing(),
            failed: nothing(),
        }
    }

    fn add(&mut self, flow: &FlowRecord, pick: fn(&Parts) -> &Times) {
        self.from_cache.add(&fold(pick(&flow.from_cache)));
        self.from_provider.add(&fold(pick(&flow.from_provider)));
        self.failed.add(&fold(pick(&flow.failed)));
    }
}

impl FoldedFlow {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            tokens: Ways::default(),
            errors: BTreeMap::new(),
            timeouts: 0,
            coalesced: 0,
            refreshes: Refreshes::default(),
            response: nothing(),
            service: nothing(),
        }
    }

    /// Acquisitions without a token that ended in time.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.add_counts(other);
        self.response.add(&other.response);
        self.service.add(&other.service);
    }

    /// Adds another's counts, and not its times.
    pub fn add_counts(&mut self, other: &Self) {
        self.tokens.add(&other.tokens);
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.timeouts += other.timeouts;
        self.coalesced += other.coalesced;
        self.refreshes.succeeded += other.refreshes.succeeded;
        self.refreshes.failed += other.refreshes.failed;
    }

    fn of(flow: &FlowRecord) -> Self {
        Self {
            tokens: flow.tokens.clone(),
            errors: flow.errors.clone(),
            timeouts: flow.timeouts,
            coalesced: flow.coalesced,
            refreshes: flow.refreshes,
            response: fold(&flow.response),
            service: fold(&flow.service),
        }
    }
}

impl Default for FoldedFlow {
    fn default() -> Self {
        Self::new()
    }
}

impl Folded {
    pub(super) fn new(flows: usize) -> Self {
        Self {
            flows: vec![FoldedFlow::new(); flows],
            started: 0,
            dropped: 0,
            total: BySource::new(),
            cache: BySource::new(),
            http: nothing(),
            lag: nothing(),
            oracle: Oracle::default(),
            slow: None,
        }
    }

    /// Adds what a shard holds; arrivals are not counted by shards.
    pub(super) fn add(&mut self, part: &Recorded) {
        for (mine, theirs) in self.flows.iter_mut().zip(&part.flows) {
            mine.add(&FoldedFlow::of(theirs));
            self.total.add(theirs, |parts| &parts.total);
            self.cache.add(theirs, |parts| &parts.cache);
            for parts in [&theirs.from_cache, &theirs.from_provider, &theirs.failed] {
                self.http.add(&fold(&parts.http));
            }
        }
        self.lag.add(&fold(&part.lag));
        self.oracle.add(&part.oracle);
        let latest = [self.slow, part.slow].into_iter().flatten();
        self.slow = latest.max_by_key(|slow| slow.ended);
    }
}

impl Recorder {
    /// When the first arrival fell due, if it has.
    pub fn began(&self) -> Option<Instant> {
        self.began.get().copied()
    }

    /// Everything recorded so far, as a scrape shows it.
    pub fn folded(&self) -> Folded {
        let mut folded = Folded::new(self.shards[0].lock().totals.flows.len());
        for shard in &self.shards {
            folded.add(&shard.lock().totals);
        }
        folded.dropped = self.dropped.load(Ordering::Relaxed);
        folded.started = self.started.load(Ordering::Relaxed);
        folded
    }
}

impl From<&Recorded> for Folded {
    fn from(recorded: &Recorded) -> Self {
        let mut folded = Self::new(recorded.flows.len());
        folded.add(recorded);
        folded.started = recorded.started;
        folded.dropped = recorded.dropped;
        folded
    }
}
