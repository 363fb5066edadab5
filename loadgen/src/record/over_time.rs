//! What happened when: the run cut into intervals of one length.
//!
//! One second, and in runs longer than an hour the least length that keeps them
//! few, so that a week takes no more memory than an hour. Of each interval the
//! counts stay, and its times to two digits as the few buckets that something
//! fell into; only the interval under way has all buckets.

use std::time::Duration;

use super::counts::{Counts, TWO_DIGITS, nanoseconds};
use super::ways::Ways;
use super::{Outcome, Sample};
use crate::report::hdr;
use crate::report::model::{Cache, Interval};
use crate::report::series::MOST_INTERVALS;

/// Lengths of intervals, in seconds, that people can read off a clock.
const LENGTHS_S: [u64; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 86_400,
];

/// How long the intervals of a run of this length are.
pub(super) fn length(run: Duration) -> Duration {
    let fits = |length: &u64| {
        let intervals = run.as_secs_f64() / *length as f64;
        intervals <= MOST_INTERVALS as f64
    };
    let length = LENGTHS_S.into_iter().find(fits);
    Duration::from_secs(length.unwrap_or(LENGTHS_S[LENGTHS_S.len() - 1]))
}

/// What ended in an interval.
#[derive(Debug, Clone, Default)]
struct Ended {
    tokens: Ways,
    errors: u64,
    coalesced: u64,
    refreshes: u64,
}

impl Ended {
    fn add(&mut self, other: &Self) {
        self.tokens.add(&other.tokens);
        self.errors += other.errors;
        self.coalesced += other.coalesced;
        self.refreshes += other.refreshes;
    }

    fn record(&mut self, outcome: &Outcome<'_>) {
        match outcome {
            Outcome::Token { metadata, .. } | Outcome::Modelled(metadata) => {
                self.tokens.record(metadata);
                self.coalesced += u64::from(metadata.coalesced);
            }
            Outcome::Error(error) => {
                self.errors += 1;
                self.coalesced += u64::from(error.metadata().coalesced);
            }
            Outcome::ModelledError { coalesced, .. } => {
                self.errors += 1;
                self.coalesced += u64::from(*coalesced);
            }
            Outcome::NoSignIn | Outcome::Timeout => self.errors += 1,
        }
    }
}

/// An interval that is over; a straggler may still come.
#[derive(Debug, Clone, Default)]
struct Closed {
    ended: Ended,
    /// Counts by place; a place may come more than once.
    acquire: Vec<(u32, u32)>,
    lag: Vec<(u32, u32)>,
}

impl Closed {
    fn add(&mut self, other: &Self) {
        self.ended.add(&other.ended);
        self.acquire.extend_from_slice(&other.acquire);
        self.lag.extend_from_slice(&other.lag);
    }
}

/// The intervals of one shard.
#[derive(Debug)]
pub(super) struct Intervals {
    length_ns: u64,
    closed: Vec<Closed>,
    /// Which interval is under way: `closed.len()`.
    ended: Ended,
    acquire: Counts<TWO_DIGITS>,
    lag: Counts<TWO_DIGITS>,
    /// When it is over.
    until_ns: u64,
}

impl Intervals {
    pub(super) fn new(length: Duration) -> Self {
        let length_ns = nanoseconds(length).max(1);
        Self {
            length_ns,
            closed: Vec::new(),
            ended: Ended::default(),
            acquire: Counts::default(),
            lag: Counts::default(),
            until_ns: length_ns,
        }
    }

    pub(super) fn record(&mut self, sample: &Sample<'_>) {
        let at = nanoseconds(sample.arrival.intended + sample.response());
        let (lag, total) = (nanoseconds(sample.lag), nanoseconds(sample.total()));
        match self.straggler(at) {
            None => {
                self.ended.record(&sample.outcome);
                self.acquire.record(total);
                self.lag.record(lag);
            }
            Some(closed) => {
                closed.ended.record(&sample.outcome);
                closed.acquire.push((Counts::<TWO_DIGITS>::place(total), 1));
                closed.lag.push((Counts::<TWO_DIGITS>::place(lag), 1));
            }
        }
    }

    pub(super) fn refreshed(&mut self, at: Duration) {
        match self.straggler(nanoseconds(at)) {
            None => self.ended.refreshes += 1,
            Some(closed) => closed.ended.refreshes += 1,
        }
    }

    /// The closed interval that something at this time belongs to; `None` for
    /// the one under way, which is that of the latest time so far.
    fn straggler(&mut self, at: u64) -> Option<&mut Closed> {
        while at >= self.until_ns {
            self.close();
        }
        if at + self.length_ns >= self.until_ns {
            return None;
        }
        let number = usize::try_from(at / self.length_ns).unwrap_or(usize::MAX);
        self.closed.get_mut(number)
    }

    fn close(&mut self) {
        self.closed.push(Closed {
            ended: std::mem::take(&mut self.ended),
            acquire: self.acquire.take_sparse(),
            lag: self.lag.take_sparse(),
        });
        self.until_ns = self.until_ns.saturating_add(self.length_ns);
    }

    /// Adds all of them, the one under way included, to those of other shards.
    fn add_to(&self, sum: &mut Vec<Closed>) {
        let under_way = Closed {
            ended: self.ended.clone(),
            acquire: self.acquire.clone().take_sparse(),
            lag: self.lag.clone().take_sparse(),
        };
        let mine = self.closed.iter().chain(std::iter::once(&under_way));
        for (number, mine) in mine.enumerate() {
            if sum.len() <= number {
                sum.push(Closed::default());
            }
            sum[number].add(mine);
        }
    }
}

/// What is not a sample's: arrivals by their intended start, and what the caches
/// held at the end of each interval.
#[derive(Debug)]
pub(super) struct Offered {
    length_ns: u64,
    intervals: Vec<Due>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Due {
    offered: u64,
    dropped: u64,
    held: Option<Cache>,
}

impl Offered {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length_ns: nanoseconds(length).max(1),
            intervals: Vec::new(),
        }
    }

    pub(super) fn offer(&mut self, intended: Duration) {
        self.at(intended).offered += 1;
    }

    pub(super) fn found_no_room(&mut self, intended: Duration) {
        self.at(intended).dropped += 1;
    }

    pub(super) fn hold(&mut self, number: usize, cache: Cache) {
        self.interval(number).held = Some(cache);
    }

    fn at(&mut self, time: Duration) -> &mut Due {
        let number = nanoseconds(time) / self.length_ns;
        self.interval(usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn interval(&mut self, number: usize) -> &mut Due {
        if self.intervals.len() <= number {
            self.intervals.resize(number + 1, Due::default());
        }
        &mut self.intervals[number]
    }
}

/// The intervals of a run, from all shards, and how long each is. Where the run
/// took so long that there would be too many, pairs of them become one.
pub(super) fn intervals<'a>(
    offered: &Offered,
    shards: impl Iterator<Item = &'a Intervals>,
) -> (Duration, Vec<Interval>) {
    let mut ended = Vec::new();
    for shard in shards {
        shard.add_to(&mut ended);
    }
    // Nothing but the interval under way, with nothing in it, is no interval.
    while ended.last().is_some_and(Closed::is_empty) {
        ended.pop();
    }
    let count = ended.len().max(offered.intervals.len());
    ended.resize(count, Closed::default());
    let mut due = offered.intervals.clone();
    due.resize(count, Due::default());
    let mut length_ns = offered.length_ns;
    while ended.len() > MOST_INTERVALS {
        length_ns *= 2;
        ended = ended
            .chunks(2)
            .map(|pair| sum(pair, |sum: &mut Closed, of| sum.add(of)))
            .collect();
        due = due.chunks(2).map(|pair| sum(pair, Due::add)).collect();
    }
    let mut room = Room::default();
    let intervals = due
        .iter()
        .zip(&ended)
        .map(|(due, ended)| interval(*due, ended, &mut room))
        .collect();
    (Duration::from_nanos(length_ns), intervals)
}

/// The 99th percentile of the times in the interval of this number, in microseconds,
/// by the shards in which it is over.
pub(super) fn p99_of<'a>(
    number: usize,
    shards: impl Iterator<Item = &'a Intervals>,
) -> Option<f64> {
    let mut times = Counts::<TWO_DIGITS>::default();
    for shard in shards {
        if let Some(closed) = shard.closed.get(number) {
            times.add_sparse(&closed.acquire);
        }
    }
    let times = times.histogram();
    (!times.is_empty()).then(|| times.value_at_quantile(0.99) as f64 / 1_000.0)
}

fn sum<T: Default>(parts: &[T], add: impl Fn(&mut T, &T)) -> T {
    let mut sum = T::default();
    for part in parts {
        add(&mut sum, part);
    }
    sum
}

impl Due {
    fn add(&mut self, later: &Self) {
        self.offered += later.offered;
        self.dropped += later.dropped;
        self.held = later.held.or(self.held);
    }
}

impl Closed {
    fn is_empty(&self) -> bool {
        let Ended {
            tokens,
            errors,
            refreshes,
            ..
        } = &self.ended;
        tokens.total() + errors + refreshes == 0
    }
}

/// Where histograms are put together.
#[derive(Default)]
struct Room {
    acquire: Counts<TWO_DIGITS>,
    lag: Counts<TWO_DIGITS>,
}

fn interval(due: Due, closed: &Closed, room: &mut Room) -> Interval {
    let tokens = &closed.ended.tokens;
    let held = due.held.unwrap_or_default();
    let mut interval = Interval {
        offered: due.offered,
        dropped: due.dropped,
        errors: closed.ended.errors,
        coalesced: closed.ended.coalesced,
        background_refreshes: closed.ended.refreshes,
        token_source: tokens.by_source(),
        cache_level: tokens.by_level(),
        cache_refresh_reason: tokens.by_reason(),
        l1_bytes: held.l1.bytes,
        l1_entries: held.l1.entries,
        l2_bytes: held.l2.bytes,
        l2_entries: held.l2.entries,
        ..Interval::default()
    };
    if !closed.acquire.is_empty() {
        room.acquire.add_sparse(&closed.acquire);
        interval.acquire = hdr::encode(&room.acquire.histogram());
        room.acquire.take_sparse();
        room.lag.add_sparse(&closed.lag);
        let p99 = room.lag.histogram().value_at_quantile(0.99);
        interval.lag_p99_us = p99 as f64 / 1_000.0;
        room.lag.take_sparse();
    }
    interval
}

#[cfg(test)]
mod tests {
    use token_client::{ResultMetadata, TokenSource};

    use super::*;
    use crate::arrival::Arrival;
    use crate::report::hdr;

    fn hit(at: Duration) -> Sample<'static> {
        Sample {
            arrival: Arrival::numbered(0, 0, at),
            outcome: Outcome::Modelled(ResultMetadata {
                token_source: TokenSource::Cache,
                duration_total: Duration::from_millis(3),
                ..ResultMetadata::NONE
            }),
            lag: Duration::ZERO,
            queued: Duration::ZERO,
            service: Duration::ZERO,
        }
    }

    #[test]
    fn a_run_has_seconds_up_to_an_hour_and_longer_ones_beyond() {
        for (run, expected) in [
            (1, 1),
            (3_630, 1),
            (4_001, 2),
            (86_400, 30),
            (7 * 86_400, 300),
            (10 * 366 * 86_400, 86_400),
        ] {
            let length = length(Duration::from_secs(run));
            assert_eq!(length.as_secs(), expected, "{run} s");
            assert!(run.div_ceil(length.as_secs()) <= MOST_INTERVALS as u64);
        }
    }

    #[test]
    fn whatever_the_order_each_sample_counts_when_it_ended() {
        let mut intervals = Intervals::new(Duration::from_secs(1));
        for millis in [100, 2_500, 900, 1_999, 2_000, 2_999, 7_000, 1_000] {
            intervals.record(&hit(Duration::from_millis(millis)));
        }
        intervals.refreshed(Duration::from_millis(2_100));
        let mut offered = Offered::new(Duration::from_secs(1));
        offered.offer(Duration::from_millis(8_500));
        let (length, found) = super::intervals(&offered, [&intervals, &intervals].into_iter());
        let hits: Vec<u64> = found.iter().map(|one| one.token_source.cache).collect();
        assert_eq!(hits, [4, 4, 6, 0, 0, 0, 0, 2, 0]);
        assert_eq!(length, Duration::from_secs(1));
        assert_eq!((found[2].background_refreshes, found[8].offered), (2, 1));
        for one in &found {
            let times = (!one.acquire.is_empty()).then(|| hdr::decode(&one.acquire).unwrap());
            assert_eq!(times.map_or(0, |times| times.len()), one.token_source.cache);
        }
    }

    #[test]
    fn a_run_that_outlasts_its_plan_has_wider_intervals_and_loses_nothing() {
        let mut intervals = Intervals::new(Duration::from_secs(1));
        let mut offered = Offered::new(Duration::from_secs(1));
        let seconds = 3 * MOST_INTERVALS as u64;
        for second in 0..seconds {
            let at = Duration::from_secs(second);
            offered.offer(at);
            intervals.record(&hit(at));
        }
        let (length, found) = super::intervals(&offered, std::iter::once(&intervals));
        assert!(found.len() <= MOST_INTERVALS);
        assert_eq!(length, Duration::from_secs(4));
        let sum = |read: fn(&Interval) -> u64| found.iter().map(read).sum::<u64>();
        assert_eq!(sum(|one| one.token_source.cache), seconds);
        assert_eq!(sum(|one| one.offered), seconds);
    }
}
