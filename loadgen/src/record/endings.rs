//! How each arrival ended, a letter each, by its number.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use token_cache::CacheLevel;
use token_client::{CacheRefreshReason, TokenSource};

use super::Outcome;
use crate::report::series::{MOST_OUTCOMES, Outcomes};

/// Arrivals kept together; room is made for so many at once.
const TOGETHER: usize = 1 << 14;

/// Has begun, and has not ended.
const UNDER_WAY: u8 = b'c';

/// The letters of a run's arrivals. A thread writes its arrival's letter and no
/// other, so nobody waits for anybody.
#[derive(Debug)]
pub(super) struct Endings(Box<[OnceLock<Box<[AtomicU8]>>]>);

impl Default for Endings {
    fn default() -> Self {
        Self(
            (0..MOST_OUTCOMES.div_ceil(TOGETHER))
                .map(|_| OnceLock::new())
                .collect(),
        )
    }
}

impl Endings {
    /// The arrival of this number, from 0, ended so. Beyond [`MOST_OUTCOMES`]
    /// nothing is kept.
    pub(super) fn set(&self, number: u64, letter: u8) {
        let Ok(number) = usize::try_from(number) else {
            return;
        };
        if let Some(together) = self.0.get(number / TOGETHER) {
            let new = || (0..TOGETHER).map(|_| AtomicU8::new(UNDER_WAY)).collect();
            together.get_or_init(new)[number % TOGETHER].store(letter, Ordering::Relaxed);
        }
    }

    /// The letters of the first `count` arrivals; `None` when not all were kept.
    pub(super) fn outcomes(&self, count: u64) -> Option<Outcomes> {
        let count = usize::try_from(count).ok()?;
        if count > MOST_OUTCOMES {
            return None;
        }
        let letter = |number: usize| {
            let together = self.0.get(number / TOGETHER).and_then(OnceLock::get);
            together.map_or(UNDER_WAY, |together| {
                together[number % TOGETHER].load(Ordering::Relaxed)
            })
        };
        Some(Outcomes::pack((0..count).map(letter)))
    }
}

/// An arrival that found no room.
pub(super) const DROPPED: u8 = b'n';

/// The letter of an outcome, see [`Outcomes`].
pub(super) fn letter(outcome: &Outcome<'_>) -> u8 {
    match outcome {
        Outcome::Token { metadata, .. } | Outcome::Modelled(metadata) => {
            match metadata.token_source {
                TokenSource::Cache if metadata.cache_level == CacheLevel::L2 => b'l',
                TokenSource::Cache => b'h',
                TokenSource::IdentityProvider => match metadata.cache_refresh_reason {
                    CacheRefreshReason::NoCachedAccessToken => b'm',
                    CacheRefreshReason::Expired | CacheRefreshReason::ProactivelyRefreshed => b'e',
                    CacheRefreshReason::ForceRefreshOrClaims => b'f',
                    CacheRefreshReason::CacheDisabled => b'd',
                    CacheRefreshReason::NotApplicable => b'i',
                },
            }
        }
        Outcome::Error(_) | Outcome::ModelledError { .. } | Outcome::NoSignIn => b'x',
        Outcome::Timeout => b't',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_the_order_of_arrivals_and_what_has_none_is_under_way() {
        let endings = Endings::default();
        endings.set(4, b'h');
        endings.set(0, b'm');
        endings.set(TOGETHER as u64 + 1, DROPPED);
        let outcomes = endings.outcomes(TOGETHER as u64 + 2).unwrap();
        let letters = outcomes.unpack().unwrap();
        assert_eq!(&letters[..6], b"mccchc");
        assert_eq!(letters.last(), Some(&DROPPED));
        assert_eq!(outcomes.letters, format!("mc3hc{}n", TOGETHER - 4));
    }

    #[test]
    fn too_many_arrivals_are_not_kept_at_all() {
        let endings = Endings::default();
        endings.set(u64::MAX, b'h');
        assert!(endings.outcomes(MOST_OUTCOMES as u64).is_some());
        assert_eq!(endings.outcomes(MOST_OUTCOMES as u64 + 1), None);
    }
}
