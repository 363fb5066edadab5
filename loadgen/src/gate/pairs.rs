//! The third tier: latencies of two builds on one machine, by pairs of runs in
//! random order. Machines drift, and two runs beside each other drift together:
//! their ratio is what is judged, and never a run alone.
//!
//! The estimate is Hodges and Lehmann's: the median of the averages of all pairs
//! of log ratios. Its bounds invert Wilcoxon's signed-rank test, whose
//! distribution is counted and not approximated.

/// The one-sided level of all looks together.
pub const ALPHA: f64 = 0.05;

/// What each of three looks may spend of it (Pocock).
const ALPHA_OF_A_LOOK: f64 = 0.0232;

/// How often pairs are looked at, at most.
pub const MOST_LOOKS: usize = 3;

/// Fewer pairs cannot be judged at that level.
pub const LEAST_PAIRS: usize = 6;

/// What pairs of runs say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Pairs it rests on.
    pub pairs: usize,
    /// Head over base, as a share: `0.1` is ten percent slower.
    pub effect: f64,
    /// One-sided lower bound of that.
    pub lower: f64,
    /// One-sided upper bound.
    pub upper: f64,
}

/// The judgement of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Not slower by as much as the margin.
    Pass,
    /// Slower, and by at least the margin.
    Fail,
    /// The pairs do not tell.
    Inconclusive,
}

/// What `ratios`, the natural logarithms of head over base, say; `None` when
/// there are too few, or one is not a number.
pub fn estimate(ratios: &[f64]) -> Option<Estimate> {
    let pairs = ratios.len();
    if pairs < LEAST_PAIRS || !ratios.iter().all(|ratio| ratio.is_finite()) {
        return None;
    }
    let mut walsh: Vec<f64> = (0..pairs)
        .flat_map(|one| (one..pairs).map(move |other| f64::midpoint(ratios[one], ratios[other])))
        .collect();
    walsh.sort_by(f64::total_cmp);
    let count = walsh.len();
    let median = f64::midpoint(walsh[(count - 1) / 2], walsh[count / 2]);
    let skipped = skipped(pairs);
    let share = |log: f64| log.exp_m1();
    Some(Estimate {
        pairs,
        effect: share(median),
        lower: share(walsh[skipped]),
        upper: share(walsh[count - 1 - skipped]),
    })
}

/// How many of the sorted averages lie beyond a one-sided bound: the largest rank
/// sum that is as rare as the level.
fn skipped(pairs: usize) -> usize {
    // How many subsets of the ranks 1..=pairs have each sum, as shares of all.
    let most = pairs * (pairs + 1) / 2;
    let mut shares = vec![0.0; most + 1];
    shares[0] = 1.0;
    for rank in 1..=pairs {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = f64::midpoint(shares[sum], with);
        }
    }
    let mut below = 0.0;
    shares
        .iter()
        .take_while(|share| {
            below += **share;
            below <= ALPHA_OF_A_LOOK
        })
        .count()
        .saturating_sub(1)
}

impl Estimate {
    /// Judges it against a practical margin, such as `0.05`: noise makes it
    /// inconclusive, and never red or silently green.
    pub fn judge(&self, margin: f64) -> Finding {
        if self.upper < margin {
            Finding::Pass
        } else if self.lower > 0.0 && self.effect >= margin {
            Finding::Fail
        } else {
            Finding::Inconclusive
        }
    }
}

/// How many pairs it would take to tell `margin` at this noise.
pub fn pairs_needed(ratios: &[f64], margin: f64) -> usize {
    let count = ratios.len().max(2) as f64;
    let mean = ratios.iter().sum::<f64>() / count;
    let variance = ratios
        .iter()
        .map(|ratio| (ratio - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    let needed = (6.2 * variance / margin.ln_1p().powi(2)).ceil();
    (LEAST_PAIRS..10_000)
        .find(|pairs| *pairs as f64 >= needed)
        .unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// About a standard normal number: twelve dice.
    fn normal(rng: &mut Pcg64Mcg) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// Pairs on a machine whose mood drifts slowly: what a shared runner does.
    /// Each run also has a noise of its own.
    struct Machine {
        rng: Pcg64Mcg,
        mood: f64,
    }

    impl Machine {
        fn new(seed: u64) -> Self {
            Self {
                rng: Pcg64Mcg::seed_from_u64(seed),
                mood: 0.0,
            }
        }

        fn run(&mut self, slower: f64) -> f64 {
            self.mood = 0.95 * self.mood + 0.05 * normal(&mut self.rng);
            self.mood + 0.05 * normal(&mut self.rng) + slower.ln_1p()
        }

        /// Base and head in random order, as the logarithm of their ratio.
        fn pair(&mut self, slower: f64) -> f64 {
            if self.rng.random::<bool>() {
                let base = self.run(0.0);
                self.run(slower) - base
            } else {
                let head = self.run(slower);
                head - self.run(0.0)
            }
        }

        fn pairs(&mut self, count: usize, slower: f64) -> Vec<f64> {
            (0..count).map(|_| self.pair(slower)).collect()
        }
    }

    fn share_of(finding: Finding, slower: f64, margin: f64) -> f64 {
        let gates = 400;
        let found = (0..gates).filter(|seed| {
            let ratios = Machine::new(*seed).pairs(20, slower);
            estimate(&ratios).unwrap().judge(margin) == finding
        });
        found.count() as f64 / gates as f64
    }

    #[test]
    fn a_build_against_itself_is_not_red_and_ten_percent_are_caught() {
        let false_alarms = share_of(Finding::Fail, 0.0, 0.05);
        assert!(false_alarms <= ALPHA, "{false_alarms}");
        let caught = share_of(Finding::Fail, 0.10, 0.05);
        assert!(caught >= 0.9, "{caught}");
        let slipped = share_of(Finding::Pass, 0.10, 0.05);
        assert!(slipped <= ALPHA, "{slipped}");
    }

    #[test]
    fn the_estimate_is_the_median_of_walsh_averages() {
        // Averages of 1..=6 with each other: symmetric around 3.5.
        let ratios: Vec<f64> = (1..=6).map(|step| f64::from(step) / 100.0).collect();
        let found = estimate(&ratios).unwrap();
        assert!((found.effect.ln_1p() - 0.035).abs() < 1e-12);
        // 1/64 of all sign patterns have the rank sum 0, 2/64 have 1 at most, and
        // that is beyond the level: the bounds are the extremes.
        assert_eq!(skipped(6), 0);
        assert!((found.lower.ln_1p() - 0.01).abs() < 1e-12, "{found:?}");
        assert!((found.upper.ln_1p() - 0.06).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_level_of_a_bound_is_kept_for_any_number_of_pairs() {
        // Wilcoxon's table for 0.025 has 8 and 52; the next lower ones are the
        // first below this level.
        assert_eq!([skipped(10), skipped(20)], [7, 51]);
    }

    #[test]
    fn noise_makes_it_inconclusive() {
        let wild = [0.5, -0.5, 0.4, -0.4, 0.3, -0.3, 0.2, -0.2];
        let found = estimate(&wild).unwrap();
        assert_eq!(found.judge(0.05), Finding::Inconclusive);
        assert!(pairs_needed(&wild, 0.05) > 200);
        assert_eq!(pairs_needed(&[0.0; 8], 0.05), LEAST_PAIRS);
    }

    #[test]
    fn too_few_pairs_or_no_numbers_are_no_estimate() {
        assert_eq!(estimate(&[0.0; 5]), None);
        assert_eq!(estimate(&[0.0, 0.0, 0.0, 0.0, 0.0, f64::NAN]), None);
    }

    #[test]
    fn a_clear_result_is_told_either_way() {
        let slower = [0.11, 0.12, 0.10, 0.09, 0.11, 0.10, 0.12, 0.11];
        assert_eq!(estimate(&slower).unwrap().judge(0.05), Finding::Fail);
        let same = [0.01, -0.01, 0.0, 0.01, -0.01, 0.0, 0.01, -0.01];
        assert_eq!(estimate(&same).unwrap().judge(0.05), Finding::Pass);
        let little = [0.02, 0.03, 0.02, 0.03, 0.02, 0.03, 0.02, 0.03];
        assert_eq!(estimate(&little).unwrap().judge(0.05), Finding::Pass);
    }
}
