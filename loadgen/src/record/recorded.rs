//! Everything recorded up to some moment, and how it adds up.

use std::time::Duration;

use token_client::result::TokenRequests;
use tokio::time::Instant;

use super::flow::FlowRecord;
use super::histogram::Times;
use super::{Outcome, Sample};
use crate::report::model::{Oracle, Sessions};

/// Everything recorded up to some moment.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// By entry of `traffic`.
    pub flows: Vec<FlowRecord>,
    /// Arrivals that fell due.
    pub offered: u64,
    /// Arrivals that found no room.
    pub dropped: u64,
    /// Arrivals that began.
    pub started: u64,
    /// What tells these arrivals from others, whatever their order.
    pub fingerprint: u64,
    /// Intended start to when it could begin.
    pub lag: Times,
    /// Waits for room, of those that had to.
    pub queued: Times,
    /// Requests to the token endpoint, by the clients' account.
    pub token_requests: RequestCounts,
    /// Acquisitions that timed out and had not ended. Counted up in one shard
    /// and down in another, so that one of them alone can be below zero.
    pub overdue: i64,
    /// Refreshes behind served tokens that had not ended; as with `overdue`, a
    /// shard alone can be below zero.
    pub refreshing: i64,
    /// What the oracle found.
    pub oracle: Oracle,
    /// What became of users' sessions.
    pub sessions: Sessions,
    /// The last response that was slow, to look at.
    pub slow: Option<Slow>,
}

/// A slow response, from the intended start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Which entry of `traffic`.
    pub flow_index: usize,
    /// The arrival's number.
    pub number: u64,
    /// How long it took.
    pub response: Duration,
    /// When it ended.
    pub ended: Instant,
}

/// Responses this long are worth a look.
const SLOW: Duration = Duration::from_millis(100);

/// The counts that show how a run goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Arrivals that fell due.
    pub offered: u64,
    /// Arrivals that found no room.
    pub dropped: u64,
    /// Acquisitions with a token.
    pub tokens: u64,
    /// Those served from a cache.
    pub hits: u64,
    /// Acquisitions without a token, timeouts included.
    pub errors: u64,
}

/// Sums of [`TokenRequests`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// With an HTTP answer.
    pub answered: u64,
    /// Without.
    pub unanswered: u64,
}

impl RequestCounts {
    pub(super) fn add(&mut self, requests: TokenRequests) {
        self.answered += u64::from(requests.answered);
        self.unanswered += u64::from(requests.unanswered);
    }
}

impl Recorded {
    pub(super) fn new(flows: usize) -> Self {
        Self {
            flows: vec![FlowRecord::default(); flows],
            offered: 0,
            dropped: 0,
            started: 0,
            fingerprint: 0,
            lag: Times::default(),
            queued: Times::default(),
            token_requests: RequestCounts::default(),
            overdue: 0,
            refreshing: 0,
            oracle: Oracle::default(),
            sessions: Sessions::default(),
            slow: None,
        }
    }

    /// Arrivals that ended, whichever way.
    pub fn ended(&self) -> u64 {
        self.flows.iter().map(|flow| flow.counts.ended()).sum()
    }

    /// Intended start to end, of all flows.
    pub fn response(&self) -> Times {
        self.all_flows(|flow| &flow.response)
    }

    /// Actual start to end, of all flows.
    pub fn service(&self) -> Times {
        self.all_flows(|flow| &flow.service)
    }

    fn all_flows(&self, pick: fn(&FlowRecord) -> &Times) -> Times {
        let mut sum = Times::default();
        for flow in &self.flows {
            sum.add(pick(flow));
        }
        sum
    }

    pub(super) fn record(&mut self, sample: &Sample<'_>) {
        self.lag.record(sample.lag);
        if !sample.queued.is_zero() {
            self.queued.record(sample.queued);
        }
        let response = sample.response();
        if response >= SLOW {
            self.slow = Some(Slow {
                flow_index: sample.arrival.flow_index,
                number: sample.arrival.number,
                response,
                ended: Instant::now(),
            });
        }
        match &sample.outcome {
            Outcome::Token { metadata, finding } => {
                self.token_requests.add(metadata.token_requests);
                finding.count_in(&mut self.oracle);
            }
            Outcome::Modelled(metadata) => self.token_requests.add(metadata.token_requests),
            Outcome::Error(error) => self.token_requests.add(error.metadata().token_requests),
            Outcome::ModelledError { .. } | Outcome::NoSignIn => {}
            Outcome::Timeout => self.overdue += 1,
        }
        if let Some(flow) = self.flows.get_mut(sample.arrival.flow_index) {
            flow.record(sample);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.flows.iter_mut().zip(&other.flows) {
            mine.add(theirs);
        }
        self.lag.add(&other.lag);
        self.queued.add(&other.queued);
        self.token_requests.answered += other.token_requests.answered;
        self.token_requests.unanswered += other.token_requests.unanswered;
        self.overdue += other.overdue;
        self.refreshing += other.refreshing;
        self.oracle.add(&other.oracle);
        let latest = [self.slow, other.slow].into_iter().flatten();
        self.slow = latest.max_by_key(|slow| slow.ended);
    }
}
