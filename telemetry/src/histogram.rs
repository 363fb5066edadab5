//! A histogram for hot paths: one atomic a bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::exposition::HistogramSample;

/// Counts observations by the first edge at or above them. Recording takes two
/// atomic additions and never waits.
#[derive(Debug)]
pub struct Histogram {
    edges: &'static [f64],
    /// The last is for what is above all edges.
    buckets: Box<[AtomicU64]>,
    /// In billionths of the unit.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one with these edges, which rise.
    pub fn new(edges: &'static [f64]) -> Self {
        Self {
            edges,
            buckets: (0..=edges.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Records a time; the edges are in seconds.
    pub fn record(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.count(time.as_secs_f64(), nanoseconds);
    }

    /// Records a size; the edges are in bytes.
    pub fn record_bytes(&self, bytes: usize) {
        self.record_whole(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Records a whole number of the edges' unit.
    pub fn record_whole(&self, value: u64) {
        self.count(value as f64, value.saturating_mul(1_000_000_000));
    }

    fn count(&self, value: f64, billionths: u64) {
        let bucket = self.edges.partition_point(|edge| *edge < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(billionths, Ordering::Relaxed);
    }

    /// What was recorded so far, for a scrape.
    pub fn sample(&self) -> HistogramSample {
        let mut count = 0;
        let mut cumulative: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| {
                count += bucket.load(Ordering::Relaxed);
                count
            })
            .collect();
        cumulative.pop();
        HistogramSample {
            cumulative,
            count,
            sum: self.sum.load(Ordering::Relaxed) as f64 / 1e9,
            // Not known finer than the edges: no exponential buckets.
            ..HistogramSample::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{DURATION_BUCKETS, SIZE_BUCKETS};

    #[test]
    fn times_are_counted_at_their_edges() {
        let histogram = Histogram::new(DURATION_BUCKETS);
        for millis in [1, 1_000, 1_001, 60_000] {
            histogram.record(Duration::from_millis(millis));
        }
        let folded = histogram.sample();
        let at = |seconds: f64| {
            let edge = DURATION_BUCKETS.iter().position(|edge| *edge >= seconds);
            folded.cumulative[edge.unwrap()]
        };
        assert_eq!(
            (at(0.0005), at(0.001), at(1.0), at(2.5), at(30.0)),
            (0, 1, 2, 3, 3)
        );
        assert_eq!(folded.count, 4);
        assert!((folded.sum - 62.002).abs() < 1e-9, "{}", folded.sum);
    }

    #[test]
    fn sizes_are_counted_in_bytes() {
        let histogram = Histogram::new(SIZE_BUCKETS);
        for bytes in [256, 257, 10_000_000] {
            histogram.record_whole(bytes);
        }
        let folded = histogram.sample();
        assert_eq!((folded.cumulative[0], folded.cumulative[1]), (1, 2));
        assert_eq!(folded.count, 3);
        assert!((folded.sum - 10_000_513.0).abs() < 1e-3, "{}", folded.sum);
    }
}
