//! How many fetches one key takes in a run, and how far chance moves that: exact
//! for a cache that starts cold, in a run of any length.
//!
//! Fetches are a renewal process: a token lasts `T` seconds, and after that an
//! exponential wait ends with the next call. The n-th fetch falls into a run of
//! length D with the chance that a Poisson count of mean `rate (D - (n - 1) T)` is
//! at least n. A token's life spaces fetches, so they vary less than coin tosses
//! would: a binomial interval is too wide by about `sqrt(1 + rate T)`.

/// Fetches of one key, or of several alike, in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fetches {
    /// On average.
    pub mean: f64,
    /// Their variance.
    pub variance: f64,
    /// Their covariance with the number of calls.
    pub with_calls: f64,
}

/// From so many tokens in a run on, its fetches have settled.
const LONG: f64 = 200.0;

impl Fetches {
    /// Of a key that is asked for at `rate` for `length` seconds, when a token
    /// lasts `lasts` seconds.
    pub fn of(rate: f64, lasts: f64, length: f64) -> Self {
        /// For a derivative.
        const STEP: f64 = 1e-4;
        if rate <= 0.0 || length <= 0.0 {
            return Self::default();
        }
        let (mean, variance) = moments(rate, lasts, length);
        let (more, _) = moments(rate * (1.0 + STEP), lasts, length);
        let (less, _) = moments(rate * (1.0 - STEP), lasts, length);
        Self {
            mean,
            variance,
            // Whatever is decided by a Poisson process covaries with its count
            // as it grows with its rate.
            with_calls: (more - less) / (2.0 * STEP),
        }
    }

    /// Of such a key in the middle of its life, as a stationary start has it: the
    /// mean is exact in a run of any length, and so is its slope; the variance is
    /// what it comes to in a long one, and below the truth in one shorter than a
    /// token's life, where it is a coin's.
    pub fn settled(rate: f64, lasts: f64, length: f64) -> Self {
        if rate <= 0.0 || length <= 0.0 {
            return Self::default();
        }
        let cycle = lasts + 1.0 / rate;
        let mean = length / cycle;
        let long = length / rate.powi(2) / cycle.powi(3);
        Self {
            mean,
            // Within a token's life there is one fetch or none.
            variance: if length < lasts {
                long.max(mean * (1.0 - mean).max(0.0))
            } else {
                long
            },
            with_calls: mean / (1.0 + rate * lasts),
        }
    }

    /// Those of `keys` independent keys like this.
    #[must_use]
    pub fn times(self, keys: f64) -> Self {
        Self {
            mean: self.mean * keys,
            variance: self.variance * keys,
            with_calls: self.with_calls * keys,
        }
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            mean: self.mean + other.mean,
            variance: self.variance + other.variance,
            with_calls: self.with_calls + other.with_calls,
        }
    }

    /// The standard error of fetches per call, of `calls` Poisson calls.
    pub fn standard_error(self, calls: f64) -> f64 {
        if calls <= 0.0 {
            return 0.0;
        }
        let ratio = self.mean / calls;
        let variance = self.variance - 2.0 * ratio * self.with_calls + ratio * ratio * calls;
        variance.max(0.0).sqrt() / calls
    }
}

/// Mean and variance.
fn moments(rate: f64, lasts: f64, length: f64) -> (f64, f64) {
    let cycle = lasts + 1.0 / rate;
    if length / cycle > LONG {
        let spread = (1.0 / rate).powi(2);
        let mean =
            1.0 + (length - 1.0 / rate) / cycle + (spread - cycle * cycle) / (2.0 * cycle * cycle);
        return (mean, length * spread / cycle.powi(3));
    }
    let (mut mean, mut square) = (0.0, 0.0);
    let mut number = 0_u32;
    loop {
        let left = length - f64::from(number) * lasts;
        if left <= 0.0 {
            break;
        }
        let chance = at_least(number + 1, rate * left);
        mean += chance;
        square += (2.0 * f64::from(number) + 1.0) * chance;
        number += 1;
        // What is left is less than can be told.
        if chance < 1e-12 {
            break;
        }
    }
    (mean, (square - mean * mean).max(0.0))
}

/// The chance that a Poisson count of this mean is `count` or more.
fn at_least(count: u32, mean: f64) -> f64 {
    let n = f64::from(count);
    if mean > n + 40.0 + 10.0 * n.sqrt() {
        return 1.0;
    }
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for k in 0..count {
        below += term;
        term *= mean / f64::from(k + 1);
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// Fetches and calls of one simulated run.
    fn simulated(rng: &mut Pcg64Mcg, rate: f64, lasts: f64, length: f64) -> (f64, f64) {
        let (mut now, mut until, mut fetches, mut calls) = (0.0, 0.0, 0.0, 0.0);
        loop {
            now -= (1.0 - rng.random::<f64>()).ln() / rate;
            if now >= length {
                return (fetches, calls);
            }
            calls += 1.0;
            if now >= until {
                fetches += 1.0;
                until = now + lasts;
            }
        }
    }

    #[test]
    fn mean_and_error_are_those_of_simulated_runs_short_and_long() {
        let mut rng = Pcg64Mcg::seed_from_u64(5);
        for (rate, lasts, length) in [
            (0.2, 10.0, 4.0),
            (0.2, 10.0, 30.0),
            (1.0, 10.0, 300.0),
            (0.5, 2.0, 2_000.0),
        ] {
            let runs = 4_000;
            let seen: Vec<(f64, f64)> = (0..runs)
                .map(|_| simulated(&mut rng, rate, lasts, length))
                .collect();
            let expected = Fetches::of(rate, lasts, length);
            let calls = rate * length;
            let mean = seen.iter().map(|run| run.0).sum::<f64>() / f64::from(runs);
            assert!(
                (mean - expected.mean).abs() < 4.0 * (expected.variance / f64::from(runs)).sqrt(),
                "{rate} {lasts} {length}: {mean}, {expected:?}"
            );
            // Deviations of fetches from what as many calls should take.
            let ratio = expected.mean / calls;
            let off = |run: &(f64, f64)| run.0 - ratio * run.1;
            let spread = (seen.iter().map(|run| off(run).powi(2)).sum::<f64>() / f64::from(runs))
                .sqrt()
                / calls;
            let predicted = expected.standard_error(calls);
            assert!(
                (spread / predicted - 1.0).abs() < 0.08,
                "{rate} {lasts} {length}: {spread}, {predicted}"
            );
        }
    }

    #[test]
    fn a_long_run_varies_as_a_renewal_process_does_and_not_as_coins() {
        let (rate, lasts, length) = (1.0, 20.0, 50_000.0);
        let fetches = Fetches::of(rate, lasts, length);
        let calls = rate * length;
        let renewal = (rate * lasts / (1.0 + rate * lasts).powi(3) / calls).sqrt();
        assert!((fetches.standard_error(calls) / renewal - 1.0).abs() < 0.01);
    }

    #[test]
    fn nothing_asked_for_is_nothing_fetched() {
        assert_eq!(Fetches::of(0.0, 10.0, 10.0), Fetches::default());
        assert!(Fetches::default().standard_error(0.0).abs() < f64::EPSILON);
    }
}
