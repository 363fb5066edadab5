//! Distributions of times, in nanoseconds.

use std::time::Duration;

use telemetry::HistogramSample;
use telemetry::catalogue::DURATION_BUCKETS;

use super::counts::{Bucket, Counts, THREE_DIGITS, nanoseconds};
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

    /// Adds them to what a scrape shows: counts at or below each of the catalogue's
    /// edges for durations.
    pub fn add_to(&self, shown: &mut HistogramSample) {
        let Some(counts) = &self.0 else {
            return;
        };
        let mut by_edge = [0; DURATION_BUCKETS.len() + 1];
        // A bucket that straddles an edge counts as beyond it: slow is never shown
        // as fast.
        let edge = |bucket: Bucket| {
            let greatest = bucket.greatest() as f64 / 1e9;
            DURATION_BUCKETS.partition_point(|edge| *edge < greatest)
        };
        counts.by_key(edge, |edge, count| by_edge[*edge] += count);
        let mut running = 0;
        for (cumulative, count) in shown.cumulative.iter_mut().zip(by_edge) {
            running += count;
            *cumulative += running;
        }
        shown.count += by_edge.iter().sum::<u64>();
        shown.sum += counts.sum() as f64 / 1e9;
        #[cfg(feature = "exponential")]
        counts.by_key(exponential, |index, count| {
            shown.exponential.add_at(*index, count);
        });
    }
}

/// The exponential bucket of times. They begin above zero, where no time at all, as a
/// closed loop has for lag, would have none: that counts as a nanosecond.
#[cfg(feature = "exponential")]
fn exponential(bucket: Bucket) -> i32 {
    telemetry::Exponential::index(bucket.middle().max(1) as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let folded = shown(&of([500, 5_000, 50_000, 999_000, 5_000_000]));
        let at = |seconds: f64| {
            let edge = DURATION_BUCKETS.iter().position(|edge| *edge >= seconds);
            folded.cumulative[edge.unwrap()]
        };
        assert_eq!((at(0.001), at(0.01), at(1.0), at(30.0)), (1, 2, 4, 5));
        assert_eq!(folded.count, 5);
        assert!(close(folded.sum, 6.0545), "{}", folded.sum);
    }

    #[test]
    fn the_longest_time_is_ten_minutes() {
        assert!(close(of([3_600_000_000]).distribution().max_us, 600e6));
    }

    #[test]
    #[cfg(feature = "exponential")]
    fn no_time_at_all_is_a_nanosecond_where_buckets_begin_above_zero() {
        let buckets: Vec<_> = shown(&of([0, 0])).exponential.buckets().collect();
        assert_eq!(buckets, [(-239, 2)]);
    }

    fn shown(times: &Times) -> HistogramSample {
        let mut shown = HistogramSample::empty(DURATION_BUCKETS);
        times.add_to(&mut shown);
        shown
    }

    /// What a scrape has to show, bucket by bucket of the whole histogram.
    fn folded(times: &Times) -> HistogramSample {
        let mut sample = HistogramSample::empty(DURATION_BUCKETS);
        let mut sum = 0;
        for (bucket, count) in times.0.iter().flat_map(Counts::buckets) {
            sample.count += count;
            sum += u128::from(bucket.middle()) * u128::from(count);
            #[cfg(feature = "exponential")]
            sample
                .exponential
                .record(bucket.middle().max(1) as f64 / 1e9, count);
            for (edge, cumulative) in DURATION_BUCKETS.iter().zip(&mut sample.cumulative) {
                if bucket.greatest() as f64 / 1e9 <= *edge {
                    *cumulative += count;
                }
            }
        }
        sample.sum = sum as f64 / 1e9;
        sample
    }

    /// Of every magnitude, and right around the edges.
    fn any_times() -> impl Strategy<Value = Times> {
        let any = (0_u32..42).prop_flat_map(|bits| 0..=(1_u64 << bits));
        let edge = proptest::sample::select(DURATION_BUCKETS);
        let at_edge = (edge, -1_i64..=1).prop_map(|(edge, off)| {
            let at = Duration::from_secs_f64(edge).as_nanos();
            u64::try_from(at).unwrap().saturating_add_signed(off)
        });
        let time = prop_oneof![any, at_edge];
        proptest::collection::vec(time, 0..200).prop_map(|all| {
            let mut times = Times::default();
            for nanoseconds in all {
                times.record(Duration::from_nanos(nanoseconds));
            }
            times
        })
    }

    proptest! {
        #[test]
        fn a_scrape_shows_any_times_as_all_their_buckets_folded(
            mut times in any_times(), more in any_times()
        ) {
            prop_assert_eq!(shown(&times), folded(&times));
            times.add(&more);
            prop_assert_eq!(shown(&times), folded(&times));
        }
    }
}
