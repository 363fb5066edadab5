//! Counts of times in buckets of equal relative width, laid out as
//! `HdrHistogram` lays out its own.
//!
//! That crate is what reports and other tools read, and these counts become one
//! of its histograms without loss. While a run goes on only the counts are kept:
//! recording is one shift and one addition, where the crate also keeps a total,
//! a least and a greatest value, and checks its range twice. Seven times are
//! recorded for each arrival, so that is felt (`benches/recorder.rs`).
//!
//! Neighbouring counts are also kept together, in groups. Whoever adds up, clears or
//! scrapes passes over the groups that nothing is in, and a scrape, which comes while
//! the run is under way and shows no more than two dozen edges, looks into no others
//! than those that an edge falls into.

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
    groups: Box<[Group]>,
}

/// How many places are a group. As a power of two it does not stretch over values of
/// different widths.
const GROUP: usize = 32;

/// What neighbouring places count together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Group {
    count: u64,
    /// How many places they are beyond the group's first, all together.
    beyond: u64,
}

/// Values within 0.1 % of each other may share a bucket.
pub(super) const THREE_DIGITS: u32 = 10;

/// Values within 1 % of each other may share a bucket.
pub(super) const TWO_DIGITS: u32 = 7;

/// Values that share a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// The least of them.
    least: u64,
    /// How far apart the least of this bucket and of the next are.
    width: u64,
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
        let places = Self::index(LONGEST_NS) + 1;
        Self {
            counts: vec![0; places].into_boxed_slice(),
            groups: vec![Group::default(); places.div_ceil(GROUP)].into_boxed_slice(),
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
        for (places, _) in other.taken() {
            let (mine, theirs) = (self.counts.get_mut(places.clone()), &other.counts[places]);
            for (mine, theirs) in mine.into_iter().flatten().zip(theirs) {
                *mine += theirs;
            }
        }
        for (mine, theirs) in self.groups.iter_mut().zip(&other.groups) {
            mine.count += theirs.count;
            mine.beyond += theirs.beyond;
        }
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
        let groups = self.groups.iter_mut().zip(self.counts.chunks_mut(GROUP));
        for (number, (group, counts)) in groups.enumerate() {
            if std::mem::take(group).count == 0 {
                continue;
            }
            let places = u32::try_from(number * GROUP).unwrap_or(u32::MAX)..;
            for (place, count) in places.zip(counts) {
                if *count > 0 {
                    sparse.push((place, u32::try_from(*count).unwrap_or(u32::MAX)));
                    *count = 0;
                }
            }
        }
        sparse
    }

    /// The place of a time among sparse counts.
    pub(super) fn place(nanoseconds: u64) -> u32 {
        u32::try_from(Self::index(nanoseconds.min(LONGEST_NS))).unwrap_or(u32::MAX)
    }

    /// How many were counted.
    pub(super) fn len(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Their sum, each as long as the middle of its bucket.
    pub(super) fn sum(&self) -> u128 {
        let of_group = |(places, group): (Range<usize>, Group)| {
            let first = Self::bucket(places.start);
            u128::from(first.middle()) * u128::from(group.count)
                + u128::from(first.width) * u128::from(group.beyond)
        };
        self.taken().map(of_group).sum()
    }

    /// Buckets that something is in, shortest times first, and how much is.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (Bucket, u64)> {
        self.taken().flat_map(|(places, _)| self.of(places))
    }

    /// Counts by what `key` makes of their buckets, which rises with the times; shortest
    /// first. A key comes as often as there are groups with it.
    pub(super) fn by_key<K: PartialEq>(
        &self,
        key: impl Fn(Bucket) -> K,
        mut see: impl FnMut(&K, u64),
    ) {
        let mut latest = None;
        for (places, group) in self.taken() {
            let last = key(Self::bucket(places.end - 1));
            // What comes between two of the same key has it too.
            if latest.as_ref() == Some(&last) {
                see(&last, group.count);
            } else {
                for (bucket, count) in self.of(places) {
                    see(&key(bucket), count);
                }
            }
            latest = Some(last);
        }
    }

    /// As the crate's histogram.
    pub(super) fn histogram(&self) -> Histogram<u64> {
        let digits = if HALF == TWO_DIGITS { 2 } else { 3 };
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, digits)
            .unwrap_or_else(|_| unreachable!("1 < LONGEST_NS and 0 < digits <= 5"));
        for (bucket, count) in self.buckets() {
            histogram.saturating_record_n(bucket.least, count);
        }
        histogram
    }

    fn add_at(&mut self, place: usize, more: u64) {
        let group = self.groups.get_mut(place / GROUP);
        // Always there: no place is beyond that of the longest.
        if let (Some(count), Some(group)) = (self.counts.get_mut(place), group) {
            *count += more;
            group.count += more;
            group.beyond += more * (place % GROUP) as u64;
        }
    }

    /// The groups that something is in, by their places.
    fn taken(&self) -> impl Iterator<Item = (Range<usize>, Group)> {
        let firsts = (0..self.counts.len()).step_by(GROUP);
        firsts
            .zip(&self.groups)
            .filter(|(_, group)| group.count > 0)
            .map(|(first, group)| (first..(first + GROUP).min(self.counts.len()), *group))
    }

    /// The buckets at these places that something is in, and how much is.
    fn of(&self, places: Range<usize>) -> impl Iterator<Item = (Bucket, u64)> {
        let counts = &self.counts[places.clone()];
        let taken = places.zip(counts).filter(|(_, count)| **count > 0);
        taken.map(|(place, count)| (Self::bucket(place), *count))
    }

    /// The values at a place.
    fn bucket(place: usize) -> Bucket {
        let shift = (place >> HALF).saturating_sub(1);
        Bucket {
            least: ((place - (shift << HALF)) as u64) << shift,
            width: 1 << shift,
        }
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
            .map(|(bucket, count)| (bucket.greatest(), count))
            .collect();
        assert_eq!(buckets, steps);
        let mut sum = 0;
        for (bucket, count) in counts.buckets() {
            assert_eq!(bucket.middle(), theirs.median_equivalent(bucket.least));
            sum += u128::from(bucket.middle()) * u128::from(count);
        }
        assert_eq!(counts.sum(), sum);
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
