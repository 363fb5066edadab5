//! Draws from a plan's latency distributions.

use std::time::Duration;

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1, LogNormal};

use crate::scenario::plan::LatencyPlan;

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// One wait drawn from `plan`.
pub fn draw(plan: &LatencyPlan, random: &mut impl rand::Rng) -> Duration {
    match plan {
        LatencyPlan::None => Duration::ZERO,
        LatencyPlan::Fixed(wait) => *wait,
        LatencyPlan::Uniform { min, max } => {
            *min + max.saturating_sub(*min).mul_f64(random.random())
        }
        LatencyPlan::Exponential { mean } => {
            let drawn: f64 = Exp1.sample(random);
            mean.mul_f64(drawn.min(1e3))
        }
        LatencyPlan::Empirical(waits) if waits.is_empty() => Duration::ZERO,
        LatencyPlan::Empirical(waits) => waits[random.random_range(0..waits.len())],
        LatencyPlan::LogNormal { median, p99 } => {
            let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / Z99;
            match LogNormal::new(median.as_secs_f64().ln(), sigma) {
                // Far out in the tail, yet not beyond what a Duration holds.
                Ok(waits) => Duration::from_secs_f64(waits.sample(random).clamp(0.0, 3_600.0)),
                Err(_) => *median,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Stream;

    fn sorted(plan: &LatencyPlan) -> Vec<Duration> {
        let mut random = Stream::named(7, "latency").generator();
        let mut waits: Vec<_> = (0..100_000).map(|_| draw(plan, &mut random)).collect();
        waits.sort();
        waits
    }

    #[test]
    fn a_lognormal_has_the_median_and_p99_it_was_given() {
        let [median, p99] = [40, 250].map(Duration::from_millis);
        let waits = sorted(&LatencyPlan::LogNormal { median, p99 });
        for (rank, expected) in [(50_000, median), (99_000, p99)] {
            let off = waits[rank].as_secs_f64() / expected.as_secs_f64() - 1.0;
            assert!(
                off.abs() < 0.05,
                "{:?} is not near {expected:?}",
                waits[rank]
            );
        }
    }

    #[test]
    fn a_uniform_wait_stays_between_its_bounds() {
        let [min, max] = [10, 20].map(Duration::from_millis);
        let waits = sorted(&LatencyPlan::Uniform { min, max });
        assert!(waits[0] >= min && waits[99_999] <= max);
        assert!(waits[50_000] > Duration::from_micros(14_900));
    }
}
