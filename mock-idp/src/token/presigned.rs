//! Access tokens that are handed out more than once, for a server that has to answer faster than it
//! can sign.
//!
//! A token is repeated only where a fresh one would say the same except for its random members: to
//! the same application, for the same scopes, by the same settings, and while the key that signed
//! it signs. What an answer says about its token is that token's own: it ends when it ends.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::Validity;
use crate::clock::UnixTime;
use crate::directory::application::Authentication;
use crate::endpoint::Version;

/// Pools kept, one for each kind of token: some 25 MB at 16 tokens each. What does not fit is
/// signed afresh.
const MOST_POOLS: usize = 1024;

/// The part of its life that a token may lose in the pool, and the longest time.
const LIFE_LOST: u32 = 100;
const LONGEST_KEPT: Duration = Duration::from_mins(1);

/// What tokens that may stand for each other have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Likeness {
    /// Which settings they were made by.
    pub(crate) settings: u64,
    pub(crate) version: Version,
    pub(crate) tenant_id: Uuid,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) authentication: Authentication,
    pub(crate) scopes: String,
    pub(crate) is_continuous: bool,
}

/// A token, and what its answer says about it.
#[derive(Clone)]
pub(crate) struct SignedToken {
    pub(crate) text: String,
    pub(crate) validity: Validity,
    pub(crate) ends: UnixTime,
}

/// The tokens of one identity provider that may be handed out again.
#[derive(Default)]
pub(crate) struct PresignedTokens(Mutex<HashMap<Likeness, Pool>>);

#[derive(Default)]
struct Pool {
    tokens: Vec<Pooled>,
    /// Tokens being signed for it.
    awaited: usize,
    /// Handed out before.
    turn: usize,
}

struct Pooled {
    token: SignedToken,
    /// The key that signed it.
    kid: String,
    signed: UnixTime,
}

/// What a request gets.
pub(crate) enum Drawn<'a> {
    /// A token, signed before.
    Presigned(SignedToken),
    /// Leave to sign one for the pool.
    Vacancy(Vacancy<'a>),
    /// Neither: sign one and keep it.
    Nothing,
}

/// A place in a pool for a token to be signed. Given back when it is dropped.
pub(crate) struct Vacancy<'a> {
    pools: &'a PresignedTokens,
    likeness: Likeness,
}

impl PresignedTokens {
    /// A token like this that the key `kid` signed, out of up to `size` different ones in turn. As
    /// long as there are fewer, and when one has been there for half its time, whoever comes signs
    /// one.
    pub(crate) fn draw(
        &self,
        likeness: Likeness,
        size: NonZeroUsize,
        kid: &str,
        now: UnixTime,
    ) -> Drawn<'_> {
        let mut pools = self.0.lock();
        if !pools.contains_key(&likeness) && pools.len() >= MOST_POOLS {
            for pool in pools.values_mut() {
                pool.tokens.retain(|token| token.is_usable(now, 1));
            }
            pools.retain(|_, pool| pool.awaited > 0 || !pool.tokens.is_empty());
            if pools.len() >= MOST_POOLS {
                return Drawn::Nothing;
            }
        }
        let pool = pools.entry(likeness.clone()).or_default();
        pool.tokens
            .retain(|token| token.kid == kid && token.is_usable(now, 1));
        let young = pool.tokens.iter();
        let young = young.filter(|token| token.is_usable(now, 2)).count();
        if young + pool.awaited < size.get() {
            pool.awaited += 1;
            return Drawn::Vacancy(Vacancy {
                pools: self,
                likeness,
            });
        }
        pool.turn = pool.turn.wrapping_add(1);
        match pool.tokens.get(pool.turn % pool.tokens.len().max(1)) {
            Some(pooled) => Drawn::Presigned(pooled.token.clone()),
            None => Drawn::Nothing,
        }
    }
}

impl Pooled {
    /// Whether it has been there for less than a `part` of the longest time, and signed by now: the
    /// clock may go back.
    fn is_usable(&self, now: UnixTime, part: u32) -> bool {
        let life = self.token.ends.since(self.signed);
        let longest = LONGEST_KEPT.min(life / LIFE_LOST) / part;
        self.signed <= now && now.since(self.signed) <= longest && now < self.token.ends
    }
}

impl Vacancy<'_> {
    /// Puts a token there, in the place of the oldest if the pool is full.
    pub(crate) fn fill(
        self,
        token: SignedToken,
        size: NonZeroUsize,
        kid: String,
        signed: UnixTime,
    ) {
        let mut pools = self.pools.0.lock();
        let Some(pool) = pools.get_mut(&self.likeness) else {
            return;
        };
        if pool.tokens.len() >= size.get() {
            pool.tokens.remove(0);
        }
        pool.tokens.push(Pooled { token, kid, signed });
        drop(pools);
    }
}

impl Drop for Vacancy<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pools.0.lock().get_mut(&self.likeness) {
            pool.awaited = pool.awaited.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SIZE: NonZeroUsize = NonZeroUsize::new(3).unwrap();
    const HOUR: Duration = Duration::from_hours(1);

    fn likeness(client_id: &str) -> Likeness {
        Likeness {
            settings: 1,
            version: Version::V2,
            tenant_id: Uuid::nil(),
            issuer: "https://idp".to_owned(),
            client_id: client_id.to_owned(),
            authentication: Authentication::Secret,
            scopes: "api://x .default".to_owned(),
            is_continuous: false,
        }
    }

    /// The token drawn, or one signed as `text` for the vacancy there is.
    fn draw(pools: &PresignedTokens, text: &str, kid: &str, now: UnixTime) -> String {
        match pools.draw(likeness("app"), SIZE, kid, now) {
            Drawn::Presigned(token) => token.text,
            Drawn::Nothing => panic!("nothing for {text}"),
            Drawn::Vacancy(vacancy) => {
                let token = SignedToken {
                    text: text.to_owned(),
                    validity: Validity::new(now, HOUR),
                    ends: now.plus(HOUR),
                };
                vacancy.fill(token, SIZE, kid.to_owned(), now);
                text.to_owned()
            }
        }
    }

    #[test]
    fn as_many_different_tokens_as_asked_for_are_handed_out_in_turn() {
        let (pools, now) = (PresignedTokens::default(), Clock::fixed().now());
        for text in ["a", "b", "c"] {
            assert_eq!(draw(&pools, text, "k", now), text);
        }
        let mut again: Vec<_> = (0..6).map(|_| draw(&pools, "fresh", "k", now)).collect();
        again.sort();
        assert_eq!(again, ["a", "a", "b", "b", "c", "c"]);
    }

    #[test]
    fn a_token_leaves_before_it_has_lost_a_hundredth_of_its_life() {
        let (pools, start) = (PresignedTokens::default(), Clock::fixed().now());
        for text in ["a", "b", "c"] {
            draw(&pools, text, "k", start);
        }
        // From half the time on they are replaced one by one, and serve meanwhile.
        let middle = start.plus(Duration::from_secs(20));
        assert_eq!(draw(&pools, "d", "k", middle), "d");
        let end = start.plus(Duration::from_secs(37));
        let drawn: Vec<_> = ["e", "f"].map(|text| draw(&pools, text, "k", end)).into();
        assert_eq!(drawn, ["e", "f"]);
        let drawn: Vec<_> = (0..9).map(|_| draw(&pools, "fresh", "k", end)).collect();
        assert!(
            drawn.iter().all(|text| "def".contains(text.as_str())),
            "{drawn:?}"
        );
    }

    #[test]
    fn another_key_another_request_and_a_clock_set_back_get_fresh_tokens() {
        let (pools, now) = (PresignedTokens::default(), Clock::fixed().now());
        for text in ["a", "b", "c"] {
            draw(&pools, text, "k", now);
        }
        let other = pools.draw(likeness("other"), SIZE, "k", now);
        assert!(matches!(other, Drawn::Vacancy(_)));
        drop(other);
        assert_eq!(draw(&pools, "rolled", "l", now), "rolled");
        let before = now.minus(HOUR);
        assert_eq!(draw(&pools, "earlier", "l", before), "earlier");
    }

    #[test]
    fn only_as_many_sign_for_a_pool_as_it_has_places() {
        let (pools, now) = (PresignedTokens::default(), Clock::fixed().now());
        let mut vacancies: Vec<_> = (0..3)
            .map(|_| pools.draw(likeness("app"), SIZE, "k", now))
            .collect();
        assert!(
            vacancies
                .iter()
                .all(|drawn| matches!(drawn, Drawn::Vacancy(_)))
        );
        let fourth = pools.draw(likeness("app"), SIZE, "k", now);
        assert!(matches!(fourth, Drawn::Nothing));
        // One of them was cancelled.
        vacancies.pop();
        assert_eq!(draw(&pools, "a", "k", now), "a");
    }

    #[test]
    fn pools_are_bounded_and_stale_ones_make_room() {
        let (pools, now) = (PresignedTokens::default(), Clock::fixed().now());
        let ask = |number: usize, now| {
            let drawn = pools.draw(likeness(&number.to_string()), SIZE, "k", now);
            let Drawn::Vacancy(vacancy) = drawn else {
                return false;
            };
            let token = SignedToken {
                text: String::new(),
                validity: Validity::new(now, HOUR),
                ends: now.plus(HOUR),
            };
            vacancy.fill(token, SIZE, "k".to_owned(), now);
            true
        };
        assert!((0..MOST_POOLS).all(|number| ask(number, now)));
        assert!(!ask(MOST_POOLS, now), "one too many");
        assert!(ask(MOST_POOLS, now.plus(HOUR)));
        assert_eq!(pools.0.lock().len(), 1);
    }
}
