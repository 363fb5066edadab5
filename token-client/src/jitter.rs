//! By how much a refresh is put off from the provider's advice.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};

use token_cache::AccessToken;
use token_cache::freshness::REFRESH_JITTER_S;
use token_cache::policy::Jitter;

/// Draws jitters. Each client has a seed of its own, so that instances refresh
/// one token at different moments.
#[derive(Debug)]
pub(crate) struct JitterSource {
    seed: u64,
    drawn: AtomicU64,
}

impl JitterSource {
    /// A source whose draws follow from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicU64::new(0),
        }
    }

    /// Whole seconds from `-REFRESH_JITTER_S` to one less than
    /// `REFRESH_JITTER_S`.
    pub(crate) fn draw(&self, jitter: Jitter, token: &AccessToken) -> i64 {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let draw = match jitter {
            Jitter::PerCall => {
                hasher.hash_one((self.seed, self.drawn.fetch_add(1, Ordering::Relaxed)))
            }
            Jitter::PerToken => hasher.hash_one((self.seed, &token.secret)),
        };
        let range = 2 * REFRESH_JITTER_S.unsigned_abs();
        i64::try_from(draw % range).unwrap_or(0) - REFRESH_JITTER_S
    }
}

#[cfg(test)]
mod tests {
    use token_cache::{Scopes, Secret, Timestamp};

    use super::*;

    const DRAWS: usize = 100_000;
    const CELLS: usize = 600;

    fn token(secret: &str) -> AccessToken {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        AccessToken::bearer(
            "login.windows.net".into(),
            "client".into(),
            "tenant".into(),
            Scopes::parse("A"),
            Secret::new(secret),
            now,
            now,
        )
    }

    /// How often each jitter was drawn, from -300 to 299; others are none.
    fn counted(draws: impl Iterator<Item = i64>) -> [usize; CELLS] {
        let mut counts = [0; CELLS];
        for draw in draws {
            let cell = usize::try_from(draw + REFRESH_JITTER_S).expect("-300 or more");
            assert!(cell < CELLS, "{draw} is 300 or more");
            counts[cell] += 1;
        }
        counts
    }

    /// Pearson's statistic, which is some 599 with a deviation of 35 for draws
    /// that favour none.
    fn chi_square(counts: &[usize; CELLS]) -> usize {
        // In units of 1/DRAWS of a draw, so that it stays with integers.
        let excess = |&count: &usize| (count * CELLS).abs_diff(DRAWS).pow(2);
        counts.iter().map(excess).sum::<usize>() / (CELLS * DRAWS)
    }

    #[test]
    fn p1_every_whole_second_of_the_range_is_as_likely_as_any_other() {
        let source = JitterSource::new(42);
        let one = token("one");
        let of_calls = counted((0..DRAWS).map(|_| source.draw(Jitter::PerCall, &one)));
        let tokens = (0..DRAWS).map(|number| token(&number.to_string()));
        let of_tokens = counted(tokens.map(|token| source.draw(Jitter::PerToken, &token)));
        for counts in [of_calls, of_tokens] {
            assert!(counts[0] > 0, "the lower bound is drawn");
            assert!(counts[CELLS - 1] > 0, "and the highest below the upper");
            let chi_square = chi_square(&counts);
            assert!((450..750).contains(&chi_square), "{chi_square}");
        }
    }

    #[test]
    fn p1_a_call_draws_anew_and_a_token_has_one_jitter_in_each_client() {
        let (source, other) = (JitterSource::new(1), JitterSource::new(2));
        let token = token("one");
        let drawn = |source: &JitterSource, jitter| {
            let draws = (0..50).map(|_| source.draw(jitter, &token));
            draws.collect::<std::collections::BTreeSet<_>>()
        };
        assert!(drawn(&source, Jitter::PerCall).len() > 40);
        let (here, there) = (
            drawn(&source, Jitter::PerToken),
            drawn(&other, Jitter::PerToken),
        );
        assert_eq!((here.len(), there.len()), (1, 1));
        assert_ne!(here, there, "instances refresh at different moments");
    }
}
