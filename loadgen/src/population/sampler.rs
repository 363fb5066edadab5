//! Draws a member of a group by its popularity.

use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Zipf};

use super::stream::Stream;
use crate::scenario::plan::{Group, Popularity};

/// Draws members, numbered from 0 in the order they joined; where popularity
/// has ranks, the first ranks first.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    group: Group,
    /// For a group that stays as it is; others need one for each size.
    zipf: Option<Zipf<f64>>,
}

impl Sampler {
    /// A sampler of `group`. A group beyond what validation lets through is
    /// drawn from as far as it makes sense: at most 2^32 - 1 members, an
    /// exponent that is no number as none.
    pub fn new(group: &Group) -> Self {
        let zipf = match group.popularity {
            Popularity::Uniform | Popularity::Hotspot { .. } => None,
            Popularity::Zipf { exponent } | Popularity::Latest { exponent } => {
                Zipf::new(f64::from(narrow(group.count)), exponent).ok()
            }
        };
        Self {
            group: *group,
            zipf,
        }
    }

    /// The member that item `number` of `stream` is about, at `time`.
    pub fn of(&self, stream: Stream, number: u64, time: Duration) -> u32 {
        if self.group.most <= 1 {
            // Who is always alone need not be drawn.
            return 0;
        }
        self.draw(&mut stream.at(number), time)
    }

    /// A member there is at `time`.
    pub fn draw(&self, random: &mut impl Rng, time: Duration) -> u32 {
        let (first, end) = self.group.present(time);
        let (first, count) = (narrow(first), narrow(end - first).max(1));
        let place = self.rank(random, count);
        let place = match self.group.shift {
            None => place,
            Some(shift) => {
                let steps = time.as_nanos() / shift.every.as_nanos().max(1);
                let moved = u128::from(place) + steps * u128::from(shift.by);
                narrow(u64::try_from(moved % u128::from(count)).unwrap_or(0))
            }
        };
        let place = match self.group.popularity {
            Popularity::Latest { .. } => count - 1 - place,
            Popularity::Uniform | Popularity::Zipf { .. } | Popularity::Hotspot { .. } => place,
        };
        first + place
    }

    /// A rank among `count` members, from 0.
    fn rank(&self, random: &mut impl Rng, count: u32) -> u32 {
        match self.group.popularity {
            Popularity::Uniform => random.random_range(0..count),
            Popularity::Hotspot { members, draws } => {
                let hot = hot(members.get(), count);
                if hot == count || random.random_bool(draws.get()) {
                    random.random_range(0..hot)
                } else {
                    random.random_range(hot..count)
                }
            }
            Popularity::Zipf { exponent } | Popularity::Latest { exponent } => {
                let zipf = if u64::from(count) == self.group.count {
                    self.zipf
                } else {
                    Zipf::new(f64::from(count), exponent).ok()
                };
                let Some(zipf) = zipf else {
                    return random.random_range(0..count);
                };
                // Ranks are whole numbers from 1 to the count, which fits.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rank is from 1 to the count"
                )]
                let rank = zipf.sample(random) as u32;
                rank.clamp(1, count) - 1
            }
        }
    }

    /// How likely one of the `top` most popular members is drawn when the run
    /// begins. Exact, and for ranked groups as slow as the group is large.
    pub fn top_share(group: &Group, top: u64) -> f64 {
        let top = top.min(group.count);
        match group.popularity {
            Popularity::Uniform => top as f64 / group.count as f64,
            Popularity::Zipf { exponent } | Popularity::Latest { exponent } => {
                let weight = |rank: u64| (rank as f64).powf(-exponent);
                let of = |first: u64, last: u64| (first..=last).rev().map(weight).sum::<f64>();
                let head = of(1, top);
                head / (of(top + 1, group.count) + head)
            }
            Popularity::Hotspot { .. } => (0..top)
                .map(|member| Self::probability(group, member))
                .sum(),
        }
    }

    /// How likely each member is drawn when the run begins.
    pub fn probabilities(group: &Group) -> Vec<f64> {
        let exponent = match group.popularity {
            Popularity::Zipf { exponent } | Popularity::Latest { exponent } => exponent,
            Popularity::Uniform | Popularity::Hotspot { .. } => {
                let of = |member| Self::probability(group, member);
                return (0..group.count).map(of).collect();
            }
        };
        let weights = (1..=group.count).map(|rank| (rank as f64).powf(-exponent));
        let mut weights: Vec<f64> = weights.collect();
        // Smallest first, so that rounding does not eat the tail.
        let whole: f64 = weights.iter().rev().sum();
        for weight in &mut weights {
            *weight /= whole;
        }
        if matches!(group.popularity, Popularity::Latest { .. }) {
            weights.reverse();
        }
        weights
    }

    /// How likely a member is drawn when the run begins. Exact, and for ranked
    /// groups as slow as the group is large.
    pub fn probability(group: &Group, member: u64) -> f64 {
        let weight = |exponent: f64, rank: u64| (rank as f64).powf(-exponent);
        // Smallest first, so that rounding does not eat the tail.
        let whole = |exponent: f64| -> f64 {
            (1..=group.count)
                .rev()
                .map(|rank| weight(exponent, rank))
                .sum()
        };
        match group.popularity {
            Popularity::Uniform => 1.0 / group.count as f64,
            Popularity::Zipf { exponent } => weight(exponent, member + 1) / whole(exponent),
            Popularity::Latest { exponent } => {
                weight(exponent, group.count - member) / whole(exponent)
            }
            Popularity::Hotspot { members, draws } => {
                let hot = u64::from(hot(members.get(), narrow(group.count)));
                if hot == group.count {
                    1.0 / group.count as f64
                } else if member < hot {
                    draws.get() / hot as f64
                } else {
                    (1.0 - draws.get()) / (group.count - hot) as f64
                }
            }
        }
    }
}

/// Members of a hot spot: at least one.
fn hot(share: f64, count: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count is at most the count"
    )]
    let hot = (share * f64::from(count)).round() as u32;
    hot.clamp(1, count.max(1))
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::Shift;
    use crate::scenario::units::{Rate, Share};

    fn zipf(count: u64, exponent: f64) -> Group {
        Group {
            popularity: Popularity::Zipf { exponent },
            ..Group::of(count)
        }
    }

    fn share(share: f64) -> Share {
        Share::try_new(share).unwrap()
    }

    /// Pearson's statistic of `draws` draws against the exact probabilities.
    fn chi_square(sampler: &Sampler, group: &Group, draws: u32) -> f64 {
        let mut seen = vec![0_u32; usize::try_from(group.count).unwrap()];
        let mut random = Stream::named(1, "chi-square").generator();
        for _ in 0..draws {
            seen[sampler.draw(&mut random, Duration::ZERO) as usize] += 1;
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
        let hotspot = Popularity::Hotspot {
            members: share(0.1),
            draws: share(0.8),
        };
        let latest = Popularity::Latest { exponent: 0.9 };
        for popularity in [Popularity::Uniform, hotspot, latest] {
            let group = Group {
                popularity,
                ..Group::of(50)
            };
            let statistic = chi_square(&Sampler::new(&group), &group, 200_000);
            assert!(statistic < limit, "{popularity:?}: {statistic}");
        }
    }

    #[test]
    fn the_test_above_notices_a_slightly_wrong_exponent() {
        let statistic = chi_square(&Sampler::new(&zipf(50, 0.95)), &zipf(50, 0.9), 200_000);
        assert!(statistic > 92.3, "{statistic}");
    }

    #[test]
    fn the_most_popular_draw_what_their_probabilities_add_up_to() {
        let hotspot = Popularity::Hotspot {
            members: share(0.1),
            draws: share(0.8),
        };
        for popularity in [
            Popularity::Uniform,
            hotspot,
            Popularity::Zipf { exponent: 0.9 },
        ] {
            for top in [1, 10, 50, 99] {
                let group = Group {
                    popularity,
                    ..Group::of(50)
                };
                let sum: f64 = (0..top.min(50))
                    .map(|member| Sampler::probability(&group, member))
                    .sum();
                let share = Sampler::top_share(&group, top);
                assert!((share - sum).abs() < 1e-9, "{popularity:?} {top}");
            }
        }
    }

    #[test]
    fn probabilities_add_up() {
        for group in [
            zipf(1_000, 0.9),
            Group::of(7),
            Group {
                popularity: Popularity::Hotspot {
                    members: share(0.01),
                    draws: share(0.5),
                },
                ..Group::of(7)
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
            Group::of(1),
        ] {
            let sampler = Sampler::new(&group);
            for _ in 0..10_000 {
                assert!(
                    u64::from(sampler.draw(&mut random, Duration::ZERO)) < group.count,
                    "{group:?}"
                );
            }
        }
    }

    /// How often each of the first members is drawn at `time`.
    fn drawn(group: &Group, time: u64) -> [u32; 8] {
        let sampler = Sampler::new(group);
        let mut random = Stream::named(3, "over time").generator();
        let mut seen = [0; 8];
        for _ in 0..4_000 {
            seen[sampler.draw(&mut random, Duration::from_secs(time)) as usize] += 1;
        }
        seen
    }

    #[test]
    fn popularity_moves_on_with_each_step_of_a_shift() {
        let shifting = Group {
            shift: Some(Shift {
                every: Duration::from_secs(10),
                by: 3,
            }),
            ..zipf(8, 2.0)
        };
        let most = |time| {
            let seen = drawn(&shifting, time);
            (0..8).max_by_key(|member| seen[*member]).unwrap()
        };
        assert_eq!(
            [0, 9, 10, 20, 30].map(most),
            [0, 0, 3, 6, 1],
            "the most popular one"
        );
    }

    #[test]
    fn those_who_joined_are_drawn_and_those_who_left_are_not() {
        let hourly = |count| Rate::try_per_second(count / 3_600.0);
        let group = Group {
            growth: hourly(2.0),
            off_boarding: hourly(1.0),
            ..Group::of(3)
        };
        let present = |hours: u64| drawn(&group, hours * 3_600).map(|count| count > 0);
        let flags = |range: std::ops::Range<usize>| std::array::from_fn(|at| range.contains(&at));
        assert_eq!(present(0), flags(0..3));
        assert_eq!(present(1), flags(1..5));
        assert_eq!(present(2), flags(2..7));
    }

    #[test]
    fn the_last_member_never_leaves() {
        let group = Group {
            off_boarding: Rate::try_per_second(1.0),
            ..Group::of(4)
        };
        assert_eq!(drawn(&group, 1_000)[3], 4_000);
    }

    #[test]
    fn the_latest_member_is_the_most_popular() {
        let group = Group {
            popularity: Popularity::Latest { exponent: 2.0 },
            growth: Rate::try_per_second(1.0),
            ..Group::of(2)
        };
        let seen = drawn(&group, 4);
        assert!((0..5).all(|member| seen[member] < seen[5]), "{seen:?}");
    }
}
