//! What happened, in numbers: one sample an arrival, kept in histograms and
//! counters that add up without loss.

mod counts;
mod endings;
pub mod flow;
pub mod folded;
pub mod histogram;
mod over_time;
mod popularity;
mod recorded;
mod sample;
pub mod ways;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::catalogue::LIFETIME_BUCKETS;
use telemetry::{Histogram, HistogramSample};
use token_client::result::TokenRequests;
use token_client::{AcquireError, ClientEvents, TokenSource};
use tokio::time::Instant;

use crate::arrival::Arrival;
use crate::population::Subject;
use crate::report::model::{Cache, Interval, Outcomes, Popularity, Sessions, Violation};
use crate::scenario::plan::Plan;
use endings::{DROPPED, Endings, letter};
use flow::FlowRecord;
use over_time::{Intervals, Offered};
use popularity::Drawn;
pub use recorded::{Recorded, RequestCounts, Slow, Tally};
pub use sample::{Outcome, Sample};

/// Takes samples from any thread.
#[derive(Debug)]
pub struct Recorder {
    shards: Box<[Mutex<Shard>]>,
    /// What is kept beside the totals; a mere prediction needs none of it.
    course: Option<Kept>,
    began: OnceLock<Instant>,
    offered: AtomicU64,
    dropped: AtomicU64,
    started: AtomicU64,
    remaining: [Histogram; 2],
    fetching: AtomicI64,
    fingerprint: AtomicU64,
    sessions: [AtomicU64; 3],
    longest_pause_ns: AtomicU64,
    violations: Mutex<Vec<Violation>>,
    drawn: Option<Drawn>,
}

/// What one of the recording threads has seen.
#[derive(Debug)]
struct Shard {
    totals: Recorded,
    intervals: Option<Intervals>,
}

/// What is kept of the course of a run, threads aside.
#[derive(Debug)]
struct Kept {
    offered: Mutex<Offered>,
    /// None where the pace is up to the answers: such arrivals are others in
    /// another run.
    endings: Option<Endings>,
    length: Duration,
}

/// The course of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// How long each interval is; zero when none were kept.
    pub length: Duration,
    /// From the first arrival on.
    pub intervals: Vec<Interval>,
    /// How each arrival ended; `None` when there were too many.
    pub outcomes: Option<Outcomes>,
}

fn remaining_slot(source: TokenSource) -> usize {
    match source {
        TokenSource::Cache => 0,
        TokenSource::IdentityProvider => 1,
    }
}

/// Wrong tokens that are explained; the others are counted.
const MOST_VIOLATIONS: usize = 5;

/// Shards enough that threads seldom meet.
const SHARDS: usize = 4;

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

impl Recorder {
    /// An empty recorder for this many entries of `traffic`, which keeps totals
    /// alone.
    pub fn new(flows: usize) -> Self {
        Self::keeping(flows, None)
    }

    /// An empty recorder for a run of `plan`, which keeps its course as well.
    pub fn of_plan(plan: &Plan) -> Self {
        let longest = plan.duration + plan.graceful_stop;
        let length = over_time::length(longest);
        let course = Kept {
            offered: Mutex::new(Offered::new(length)),
            endings: (!plan.traffic.iter().any(|traffic| traffic.load.is_closed()))
                .then(Endings::default),
            length,
        };
        Self {
            drawn: Some(Drawn::new(&plan.population)),
            ..Self::keeping(plan.traffic.len(), Some(course))
        }
    }

    fn keeping(flows: usize, course: Option<Kept>) -> Self {
        let shard = || {
            Mutex::new(Shard {
                totals: Recorded::new(flows),
                intervals: course.as_ref().map(|kept| Intervals::new(kept.length)),
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            course,
            began: OnceLock::new(),
            offered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            started: AtomicU64::new(0),
            remaining: [(); 2].map(|()| Histogram::new(LIFETIME_BUCKETS)),
            fetching: AtomicI64::new(0),
            fingerprint: AtomicU64::new(0),
            sessions: Default::default(),
            longest_pause_ns: AtomicU64::new(0),
            violations: Mutex::default(),
            drawn: None,
        }
    }

    /// The first arrival fell due at `instant`: what has no arrival of its own
    /// is counted from there.
    pub fn begin(&self, instant: Instant) {
        let _ = self.began.set(instant);
    }

    /// How long the intervals of the course are; `None` when none are kept.
    pub fn interval(&self) -> Option<Duration> {
        self.course.as_ref().map(|kept| kept.length)
    }

    /// The caches held this at the end of the interval of this number, from 0.
    pub fn hold(&self, number: usize, cache: Cache) {
        if let Some(kept) = &self.course {
            kept.offered.lock().hold(number, cache);
        }
    }

    /// The course of the run so far.
    pub fn course(&self) -> Course {
        let Some(kept) = &self.course else {
            return Course::default();
        };
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let shards = shards.iter().filter_map(|shard| shard.intervals.as_ref());
        let (length, intervals) = over_time::intervals(&kept.offered.lock(), shards);
        Course {
            length,
            intervals,
            outcomes: kept
                .endings
                .as_ref()
                .and_then(|endings| endings.outcomes(self.offered.load(Ordering::Relaxed))),
        }
    }

    /// The 99th percentile of acquisitions that ended in the interval of this number,
    /// in microseconds; `None` when none did, or it is not over.
    pub fn p99_of_interval(&self, number: usize) -> Option<f64> {
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let shards = shards.iter().filter_map(|shard| shard.intervals.as_ref());
        over_time::p99_of(number, shards)
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
    pub fn offer(&self, arrivals: &[Arrival]) {
        self.offered
            .fetch_add(arrivals.len() as u64, Ordering::Relaxed);
        if let Some(kept) = &self.course {
            let mut offered = kept.offered.lock();
            for arrival in arrivals {
                offered.offer(arrival.intended);
            }
        }
    }

    /// An arrival began.
    pub fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes note of an arrival that began, and of whom it is about.
    pub fn fingerprint(&self, arrival: &Arrival, subject: &Subject) {
        self.fingerprint
            .fetch_add(arrival.fingerprint(subject), Ordering::Relaxed);
        if let Some(drawn) = &self.drawn {
            drawn.count(subject);
        }
    }

    /// How the arrivals so far spread over the groups of the population.
    pub fn popularity(&self) -> Vec<Popularity> {
        self.drawn.as_ref().map(Drawn::shares).unwrap_or_default()
    }

    /// The generator could not run for so long although it wanted to.
    pub fn pause(&self, pause: Duration) {
        self.longest_pause_ns
            .fetch_max(counts::nanoseconds(pause), Ordering::Relaxed);
    }

    /// The longest of those times.
    pub fn longest_pause(&self) -> Duration {
        Duration::from_nanos(self.longest_pause_ns.load(Ordering::Relaxed))
    }

    /// A caller got a token that is not the right one. The first few are kept,
    /// and explained by `explain`.
    pub fn violate(&self, explain: impl FnOnce() -> Violation) {
        let mut violations = self.violations.lock();
        if violations.len() < MOST_VIOLATIONS {
            let at = self.began.get().map(Instant::elapsed).unwrap_or_default();
            violations.push(Violation {
                at_s: at.as_secs_f64(),
                ..explain()
            });
        }
    }

    /// The first few tokens that were not the right ones.
    pub fn violations(&self) -> Vec<Violation> {
        self.violations.lock().clone()
    }

    /// Arrivals found no room.
    pub fn drop_arrivals(&self, arrivals: &[Arrival]) {
        self.dropped
            .fetch_add(arrivals.len() as u64, Ordering::Relaxed);
        if let Some(kept) = &self.course {
            let mut offered = kept.offered.lock();
            for arrival in arrivals {
                offered.found_no_room(arrival.intended);
                if let Some(endings) = &kept.endings {
                    endings.set(arrival.number, DROPPED);
                }
            }
        }
    }

    /// Records how one arrival ended.
    pub fn record(&self, sample: &Sample<'_>) {
        if let Some(endings) = self.course.as_ref().and_then(|kept| kept.endings.as_ref()) {
            endings.set(sample.arrival.number, letter(&sample.outcome));
        }
        self.with_shard(|shard| {
            if let Some(intervals) = &mut shard.intervals {
                intervals.record(sample);
            }
            shard.totals.record(sample);
        });
    }

    /// An acquisition that had timed out ended after all; its requests count.
    pub fn late(&self, requests: TokenRequests) {
        // Both at once: a snapshot in between would miss the requests and not
        // know that they are missing.
        self.with_shard(|shard| {
            shard.totals.token_requests.add(requests);
            shard.totals.overdue -= 1;
        });
    }

    /// Requests of an attempt that was followed by another, which is recorded.
    pub fn account(&self, requests: TokenRequests) {
        self.with_shard(|shard| shard.totals.token_requests.add(requests));
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
            for FlowRecord { counts, .. } in &shard.lock().totals.flows {
                tally.tokens += counts.ok();
                tally.hits += counts.count(|how| how.0 == "cache");
                tally.errors += counts.failures() + counts.timeouts;
            }
        }
        tally
    }

    /// Refreshes behind served tokens that have not ended.
    pub fn refreshing(&self) -> i64 {
        let of = |shard: &Mutex<Shard>| shard.lock().totals.refreshing;
        self.shards.iter().map(of).sum()
    }

    /// Everything recorded so far.
    pub fn recorded(&self) -> Recorded {
        let mut sum = Recorded::new(self.shards[0].lock().totals.flows.len());
        for shard in &self.shards {
            sum.add(&shard.lock().totals);
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

    /// A refresh that had begun ended, so long after the first arrival.
    pub fn refreshed(&self, mark: u32, at: Duration, succeeded: bool, sent: TokenRequests) {
        self.with_shard(|shard| {
            if let Some(intervals) = &mut shard.intervals {
                intervals.refreshed(at);
            }
            shard.totals.refreshing -= 1;
            shard.totals.token_requests.add(sent);
            if let Some(flow) = shard.totals.flows.get_mut(mark as usize) {
                if succeeded {
                    flow.counts.refreshes.succeeded += 1;
                } else {
                    flow.counts.refreshes.failed += 1;
                }
            }
        });
    }

    fn with_shard(&self, change: impl FnOnce(&mut Shard)) {
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
        self.with_shard(|shard| shard.totals.refreshing += 1);
    }

    fn refresh_ended(&self, mark: u32, outcome: Result<(), &AcquireError>, sent: TokenRequests) {
        let at = self.began.get().map(Instant::elapsed).unwrap_or_default();
        self.refreshed(mark, at, outcome.is_ok(), sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_late_on_another_thread_is_overdue_no_more_and_its_requests_count() {
        let recorder = Recorder::new(1);
        recorder.record(&Sample {
            arrival: Arrival::numbered(0, 0, Duration::ZERO),
            outcome: Outcome::Timeout,
            lag: Duration::ZERO,
            queued: Duration::ZERO,
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
        assert_eq!((seen.ended(), seen.flows[0].counts.timeouts), (1, 1));
    }
}
