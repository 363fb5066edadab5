//! Distributions of times, in nanoseconds.

use std::time::Duration;

use telemetry::HistogramSample;

use super::counts::{Counts, THREE_DIGITS, nanoseconds};
use crate::report::hdr;
use crate::report::model::Distribution;

/// A distribution of times, to three significant digits; ten minutes and longer
/// are one. HDR is the one truth: reports and scrapes are both made from it.
/// Takes its quarter of a megabyte with the first sample.
#[derive(Debug, Clone, Default)]
pub struct Times(Option<Counts<THREE_DIGITS>>);

impl Times {
    /// Records one time.
    pub fn record(&mut self, time: Duration) {
        self.0
            .get_or_insert_with(Counts::default)
            .record(nanoseconds(time));
    }

    /// Adds another distribution's times.
    pub fn add(&mut self, other: &Self) {
        if let Some(theirs) = &other.0 {
            self.0.get_or_insert_with(Counts::default).add(theirs);
        }
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Counts::len)
    }

    /// What a report says of it.
    pub fn distribution(&self) -> Distribution {
        hdr::distribution(&match &self.0 {
            Some(counts) => counts.histogram(),
            None => Counts::<THREE_DIGITS>::default().histogram(),
        })
    }

    /// What a scrape says of it: counts at or below each edge, in seconds.
    pub fn fold(&self, edges: &[f64]) -> HistogramSample {
        let mut folded = HistogramSample::empty(edges);
        let mut first = 0;
        for bucket in self.0.iter().flat_map(Counts::buckets) {
            folded.count += bucket.count;
            let usual = bucket.middle() as f64 / 1e9;
            folded.sum += usual * bucket.count as f64;
            #[cfg(feature = "exponential")]
            folded.exponential.record(usual, bucket.count);
            // A bucket that straddles an edge counts as beyond it: slow is
            // never shown as fast. Buckets come in order, and edges rise.
            let highest = bucket.greatest() as f64 / 1e9;
            while edges.get(first).is_some_and(|edge| *edge < highest) {
                first += 1;
            }
            if let Some(slot) = folded.cumulative.get_mut(first) {
                *slot += bucket.count;
            }
        }
        let mut running = 0;
        for slot in &mut folded.cumulative {
            running += *slot;
            *slot = running;
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(microseconds: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        for time in microseconds {
            times.record(Duration::from_micros(time));
        }
        times
    }

    fn close(measured: f64, expected: f64) -> bool {
        (measured - expected).abs() <= expected * 0.001
    }

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let report = of(1..=10_000).distribution();
        assert_eq!(report.count, 10_000);
        for (measured, expected) in [
            (report.mean_us, 5_000.5),
            (report.p50_us, 5_000.0),
            (report.p90_us, 9_000.0),
            (report.p99_us, 9_900.0),
            (report.p999_us, 9_990.0),
            (report.max_us, 10_000.0),
        ] {
            assert!(close(measured, expected), "{measured} is not {expected}");
        }
    }

    #[test]
    fn nothing_recorded_is_all_zeros() {
        let report = of([]).distribution();
        assert_eq!((report.count, report.max_us), (0, 0.0));
        assert!(report.mean_us.abs() < f64::EPSILON);
    }

    #[test]
    fn the_histogram_in_a_report_reads_back() {
        let times = of([1, 50, 50, 900_000]);
        let read = hdr::decode(&times.distribution().hdr).unwrap();
        assert_eq!(Some(read), times.0.as_ref().map(Counts::histogram));
        assert_eq!(times.count(), 4);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut sum = of(1..=500);
        sum.add(&of(501..=1_000));
        assert_eq!(sum.0, of(1..=1_000).0);
    }

    #[test]
    fn a_scrape_counts_a_time_under_every_edge_it_does_not_exceed() {
        let edges = [0.001, 0.01, 1.0];
        let folded = of([500, 5_000, 50_000, 999_000, 5_000_000]).fold(&edges);
        assert_eq!(folded.cumulative, [1, 2, 4]);
        assert_eq!(folded.count, 5);
        assert!(close(folded.sum, 6.0545), "{}", folded.sum);
    }

    #[test]
    fn the_longest_time_is_ten_minutes() {
        assert!(close(of([3_600_000_000]).distribution().max_us, 600e6));
    }
}
