//! Why a token was fetched that an ideal cache would have had: each fetch of a
//! caller beside the tokens that the fleet was given for the same key before.
//!
//! It looks at fetches alone, so that it costs a hit nothing.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;
use token_cache::Timestamp;
use token_client::{AuthenticationResult, CacheRefreshReason, Flow as Ask};

use super::BUFFER;
use crate::population::Subject;

/// Why a token was fetched although one with time left had been given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The same instance was fetching it already.
    NoSingleFlight,
    /// The instance held it and took it for expired.
    EarlyExpiry,
    /// A full cache had let it go.
    Eviction,
    /// The caller asked for a new one.
    ForcedRefresh,
    /// L2, which had it, failed.
    L2Failure,
    /// Another instance had it in L2, where this one did not look.
    StaleInstance,
    /// The instance had begun anew since, and nothing else had kept it.
    Restart,
    /// The cache is off.
    CacheDisabled,
    /// The application's key has something in it that does not belong there.
    SplitKey,
    /// The instance had it and does not any more, for no reason known here.
    Lost,
}

impl Cause {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSingleFlight => "no_single_flight",
            Self::EarlyExpiry => "early_expiry",
            Self::Eviction => "eviction",
            Self::ForcedRefresh => "forced_refresh",
            Self::L2Failure => "l2_failure",
            Self::StaleInstance => "stale_instance",
            Self::Restart => "restart",
            Self::CacheDisabled => "cache_disabled",
            Self::SplitKey => "split_key",
            Self::Lost => "lost",
        }
    }
}

/// Where an instance and the shared store stand at some moment. Counts only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which instance, from 0.
    pub instance: usize,
    /// How often it has begun anew.
    pub generation: u64,
    /// Partitions its L1 has let go for want of room.
    pub l1_evictions: u64,
    /// Whether there is an L2.
    pub has_l2: bool,
    /// Blobs L2 has let go, or not let in, for want of room.
    pub l2_evictions: u64,
    /// Operations on L2 that failed.
    pub l2_failures: u64,
    /// Whether the application put a value of its own into the key.
    pub is_key_split: bool,
}

/// A token that was given out.
#[derive(Debug, Clone, Copy)]
struct Given {
    at: Timestamp,
    expires_on: Timestamp,
    to: Standing,
}

/// Fetches that an ideal cache would not have needed, by entry of `traffic`.
pub type Causes = BTreeMap<(usize, Cause), u64>;

/// What was given out, and why more was asked for.
#[derive(Debug, Default)]
pub struct Shadow {
    given: Mutex<HashMap<u64, Vec<Given>>>,
    /// When users last signed out.
    signed_out: Mutex<HashMap<u32, Timestamp>>,
    causes: Mutex<Causes>,
}

impl Shadow {
    /// A user signed out: what was given out for them until now is gone, as it has
    /// to be.
    pub fn signed_out(&self, user: u32, now: Timestamp) {
        self.signed_out.lock().insert(user, now);
    }

    /// An acquisition of `flow_index` ended at `now` with a token fresh from the
    /// provider, for the account of `user` if it is for one.
    pub fn fetched(
        &self,
        flow_index: usize,
        (key, user): (u64, Option<u32>),
        result: &AuthenticationResult,
        now: Timestamp,
        standing: Standing,
    ) {
        let metadata = &result.metadata;
        let is_sign_in = metadata.cache_refresh_reason == CacheRefreshReason::NotApplicable;
        let mut given = self.given.lock();
        let before = given.entry(key).or_default();
        let began = now.minus(metadata.duration_total);
        let gone = user.and_then(|user| self.signed_out.lock().get(&user).copied());
        let is_there = |given: &Given| gone.is_none_or(|gone| given.at > gone);
        before.retain(|given| is_usable(given, began) && is_there(given));
        let cause = cause(before, began, metadata.cache_refresh_reason, standing);
        before.retain(|given| given.to.instance != standing.instance || given.at > began);
        before.push(Given {
            at: now,
            expires_on: result.token.expires_on,
            to: standing,
        });
        drop(given);
        // Who comes twice at first signs in twice, whatever the cache does.
        if let Some(cause) = cause.filter(|cause| !is_sign_in || *cause != Cause::NoSingleFlight) {
            *self.causes.lock().entry((flow_index, cause)).or_default() += 1;
        }
    }

    /// What was fetched until now was preparation: given out, and nothing to explain.
    pub fn begin(&self) {
        self.causes.lock().clear();
    }

    /// What was found so far.
    pub fn causes(&self) -> Causes {
        self.causes.lock().clone()
    }
}

/// What `ask` for `subject` looks for in a cache.
pub fn key(ask: &Ask, subject: &Subject) -> u64 {
    let mut hasher = DefaultHasher::new();
    (subject.application, subject.resource).hash(&mut hasher);
    match ask {
        Ask::ClientCredentials => ("application", subject.tenant).hash(&mut hasher),
        Ask::ManagedIdentity(_) => "machine".hash(&mut hasher),
        Ask::AuthorizationCode(_) | Ask::RefreshToken(_) | Ask::Silent(_) => {
            ("user", subject.user).hash(&mut hasher);
        }
        Ask::OnBehalfOf(assertion) => assertion.hash().as_str().hash(&mut hasher),
        Ask::InitiateLongRunning(begin) => begin.session().key().hash(&mut hasher),
        Ask::InLongRunning(session) => session.key().hash(&mut hasher),
    }
    hasher.finish()
}

fn is_usable(given: &Given, at: Timestamp) -> bool {
    given.expires_on.since(at) > BUFFER
}

fn cause(
    before: &[Given],
    began: Timestamp,
    reason: CacheRefreshReason,
    now: Standing,
) -> Option<Cause> {
    if before.is_empty() {
        return None;
    }
    match reason {
        CacheRefreshReason::ForceRefreshOrClaims => return Some(Cause::ForcedRefresh),
        CacheRefreshReason::CacheDisabled => return Some(Cause::CacheDisabled),
        _ => {}
    }
    let here =
        |given: &&Given| given.to.instance == now.instance && given.to.generation == now.generation;
    if before.iter().filter(here).any(|given| given.at > began) {
        return Some(Cause::NoSingleFlight);
    }
    let mut earlier = before.iter().filter(|given| given.at <= began);
    let last = before
        .iter()
        .filter(|given| given.at <= began)
        .max_by_key(|given| (here(given), given.at))?;
    let l2_failed = now.has_l2 && now.l2_failures > last.to.l2_failures;
    let l2_evicted = now.l2_evictions > last.to.l2_evictions;
    if here(&last) {
        return Some(if reason == CacheRefreshReason::Expired {
            Cause::EarlyExpiry
        } else if l2_failed {
            Cause::L2Failure
        } else if now.l1_evictions > last.to.l1_evictions || l2_evicted {
            Cause::Eviction
        } else {
            Cause::Lost
        });
    }
    if now.has_l2 {
        return Some(if l2_failed {
            Cause::L2Failure
        } else if l2_evicted {
            Cause::Eviction
        } else {
            Cause::StaleInstance
        });
    }
    // Instances that share nothing fetch for themselves, each once.
    earlier
        .any(|given| given.to.instance == now.instance)
        .then_some(Cause::Restart)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    fn given(at_s: u64, to: Standing) -> Given {
        Given {
            at: at(at_s),
            expires_on: at(10_000),
            to,
        }
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        use CacheRefreshReason::{Expired, ForceRefreshOrClaims, NoCachedAccessToken};
        let alone = Standing::default();
        let shared = Standing {
            has_l2: true,
            ..alone
        };
        let of = |instance| Standing { instance, ..shared };
        let cases = [
            (
                given(10, alone),
                NoCachedAccessToken,
                Standing {
                    instance: 1,
                    ..alone
                },
                None,
            ),
            (
                given(10, alone),
                ForceRefreshOrClaims,
                alone,
                Some(Cause::ForcedRefresh),
            ),
            (
                given(60, alone),
                NoCachedAccessToken,
                alone,
                Some(Cause::NoSingleFlight),
            ),
            // Two instances that find nothing fetch both.
            (given(60, shared), NoCachedAccessToken, of(1), None),
            (given(10, alone), Expired, alone, Some(Cause::EarlyExpiry)),
            (
                given(10, alone),
                NoCachedAccessToken,
                alone,
                Some(Cause::Lost),
            ),
            (
                given(10, alone),
                NoCachedAccessToken,
                Standing {
                    l1_evictions: 1,
                    ..alone
                },
                Some(Cause::Eviction),
            ),
            (
                given(10, alone),
                NoCachedAccessToken,
                Standing {
                    generation: 1,
                    ..alone
                },
                Some(Cause::Restart),
            ),
            (
                given(10, shared),
                Expired,
                of(1),
                Some(Cause::StaleInstance),
            ),
            (
                given(10, shared),
                NoCachedAccessToken,
                Standing {
                    l2_failures: 3,
                    ..of(1)
                },
                Some(Cause::L2Failure),
            ),
            (
                given(10, shared),
                NoCachedAccessToken,
                Standing {
                    l2_evictions: 3,
                    ..of(1)
                },
                Some(Cause::Eviction),
            ),
        ];
        for (before, reason, now, expected) in cases {
            assert_eq!(
                cause(&[before], at(50), reason, now),
                expected,
                "{before:?} {now:?}"
            );
        }
        assert_eq!(cause(&[], at(50), Expired, alone), None);
    }

    #[test]
    fn a_token_inside_the_buffer_is_none_that_a_cache_could_have_served() {
        let given = given(10, Standing::default());
        assert!(is_usable(&given, at(9_699)));
        assert!(!is_usable(&given, at(9_700)));
    }
}
