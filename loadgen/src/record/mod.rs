//! What happened, in numbers: one sample an arrival, kept in histograms and
//! counters that add up without loss.

pub mod flow;
pub mod histogram;

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::catalogue::LIFETIME_BUCKETS;
use telemetry::{Histogram, HistogramSample};
use token_client::result::TokenRequests;
use token_client::{AcquireError, ClientEvents, ResultMetadata, TokenSource};
use tokio::time::Instant;

use crate::arrival::Arrival;
use crate::oracle::Finding;
use crate::population::Subject;
use crate::report::model::{Oracle, Sessions};
use flow::FlowRecord;
use histogram::Times;

/// What became of one arrival that started.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Which entry of `traffic`.
    pub flow_index: usize,
    /// How the acquisition ended.
    pub outcome: Outcome<'a>,
    /// Intended start to actual start.
    pub lag: Duration,
    /// Actual start to end.
    pub service: Duration,
}

/// How an acquisition ended.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// With a token.
    Token {
        /// How it was come by.
        metadata: ResultMetadata,
        /// What the oracle says of it.
        finding: Finding,
    },
    /// With a token that a model thought up: there is nothing to check.
    Modelled(ResultMetadata),
    /// Without one.
    Error(&'a AcquireError),
    /// Before the acquisition: the user could not sign in.
    NoSignIn,
    /// Not in time. It may still end, see [`Recorder::late`].
    Timeout,
}

/// Takes samples from any thread.
#[derive(Debug)]
pub struct Recorder {
    shards: Box<[Mutex<Recorded>]>,
    offered: AtomicU64,
    dropped: AtomicU64,
    started: AtomicU64,
    remaining: [Histogram; 2],
    fetching: AtomicI64,
    fingerprint: AtomicU64,
    sessions: [AtomicU64; 3],
}

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
    /// Intended start to actual start.
    pub lag: Times,
    /// Intended start to end.
    pub response: Times,
    /// Actual start to end.
    pub service: Times,
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
    fn add(&mut self, requests: TokenRequests) {
        self.answered += u64::from(requests.answered);
        self.unanswered += u64::from(requests.unanswered);
    }
}

impl Recorded {
    fn new(flows: usize) -> Self {
        Self {
            flows: vec![FlowRecord::default(); flows],
            offered: 0,
            dropped: 0,
            started: 0,
            fingerprint: 0,
            lag: Times::default(),
            response: Times::default(),
            service: Times::default(),
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
        self.flows.iter().map(FlowRecord::ended).sum()
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.flows.iter_mut().zip(&other.flows) {
            mine.add(theirs);
        }
        self.lag.add(&other.lag);
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.token_requests.answered += other.token_requests.answered;
        self.token_requests.unanswered += other.token_requests.unanswered;
        self.overdue += other.overdue;
        self.refreshing += other.refreshing;
        self.oracle.checked += other.oracle.checked;
        self.oracle.wrong_token += other.oracle.wrong_token;
        self.oracle.expired_served += other.oracle.expired_served;
        self.oracle.under_scoped += other.oracle.under_scoped;
        self.oracle.not_issued += other.oracle.not_issued;
        let latest = [self.slow, other.slow].into_iter().flatten();
        self.slow = latest.max_by_key(|slow| slow.ended);
    }
}

fn remaining_slot(source: TokenSource) -> usize {
    match source {
        TokenSource::Cache => 0,
        TokenSource::IdentityProvider => 1,
    }
}

/// Shards enough that threads seldom meet.
const SHARDS: usize = 4;

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

impl Recorder {
    /// An empty recorder for this many entries of `traffic`.
    pub fn new(flows: usize) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Recorded::new(flows)))
                .collect(),
            offered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            started: AtomicU64::new(0),
            remaining: [(); 2].map(|()| Histogram::new(LIFETIME_BUCKETS)),
            fetching: AtomicI64::new(0),
            fingerprint: AtomicU64::new(0),
            sessions: Default::default(),
        }
    }

    /// A user who had signed in has to again.
    pub fn interaction_required(&self) {
        self.sessions[0].fetch_add(1, Ordering::Relaxed);
    }

    /// A token was served although a newer one had been asked for.
    pub fn stale_served(&self) {
        self.sessions[1].fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody who had signed out got a token.
    pub fn served_after_sign_out(&self) {
        self.sessions[2].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests to the token endpoint under way.
    pub fn fetching(&self) -> i64 {
        self.fetching.load(Ordering::Relaxed)
    }

    /// A caller got a token with this much of its life left.
    pub fn remaining(&self, source: TokenSource, left: Duration) {
        self.remaining[remaining_slot(source)].record(left);
    }

    /// What was left of the tokens that callers got from `source`.
    pub fn remaining_lifetimes(&self, source: TokenSource) -> HistogramSample {
        self.remaining[remaining_slot(source)].sample()
    }

    /// Arrivals fell due.
    pub fn offer(&self, count: u64) {
        self.offered.fetch_add(count, Ordering::Relaxed);
    }

    /// An arrival began.
    pub fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes note of an arrival that began, and of whom it is about.
    pub fn fingerprint(&self, arrival: &Arrival, subject: &Subject) {
        self.fingerprint
            .fetch_add(arrival.fingerprint(subject), Ordering::Relaxed);
    }

    /// Arrivals found no room.
    pub fn drop_arrivals(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Records how one arrival ended.
    pub fn record(&self, sample: &Sample<'_>) {
        self.with_shard(|shard| {
            shard.lag.record(sample.lag);
            shard.service.record(sample.service);
            let response = sample.lag + sample.service;
            shard.response.record(response);
            if response >= SLOW {
                shard.slow = Some(Slow {
                    flow_index: sample.flow_index,
                    response,
                    ended: Instant::now(),
                });
            }
            match &sample.outcome {
                Outcome::Token { metadata, finding } => {
                    shard.token_requests.add(metadata.token_requests);
                    finding.count_in(&mut shard.oracle);
                }
                Outcome::Modelled(metadata) => shard.token_requests.add(metadata.token_requests),
                Outcome::Error(error) => shard.token_requests.add(error.metadata().token_requests),
                Outcome::NoSignIn => {}
                Outcome::Timeout => shard.overdue += 1,
            }
            if let Some(flow) = shard.flows.get_mut(sample.flow_index) {
                flow.record(&sample.outcome, sample.service);
            }
        });
    }

    /// An acquisition that had timed out ended after all; its requests count.
    pub fn late(&self, requests: TokenRequests) {
        // Both at once: a snapshot in between would miss the requests and not
        // know that they are missing.
        self.with_shard(|shard| {
            shard.token_requests.add(requests);
            shard.overdue -= 1;
        });
    }

    /// Requests of an attempt that was followed by another, which is recorded.
    pub fn account(&self, requests: TokenRequests) {
        self.with_shard(|shard| shard.token_requests.add(requests));
    }

    /// How it goes so far, without the distributions: cheap enough to ask for
    /// twice a second.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            offered: self.offered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            ..Tally::default()
        };
        for shard in &self.shards {
            for flow in &shard.lock().flows {
                tally.tokens += flow.ok();
                tally.hits += flow.count(|how| how.0 == "cache");
                tally.errors += flow.failures() + flow.timeouts;
            }
        }
        tally
    }

    /// Refreshes behind served tokens that have not ended.
    pub fn refreshing(&self) -> i64 {
        let of = |shard: &Mutex<Recorded>| shard.lock().refreshing;
        self.shards.iter().map(of).sum()
    }

    /// Everything recorded so far.
    pub fn recorded(&self) -> Recorded {
        let mut sum = Recorded::new(self.shards[0].lock().flows.len());
        for shard in &self.shards {
            sum.add(&shard.lock());
        }
        sum.dropped = self.dropped.load(Ordering::Relaxed);
        sum.started = self.started.load(Ordering::Relaxed);
        sum.fingerprint = self.fingerprint.load(Ordering::Relaxed);
        sum.offered = self.offered.load(Ordering::Relaxed);
        let [required, stale, after] = &self.sessions;
        sum.sessions = Sessions {
            interaction_required: required.load(Ordering::Relaxed),
            stale_served: stale.load(Ordering::Relaxed),
            served_after_sign_out: after.load(Ordering::Relaxed),
        };
        sum
    }

    fn with_shard(&self, change: impl FnOnce(&mut Recorded)) {
        let thread = THREAD.with(|thread| *thread);
        change(&mut self.shards[thread % SHARDS].lock());
    }
}

/// The mark of a request is the entry of `traffic` it was made for.
impl ClientEvents for Recorder {
    fn token_request_began(&self) {
        self.fetching.fetch_add(1, Ordering::Relaxed);
    }

    fn token_request_ended(&self) {
        self.fetching.fetch_sub(1, Ordering::Relaxed);
    }

    fn refresh_began(&self, _: u32) {
        self.with_shard(|shard| shard.refreshing += 1);
    }

    fn refresh_ended(&self, mark: u32, outcome: Result<(), &AcquireError>, sent: TokenRequests) {
        self.with_shard(|shard| {
            shard.refreshing -= 1;
            shard.token_requests.add(sent);
            if let Some(flow) = shard.flows.get_mut(mark as usize) {
                match outcome {
                    Ok(()) => flow.refreshes.succeeded += 1,
                    Err(_) => flow.refreshes.failed += 1,
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_late_on_another_thread_is_overdue_no_more_and_its_requests_count() {
        let recorder = Recorder::new(1);
        recorder.record(&Sample {
            flow_index: 0,
            outcome: Outcome::Timeout,
            lag: Duration::ZERO,
            service: Duration::from_secs(1),
        });
        assert_eq!(recorder.recorded().overdue, 1);
        let late = TokenRequests {
            answered: 1,
            unanswered: 2,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| recorder.late(late));
        });
        let seen = recorder.recorded();
        assert_eq!(seen.overdue, 0);
        let requests = seen.token_requests;
        assert_eq!((requests.answered, requests.unanswered), (1, 2));
        assert_eq!((seen.ended(), seen.flows[0].timeouts), (1, 1));
    }
}
