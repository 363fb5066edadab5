//! The record as a scrape shows it: counts, and histograms folded to the
//! catalogue's edges.
//!
//! Threads that record wait while their shard is read, and a scrape comes while the
//! run is under way: it copies what shards hold and merges no histograms.

use std::sync::atomic::Ordering;

use telemetry::HistogramSample;
use telemetry::catalogue::DURATION_BUCKETS;
use tokio::time::Instant;

use super::flow::{FlowCounts, FlowRecord, Parts};
use super::histogram::Times;
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
    /// How its acquisitions ended.
    pub counts: FlowCounts,
    /// Intended start to end.
    pub response: HistogramSample,
    /// Actual start to end.
    pub service: HistogramSample,
}

fn nothing() -> HistogramSample {
    HistogramSample::empty(DURATION_BUCKETS)
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
        pick(&flow.from_cache).add_to(&mut self.from_cache);
        pick(&flow.from_provider).add_to(&mut self.from_provider);
        pick(&flow.failed).add_to(&mut self.failed);
    }
}

impl FoldedFlow {
    fn new() -> Self {
        Self {
            counts: FlowCounts::default(),
            response: nothing(),
            service: nothing(),
        }
    }

    fn add(&mut self, flow: &FlowRecord) {
        self.counts.add(&flow.counts);
        flow.response.add_to(&mut self.response);
        flow.service.add_to(&mut self.service);
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
            mine.add(theirs);
            self.total.add(theirs, |parts| &parts.total);
            self.cache.add(theirs, |parts| &parts.cache);
            for parts in [&theirs.from_cache, &theirs.from_provider, &theirs.failed] {
                parts.http.add_to(&mut self.http);
            }
        }
        part.lag.add_to(&mut self.lag);
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
