//! Exponential buckets: what Prometheus' native histograms and OpenTelemetry's
//! exponential ones have in common.

use std::collections::BTreeMap;

/// Buckets by powers of a base near one, for values above zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exponential(BTreeMap<i32, u64>);

impl Exponential {
    /// Eight buckets for each doubling: an edge is 1.09 of the one below. Both
    /// systems call it scale, or schema, 3.
    pub const SCALE: i32 = 3;

    /// Adds `count` observations of `value`, which is above zero.
    pub fn record(&mut self, value: f64, count: u64) {
        self.add_at(Self::index(value), count);
    }

    /// The bucket of `value`, which is above zero: the power of the base that is its
    /// upper edge.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a finite f64's logarithm is within ±1100"
    )]
    pub fn index(value: f64) -> i32 {
        // An edge belongs to the bucket that it is the upper end of.
        (value.log2() * f64::from(1 << Self::SCALE)).ceil() as i32
    }

    /// Adds `count` observations to the bucket of this index.
    pub fn add_at(&mut self, index: i32, count: u64) {
        *self.0.entry(index).or_default() += count;
    }

    /// Adds another's observations.
    pub fn add(&mut self, other: &Self) {
        for (&index, count) in &other.0 {
            *self.0.entry(index).or_default() += count;
        }
    }

    /// Buckets that are not empty, lowest first: the power of the base that is
    /// the upper edge, and the observations in it.
    pub fn buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.0.iter().map(|(&index, &count)| (index, count))
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_whose_upper_edge_is_at_or_above_it() {
        for (value, index) in [
            (1.0, 0),
            (1.000_1, 1),
            (1.09, 1),
            (1.091, 2),
            (2.0, 8),
            (0.5, -8),
            (1e-9, -239),
            (600.0, 74),
        ] {
            let mut buckets = Exponential::default();
            buckets.record(value, 3);
            assert_eq!(
                buckets.buckets().collect::<Vec<_>>(),
                [(index, 3)],
                "{value}"
            );
            let edge = |power: i32| 2_f64.powf(f64::from(power) / 8.0);
            assert!(edge(index - 1) < value && value <= edge(index), "{value}");
        }
    }
}
