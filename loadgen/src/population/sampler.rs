//! Draws a member of a group by its popularity.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Zipf};

use crate::scenario::plan::{Group, Popularity};

/// Draws members, numbered from 0, the most popular first.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    count: u32,
    zipf: Option<Zipf<f64>>,
}

impl Sampler {
    /// A sampler of `group`. A group beyond what validation lets through is
    /// drawn from as far as it makes sense: at most 2^32 - 1 members, an
    /// exponent that is no number as none.
    pub fn new(group: &Group) -> Self {
        let count = u32::try_from(group.count).unwrap_or(u32::MAX).max(1);
        let zipf = match group.popularity {
            Popularity::Uniform => None,
            Popularity::Zipf { exponent } => Zipf::new(f64::from(count), exponent).ok(),
        };
        Self { count, zipf }
    }

    /// A member, from 0 to one less than there are.
    pub fn draw(&self, random: &mut impl Rng) -> u32 {
        let Some(zipf) = self.zipf else {
            return random.random_range(0..self.count);
        };
        let rank = zipf.sample(random);
        // Ranks are whole numbers from 1 to the count, which fits.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is from 1 to the count"
        )]
        let rank = rank as u32;
        rank.clamp(1, self.count) - 1
    }

    /// How likely a member is drawn. Exact, and as slow as the group is large.
    pub fn probability(group: &Group, member: u64) -> f64 {
        match group.popularity {
            Popularity::Uniform => 1.0 / group.count as f64,
            Popularity::Zipf { exponent } => {
                let weight = |rank: u64| (rank as f64).powf(-exponent);
                // Smallest first, so that rounding does not eat the tail.
                let whole: f64 = (1..=group.count).rev().map(weight).sum();
                weight(member + 1) / whole
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Stream;

    fn zipf(count: u64, exponent: f64) -> Group {
        Group {
            count,
            popularity: Popularity::Zipf { exponent },
        }
    }

    /// Pearson's statistic of `draws` draws against the exact probabilities.
    fn chi_square(sampler: &Sampler, group: &Group, draws: u32) -> f64 {
        let mut seen = vec![0_u32; usize::try_from(group.count).unwrap()];
        let mut random = Stream::named(1, "chi-square").generator();
        for _ in 0..draws {
            seen[sampler.draw(&mut random) as usize] += 1;
        }
        seen.iter()
            .zip(0..)
            .map(|(seen, member)| {
                let expected = Sampler::probability(group, member) * f64::from(draws);
                (f64::from(*seen) - expected).powi(2) / expected
            })
            .sum()
    }

    #[test]
    fn draws_follow_the_exact_probabilities() {
        // 99.99 % quantile of chi-square with 49 degrees of freedom.
        let limit = 92.3;
        for exponent in [0.6, 0.9, 1.0, 1.2, 2.0] {
            let group = zipf(50, exponent);
            let statistic = chi_square(&Sampler::new(&group), &group, 200_000);
            assert!(statistic < limit, "exponent {exponent}: {statistic}");
        }
        let uniform = Group {
            count: 50,
            popularity: Popularity::Uniform,
        };
        let statistic = chi_square(&Sampler::new(&uniform), &uniform, 200_000);
        assert!(statistic < limit, "uniform: {statistic}");
    }

    #[test]
    fn the_test_above_notices_a_slightly_wrong_exponent() {
        let statistic = chi_square(&Sampler::new(&zipf(50, 0.95)), &zipf(50, 0.9), 200_000);
        assert!(statistic > 92.3, "{statistic}");
    }

    #[test]
    fn probabilities_add_up() {
        for group in [
            zipf(1_000, 0.9),
            Group {
                count: 7,
                popularity: Popularity::Uniform,
            },
        ] {
            let sum: f64 = (0..group.count)
                .map(|member| Sampler::probability(&group, member))
                .sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
    }

    #[test]
    fn a_draw_is_always_a_member() {
        let mut random = Stream::named(2, "members").generator();
        for group in [
            zipf(1, 0.9),
            zipf(3, 10.0),
            zipf(10_000_000, 0.01),
            Group {
                count: 1,
                popularity: Popularity::Uniform,
            },
        ] {
            let sampler = Sampler::new(&group);
            for _ in 0..10_000 {
                assert!(
                    u64::from(sampler.draw(&mut random)) < group.count,
                    "{group:?}"
                );
            }
        }
    }
}
