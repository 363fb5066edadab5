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
