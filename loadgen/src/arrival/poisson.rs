//! Arrivals independent of each other.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64Mcg;

use super::curve::Curve;
use crate::population::Stream;

/// Offsets of a Poisson process under a rate that may change: the area between
/// one arrival and the next is exponential with mean 1, which at a level rate
/// makes gaps with mean `1/rate` (time change, exact, nothing is thinned out).
#[derive(Debug, Clone)]
pub struct Poisson {
    random: Pcg64Mcg,
    curve: Curve,
    duration: Duration,
    /// Area at the last arrival.
    area: f64,
}

impl Poisson {
    /// Arrivals under `curve` for `duration`; none at a rate of zero.
    pub fn new(stream: Stream, curve: Curve, duration: Duration) -> Self {
        Self {
            random: stream.generator(),
            curve,
            duration,
            area: 0.0,
        }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gap: f64 = Exp1.sample(&mut self.random);
        self.area += gap;
        let seconds = self.curve.after(self.area)?;
        let offset = Duration::try_from_secs_f64(seconds).ok()?;
        (offset < self.duration).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::plan::{Arrivals, RatePlan, Stage};
    use crate::scenario::units::Rate;

    fn level(rate: f64) -> RatePlan {
        RatePlan::steady(Arrivals::Poisson, Rate::try_per_second(rate).unwrap())
    }

    fn under(seed: u64, plan: &RatePlan, duration: Duration) -> Vec<Duration> {
        let stream = Stream::named(seed, "poisson");
        Poisson::new(stream, Curve::new(plan), duration).collect()
    }

    fn poisson(seed: u64, rate: f64, duration: Duration) -> Vec<Duration> {
        under(seed, &level(rate), duration)
    }

    /// Between the quarters of a ramp the counts must be as their areas are.
    #[test]
    fn a_ramp_has_arrivals_where_its_area_is() {
        let stage = Stage {
            to: Rate::try_per_second(2_000.0).unwrap(),
            over: Duration::from_secs(20),
        };
        let plan = RatePlan {
            stages: vec![stage],
            ..level(0.0)
        };
        let offsets = under(1, &plan, Duration::from_secs(20));
        let mut quarters = [0_u32; 4];
        for offset in offsets {
            quarters[usize::try_from(offset.as_secs() / 5).unwrap()] += 1;
        }
        let chi_square: f64 = quarters
            .iter()
            .zip([1_250.0, 3_750.0, 6_250.0, 8_750.0])
            .map(|(count, expected)| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        // 99.99 % of Poisson counts stay below this, with 4 degrees of freedom.
        assert!(chi_square < 23.5, "{chi_square} {quarters:?}");
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
            Curve::new(&level(5.0)),
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
