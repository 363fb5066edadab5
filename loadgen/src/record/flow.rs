//! What is kept of one flow.

use std::collections::BTreeMap;

use token_client::{ResultMetadata, TokenSource};

use super::histogram::Times;
use super::ways::{How, Ways};
use super::{Outcome, Sample};

/// How the acquisitions of one entry of `traffic` ended, or of several together.
#[derive(Debug, Clone, Default)]
pub struct FlowCounts {
    /// Acquisitions with a token, by how they came by it.
    pub tokens: Ways,
    /// Acquisitions without a token, by error code.
    pub errors: BTreeMap<String, u64>,
    /// Acquisitions not ended in time.
    pub timeouts: u64,
    /// Acquisitions that waited for another's fetch.
    pub coalesced: u64,
    /// Refreshes behind served tokens that ended, well or not.
    pub refreshes: Refreshes,
}

/// Counts and times of one entry of `traffic`.
#[derive(Debug, Clone, Default)]
pub struct FlowRecord {
    /// How its acquisitions ended.
    pub counts: FlowCounts,
    /// Times of acquisitions served from a cache.
    pub from_cache: Parts,
    /// Times of acquisitions served by the identity provider.
    pub from_provider: Parts,
    /// Times of acquisitions without a token.
    pub failed: Parts,
    /// Intended start to end.
    pub response: Times,
    /// Actual start to end.
    pub service: Times,
}

/// Refreshes that nobody waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshes {
    /// Those that ended with a token.
    pub succeeded: u64,
    /// Those that did not.
    pub failed: u64,
}

/// The parts of an acquisition's time.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// All of it.
    pub total: Times,
    /// Reading and writing the cache.
    pub cache: Times,
    /// Waiting for the token endpoint; only where it was asked.
    pub http: Times,
}

impl Parts {
    fn record(&mut self, metadata: &ResultMetadata) {
        self.total.record(metadata.duration_total);
        self.cache.record(metadata.duration_in_cache);
        if let Some(http) = metadata.duration_in_http {
            self.http.record(http);
        }
    }

    /// Adds another's times.
    pub fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        self.cache.add(&other.cache);
        self.http.add(&other.http);
    }
}

impl FlowCounts {
    /// Acquisitions with a token.
    pub fn ok(&self) -> u64 {
        self.tokens.total()
    }

    /// Acquisitions without a token that ended in time.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Acquisitions that ended, timeouts included.
    pub fn ended(&self) -> u64 {
        self.ok() + self.failures() + self.timeouts
    }

    /// Acquisitions with a token whose `how` fits.
    pub fn count(&self, fits: impl Fn(&How) -> bool) -> u64 {
        self.tokens.count(fits)
    }

    fn error(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.errors.insert(code.to_owned(), 1);
            }
        }
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.tokens.add(&other.tokens);
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.timeouts += other.timeouts;
        self.coalesced += other.coalesced;
        self.refreshes.succeeded += other.refreshes.succeeded;
        self.refreshes.failed += other.refreshes.failed;
    }
}

impl FlowRecord {
    /// The times of all acquisitions, errors included.
    pub fn all_times(&self) -> Parts {
        let mut sum = self.from_cache.clone();
        sum.add(&self.from_provider);
        sum.add(&self.failed);
        sum
    }

    /// Records an acquisition.
    pub(super) fn record(&mut self, sample: &Sample<'_>) {
        self.service.record(sample.service);
        self.response.record(sample.response());
        let total = sample.total();
        match &sample.outcome {
            Outcome::Token { metadata, .. } | Outcome::Modelled(metadata) => {
                self.counts.tokens.record(metadata);
                self.counts.coalesced += u64::from(metadata.coalesced);
                match metadata.token_source {
                    TokenSource::Cache => self.from_cache.record(metadata),
                    TokenSource::IdentityProvider => self.from_provider.record(metadata),
                }
            }
            Outcome::Error(error) => {
                self.counts.error(error.code());
                self.counts.coalesced += u64::from(error.metadata().coalesced);
                self.failed.record(error.metadata());
            }
            Outcome::ModelledError { code, coalesced } => {
                self.counts.error(code);
                self.counts.coalesced += u64::from(*coalesced);
                self.failed.total.record(total);
            }
            Outcome::NoSignIn => {
                self.counts.error("sign_in_failed");
                self.failed.total.record(total);
            }
            Outcome::Timeout => {
                self.counts.timeouts += 1;
                self.failed.total.record(total);
            }
        }
    }

    /// Adds another's counts and times.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.from_cache.add(&other.from_cache);
        self.from_provider.add(&other.from_provider);
        self.failed.add(&other.failed);
        self.response.add(&other.response);
        self.service.add(&other.service);
    }
}
