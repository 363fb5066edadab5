//! Refresh tokens that are valid once: a token that comes back after it was replaced was stolen or
//! lost, and all that descend from the same sign-in end with it.
//!
//! A sign-in's tokens are numbered, so one number for each sign-in is all that is kept.

use std::collections::HashMap;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::clock::UnixTime;

/// Sign-ins remembered. Beyond it some are forgotten, and what is forgotten is not suspected.
const MOST: usize = 262_144;

/// How often a refresh token may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokens {
    /// Until it expires, also after it was replaced, as at Entra for confidential clients.
    #[default]
    Relaxed,
    /// Once. A second use ends every refresh token of the same sign-in.
    Strict,
}

/// The sign-ins whose refresh tokens were used.
#[derive(Default)]
pub(crate) struct RefreshFamilies(Mutex<HashMap<Uuid, Family>>);

#[derive(Clone)]
struct Family {
    /// The number of the token that may be used next; `None` once the family has ended.
    next: Option<u64>,
    expires: UnixTime,
}

/// A refresh token that is not valid any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reused;

impl RefreshFamilies {
    /// Forgets what it holds for what `other` holds.
    pub(crate) fn become_like(&self, other: &Self) {
        let like = other.0.lock().clone();
        *self.0.lock() = like;
    }

    /// Uses token `number` of a family, whose tokens end at `expires` or before.
    ///
    /// # Errors
    ///
    /// A token that was used before, or one of a family in which that has happened.
    pub(crate) fn spend(
        &self,
        family: Uuid,
        number: u64,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<(), Reused> {
        let mut families = self.0.lock();
        if families.len() >= MOST && !families.contains_key(&family) {
            families.retain(|_, family| family.expires > now);
            if families.len() >= MOST {
                let mut keep = false;
                families.retain(|_, _| {
                    keep = !keep;
                    keep
                });
            }
        }
        let entry = families.entry(family).or_insert(Family {
            next: Some(number),
            expires,
        });
        entry.expires = entry.expires.max(expires);
        entry.next = match entry.next {
            Some(next) if number >= next => Some(number.saturating_add(1)),
            _ => None,
        };
        entry.next.map(|_| ()).ok_or(Reused)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_token_used_twice_ends_its_family_and_no_other() {
        let (families, now) = (RefreshFamilies::default(), Clock::system().now());
        let expires = now.plus(Duration::from_hours(1));
        let spend = |family, number| families.spend(Uuid::from_u128(family), number, expires, now);
        assert_eq!(spend(1, 0), Ok(()));
        assert_eq!(spend(2, 0), Ok(()));
        assert_eq!(spend(1, 1), Ok(()));
        assert_eq!(spend(1, 0), Err(Reused));
        assert_eq!(spend(1, 2), Err(Reused));
        assert_eq!(spend(2, 1), Ok(()));
    }

    #[test]
    fn the_families_remembered_are_bounded() {
        let (families, now) = (RefreshFamilies::default(), Clock::system().now());
        let expires = now.plus(Duration::from_hours(1));
        for family in 0..400_000 {
            assert_eq!(
                families.spend(Uuid::from_u128(family), 0, expires, now),
                Ok(())
            );
        }
        assert!(families.0.lock().len() <= MOST);
    }
}
