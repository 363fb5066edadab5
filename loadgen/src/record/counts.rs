//! Counts of times in buckets of equal relative width, laid out as
//! `HdrHistogram` lays out its own.
//!
//! That crate is what reports and other tools read, and these counts become one
//! of its histograms without loss. While a run goes on only the counts are kept:
//! recording is one shift and one addition, where the crate also keeps a total,
//! a least and a greatest value, and checks its range twice. Seven times are
//! recorded for each arrival, so that is felt (`benches/recorder.rs`).

use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time told apart, ten minutes; a longer one counts as this long.
const LONGEST_NS: u64 = 600_000_000_000;

/// Counts of nanoseconds. `HALF` is the logarithm of half the buckets within a
/// factor of two: 10 keeps three significant digits, 7 keeps two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts<const HALF: u32> {
    counts: Box<[u64]>,
    /// Which octaves something was counted in, a bit each. Times of one kind lie in
    /// a few of the thirty, and whoever adds up or scrapes need look at no others.
    touched: u64,
}

/// Values within 0.1 % of each other may share a bucket.
pub(super) const THREE_DIGITS: u32 = 10;

/// Values within 1 % of each other may share a bucket.
pub(super) const TWO_DIGITS: u32 = 7;

/// Values that share a bucket, and how many of them there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// The least of them.
    pub(super) least: u64,
    /// How far apart the least of this bucket and of the next are.
    pub(super) width: u64,
    pub(super) count: u64,
}

impl Bucket {
    /// The greatest value of the bucket.
    pub(super) fn greatest(self) -> u64 {
        self.least + self.width - 1
    }

    /// The value that stands for all of it.
    pub(super) fn middle(self) -> u64 {
        self.least + self.width / 2
    }
}

impl<const HALF: u32> Default for Counts<HALF> {
    fn default() -> Self {
        Self {
            counts: vec![0; Self::index(LONGEST_NS) + 1].into_boxed_slice(),
            touched: 0,
        }
    }
}

impl<const HALF: u32> Counts<HALF> {
    /// Counts one time.
    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.add_at(Self::index(nanoseconds.min(LONGEST_NS)), 1);
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        for octave in other.octaves() {
            let (mine, theirs) = (self.counts.get_mut(octave.clone()), &other.counts[octave]);
            for (mine, theirs) in mine.into_iter().flatten().zip(theirs) {
                *mine += theirs;
            }
        }
        self.touched |= other.touched;
    }

    /// Adds counts as [`Counts::take_sparse`] returned them.
    pub(super) fn add_sparse(&mut self, sparse: &[(u32, u32)]) {
        for (index, more) in sparse {
            self.add_at(*index as usize, u64::from(*more));
        }
    }

    /// The counts that are not zero, by their place; all are zero afterwards.
    pub(super) fn take_sparse(&mut self) -> Vec<(u32, u32)> {
        let mut sparse = Vec::new();
        for octave in self.octaves() {
            let places = u32::try_from(octave.start).unwrap_or(u32::MAX)..;
            for (index, count) in places.zip(&mut self.counts[octave]) {
                if *count > 0 {
                    sparse.push((index, u32::try_from(*count).unwrap_or(u32::MAX)));
                    *count = 0;
                }
            }
        }
        self.touched = 0;
        sparse
    }

    /// The place of a time among sparse counts.
    pub(super) fn place(nanoseconds: u64) -> u32 {
        u32::try_from(Self::index(nanoseconds.min(LONGEST_NS))).unwrap_or(u32::MAX)
    }

    /// How many were counted.
    pub(super) fn len(&self) -> u64 {
        let octaves = self.octaves();
        octaves
            .map(|octave| self.counts[octave].iter().sum::<u64>())
            .sum()
    }

    /// Buckets that something is in, shortest times first.
    pub(super) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let places = self.octaves().flat_map(|octave| {
            let counts = &self.counts[octave.clone()];
            octave.zip(counts)
        });
        let taken = places.filter(|(_, count)| **count > 0);
        taken.map(|(index, count)| {
            let shift = (index >> HALF).saturating_sub(1);
            Bucket {
                least: ((index - (shift << HALF)) as u64) << shift,
                width: 1 << shift,
                count: *count,
            }
        })
    }

    /// As the crate's histogram.
    pub(super) fn histogram(&self) -> Histogram<u64> {
        let digits = if HALF == TWO_DIGITS { 2 } else { 3 };
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, digits)
            .unwrap_or_else(|_| unreachable!("1 < LONGEST_NS and 0 < digits <= 5"));
        for bucket in self.buckets() {
            histogram.saturating_record_n(bucket.least, bucket.count);
        }
        histogram
    }

    fn add_at(&mut self, index: usize, more: u64) {
        // Always there: no index is beyond that of the longest.
        if let Some(count) = self.counts.get_mut(index) {
            *count += more;
            self.touched |= 1 << (index >> HALF);
        }
    }

    /// The places of the octaves that something was counted in.
    fn octaves(&self) -> impl Iterator<Item = Range<usize>> + use<HALF> {
        let (touched, all) = (self.touched, self.counts.len());
        (0..64_usize)
            .filter(move |octave| touched >> octave & 1 == 1)
            .map(move |octave| octave << HALF..((octave + 1) << HALF).min(all))
    }

    /// A time's bucket: the leading bits of the value, after its magnitude.
    fn index(value: u64) -> usize {
        let whole = (1_u64 << (HALF + 1)) - 1;
        let shift = (u64::BITS - (value | whole).leading_zeros()) - (HALF + 1);
        ((shift as usize) << HALF) + usize::try_from(value >> shift).unwrap_or(0)
    }
}

/// A time as counts take it.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches_the_crate<const HALF: u32>(values: &[u64], digits: u8) {
        let mut counts = Counts::<HALF>::default();
        let mut theirs = Histogram::new_with_bounds(1, LONGEST_NS, digits).unwrap();
        for value in values {
            counts.record(*value);
            theirs.saturating_record(*value);
        }
        let mine = counts.histogram();
        assert_eq!(mine, theirs, "{values:?}");
        assert_eq!(counts.len(), values.len() as u64);
        let steps: Vec<_> = theirs
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        let buckets: Vec<_> = counts
            .buckets()
            .map(|bucket| (bucket.greatest(), bucket.count))
            .collect();
        assert_eq!(buckets, steps);
        for bucket in counts.buckets() {
            assert_eq!(bucket.middle(), theirs.median_equivalent(bucket.least));
        }
    }

    #[test]
    fn every_magnitude_lands_in_the_bucket_of_the_crate() {
        let edges = (0..40).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        let values: Vec<u64> = edges
            .chain([LONGEST_NS - 1, LONGEST_NS])
            .filter(|value| *value <= LONGEST_NS)
            .collect();
        matches_the_crate::<THREE_DIGITS>(&values, 3);
        matches_the_crate::<TWO_DIGITS>(&values, 2);
    }

    proptest! {
        #[test]
        fn any_times_land_where_the_crate_puts_them(
            values in proptest::collection::vec((0_u32..40).prop_flat_map(|bits| 0..=(1_u64 << bits).min(LONGEST_NS)), 0..200)
        ) {
            matches_the_crate::<THREE_DIGITS>(&values, 3);
            matches_the_crate::<TWO_DIGITS>(&values, 2);
        }

        #[test]
        fn sparse_counts_come_back(values in proptest::collection::vec(0..LONGEST_NS, 0..50)) {
            let mut counts = Counts::<TWO_DIGITS>::default();
            for value in &values {
                counts.record(*value);
            }
            let before = counts.clone();
            let sparse = counts.take_sparse();
            prop_assert_eq!(counts.len(), 0);
            counts.add_sparse(&sparse);
            prop_assert_eq!(counts, before);
        }
    }
}
