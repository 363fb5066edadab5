//! Arrivals independent of each other.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64Mcg;

use crate::population::Stream;
use crate::scenario::units::Rate;

/// Offsets of a Poisson process: exponential gaps with mean `1/rate`, the
/// first one before the first arrival, until a duration is over.
#[derive(Debug, Clone)]
pub struct Poisson {
    random: Pcg64Mcg,
    rate: f64,
    duration: Duration,
    /// Seconds; a double keeps a year to well under a microsecond.
    now: f64,
}

impl Poisson {
    /// Arrivals at a mean of `rate` for `duration`; none at a rate of zero.
    pub fn new(stream: Stream, rate: Rate, duration: Duration) -> Self {
        Self {
            random: stream.generator(),
            rate: rate.per_second(),
            duration,
            now: 0.0,
        }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.rate <= 0.0 {
            return None;
        }
        let gap: f64 = Exp1.sample(&mut self.random);
        self.now += gap / self.rate;
        let offset = Duration::try_from_secs_f64(self.now).ok()?;
        (offset < self.duration).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn poisson(seed: u64, rate: f64, duration: Duration) -> Vec<Duration> {
        Poisson::new(
            Stream::named(seed, "poisson"),
            Rate::try_per_second(rate).unwrap(),
            duration,
        )
        .collect()
    }

    #[test]
    fn gaps_are_exponential() {
        let rate = 100.0;
        let offsets = poisson(1, rate, Duration::from_secs(1_000));
        let gaps: Vec<f64> = offsets
            .iter()
            .zip(&offsets[1..])
            .map(|(first, second)| second.as_secs_f64() - first.as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential gap's spread equals its mean; 100 000 of them put both within a percent or two.
        assert!((mean * rate - 1.0).abs() < 0.02, "mean {mean}");
        assert!(
            (variance.sqrt() * rate - 1.0).abs() < 0.02,
            "spread {}",
            variance.sqrt()
        );
        let longer =
            gaps.iter().filter(|gap| **gap * rate > 1.0).count() as f64 / gaps.len() as f64;
        assert!(
            (longer - (-1.0_f64).exp()).abs() < 0.01,
            "{longer} are longer than the mean"
        );
    }

    #[test]
    fn a_finished_process_stays_finished() {
        let mut process = Poisson::new(
            Stream::named(1, "x"),
            Rate::try_per_second(5.0).unwrap(),
            Duration::from_secs(1),
        );
        assert!(process.by_ref().count() < 30);
        assert_eq!(process.next(), None);
    }

    #[test]
    fn nothing_arrives_at_a_rate_of_zero() {
        assert!(poisson(1, 0.0, Duration::from_secs(1)).is_empty());
    }

    proptest! {
        #[test]
        fn the_count_is_near_rate_times_duration(seed in any::<u64>(), rate in 10_u32..2_000, seconds in 1_u64..5) {
            let duration = Duration::from_secs(seconds);
            let offsets = poisson(seed, f64::from(rate), duration);
            let expected = f64::from(rate) * duration.as_secs_f64();
            // Five standard deviations, and the little a small mean leans to the right.
            let allowed = 5.0 * expected.sqrt() + 5.0;
            prop_assert!((offsets.len() as f64 - expected).abs() < allowed, "{} for {expected}", offsets.len());
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.iter().all(|offset| *offset < duration));
            prop_assert_eq!(&offsets, &poisson(seed, f64::from(rate), duration));
        }
    }
}
