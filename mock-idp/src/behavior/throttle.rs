//! Throttling: how much a tenant, a client or an address may ask for, and what it is told beyond.
//!
//! All times are of the server's clock, so that a paused runtime drives them too.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::RetryAfter;
use super::matcher::Matcher;
use super::rule::{RuleError, is_name};
use crate::duration::as_text;
use crate::request::RequestContext;

/// Keys a policy keeps count of. Beyond it all begin anew.
const MOST_KEYS: usize = 262_144;

/// Requests a loop may be made of: their times are remembered.
const LONGEST_LOOP: u32 = 10_000;

/// A limit, the requests it is about, and whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThrottlePolicy {
    /// What it is called, as a [`Rule`](super::rule::Rule) is.
    pub name: String,
    /// The requests it is about.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// Whose requests are counted together.
    pub per: ThrottleBy,
    /// How many are served.
    pub limit: ThrottleLimit,
    /// What those above are told; the time until one more is served when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleBy {
    /// Everybody's.
    Everyone,
    /// Those to one tenant.
    Tenant,
    /// Those of one application.
    Client,
    /// Those of one application to one tenant.
    TenantAndClient,
    /// Those from one address.
    Ip,
    /// Those for one set of scopes.
    Scopes,
    /// Those of one application to one tenant for one set of scopes.
    TenantClientAndScopes,
}

/// How many requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ThrottleLimit {
    /// A token bucket; those above are answered with 429 and AADSTS90055.
    Rate {
        /// Requests a second in the long run; above zero.
        per_second: f64,
        /// Requests at once after a pause; at least one.
        burst: u32,
    },
    /// So many at a time; those above are answered with 429 and AADSTS90055.
    Concurrency {
        /// At least one.
        requests: u32,
    },
    /// A client that goes round in circles: those above are answered with AADSTS50196.
    Loop {
        /// So many are served, 1 to 10 000,
        requests: u32,
        /// in any stretch of time of this length.
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        within: Duration,
    },
}

/// The kinds of limits, as counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleKind {
    /// [`ThrottleLimit::Rate`]
    Rate,
    /// [`ThrottleLimit::Concurrency`]
    Concurrency,
    /// [`ThrottleLimit::Loop`]
    Loop,
}

impl ThrottleKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rate, Self::Concurrency, Self::Loop];

    /// The name in policies and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Loop => "loop",
        }
    }
}

impl ThrottlePolicy {
    /// The instance metadata service's: 20 requests a second and 5 at a time, for everybody on the
    /// machine together.
    pub fn imds(matcher: &Matcher) -> [Self; 2] {
        let policy = |name: &str, limit| Self {
            name: name.to_owned(),
            matcher: matcher.clone(),
            per: ThrottleBy::Everyone,
            limit,
            retry_after: None,
        };
        [
            policy(
                "imds-rate",
                ThrottleLimit::Rate {
                    per_second: 20.0,
                    burst: 20,
                },
            ),
            policy(
                "imds-concurrency",
                ThrottleLimit::Concurrency { requests: 5 },
            ),
        ]
    }

    /// AADSTS50196 for an application that asks for the same scopes of a tenant too often.
    pub fn loop_detection(requests: u32, within: Duration) -> Self {
        Self {
            name: "loop-detection".to_owned(),
            matcher: Matcher::default(),
            per: ThrottleBy::TenantClientAndScopes,
            limit: ThrottleLimit::Loop { requests, within },
            retry_after: None,
        }
    }

    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    ///
    /// A name that is none, a limit that serves nobody or cannot be kept, or a matcher that makes
    /// no sense.
    pub fn validate(&self) -> Result<(), RuleError> {
        let limit = match self.limit {
            ThrottleLimit::Rate { per_second, burst } => {
                per_second.is_finite() && per_second > 0.0 && burst > 0
            }
            ThrottleLimit::Concurrency { requests } => requests > 0,
            ThrottleLimit::Loop { requests, within } => {
                (1..=LONGEST_LOOP).contains(&requests) && !within.is_zero()
            }
        };
        let checked = if !is_name(&self.name) {
            Err("the name must be 1 to 64 of a-z, 0-9, -, _ and .".to_owned())
        } else if !limit {
            Err("the limit serves nobody, or cannot be kept".to_owned())
        } else {
            self.matcher.validate()
        };
        checked.map_err(|what| RuleError {
            name: self.name.clone(),
            what,
        })
    }

    fn kind(&self) -> ThrottleKind {
        match self.limit {
            ThrottleLimit::Rate { .. } => ThrottleKind::Rate,
            ThrottleLimit::Concurrency { .. } => ThrottleKind::Concurrency,
            ThrottleLimit::Loop { .. } => ThrottleKind::Loop,
        }
    }
}

/// A request that is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) kind: ThrottleKind,
    pub(crate) retry_after: RetryAfter,
}

/// Places that a served request takes until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Permits(#[expect(dead_code, reason = "held, not read")] Vec<Arc<()>>);

/// The policies in force.
pub(crate) struct Throttles(Mutex<Vec<Active>>);

struct Active {
    policy: ThrottlePolicy,
    keys: HashMap<u64, Use>,
    /// Keys left after the last sweep; the next is due at twice as many.
    swept_to: usize,
}

/// What one key has used.
enum Use {
    Bucket {
        left: f64,
        at: Duration,
    },
    /// As many clones of it as requests are open.
    Open(Arc<()>),
    Times(VecDeque<Duration>),
}

impl Throttles {
    pub(crate) fn new(policies: Vec<ThrottlePolicy>) -> Result<Self, RuleError> {
        let empty = Self(Mutex::default());
        empty.replace_all(policies)?;
        Ok(empty)
    }

    /// Puts these policies in force and no others, each anew; nothing changes when one makes no
    /// sense.
    pub(crate) fn replace_all(&self, policies: Vec<ThrottlePolicy>) -> Result<(), RuleError> {
        for (place, policy) in policies.iter().enumerate() {
            policy.validate()?;
            let mut others = policies[..place].iter();
            if others.any(|other| other.name == policy.name) {
                return Err(RuleError {
                    name: policy.name.clone(),
                    what: "there are two of this name".to_owned(),
                });
            }
        }
        *self.0.lock() = policies.into_iter().map(Active::new).collect();
        Ok(())
    }

    /// Puts a policy in force; one of the same name ends.
    pub(crate) fn set(&self, policy: ThrottlePolicy) -> Result<(), RuleError> {
        policy.validate()?;
        let active = Active::new(policy);
        let mut policies = self.0.lock();
        match policies
            .iter_mut()
            .find(|known| known.policy.name == active.policy.name)
        {
            Some(known) => *known = active,
            None => policies.push(active),
        }
        Ok(())
    }

    /// Ends a policy; whether there was one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut policies = self.0.lock();
        let before = policies.len();
        policies.retain(|active| active.policy.name != name);
        policies.len() < before
    }

    pub(crate) fn list(&self) -> Vec<ThrottlePolicy> {
        let policies = self.0.lock();
        policies
            .iter()
            .map(|active| active.policy.clone())
            .collect()
    }

    /// Serves a request or not, `now` after the server started. A request that one policy refuses
    /// has used up what the policies before it gave.
    pub(crate) fn admit(
        &self,
        request: &RequestContext,
        now: Duration,
    ) -> Result<Permits, Throttled> {
        let mut permits = Vec::new();
        for active in self.0.lock().iter_mut() {
            if active.policy.matcher.fits(request) {
                permits.extend(active.admit(request, now)?);
            }
        }
        Ok(Permits(permits))
    }
}

impl Active {
    fn new(policy: ThrottlePolicy) -> Self {
        Self {
            policy,
            keys: HashMap::new(),
            swept_to: 0,
        }
    }

    fn admit(
        &mut self,
        request: &RequestContext,
        now: Duration,
    ) -> Result<Option<Arc<()>>, Throttled> {
        self.sweep(now);
        let limit = self.policy.limit;
        let used = self
            .keys
            .entry(key(self.policy.per, request))
            .or_insert_with(|| Use::new(limit, now));
        let admitted = used.admit(limit, now);
        admitted.map_err(|wait| Throttled {
            kind: self.policy.kind(),
            retry_after: self.policy.retry_after.unwrap_or_else(|| in_seconds(wait)),
        })
    }

    /// Forgets the keys that have nothing used.
    fn sweep(&mut self, now: Duration) {
        if self.keys.len() < 1024.max(self.swept_to * 2) && self.keys.len() <= MOST_KEYS {
            return;
        }
        let limit = self.policy.limit;
        self.keys.retain(|_, used| !used.is_idle(limit, now));
        if self.keys.len() > MOST_KEYS {
            self.keys.clear();
        }
        self.swept_to = self.keys.len();
    }
}

/// Whole seconds, as `Retry-After` has them: never too early, and at least one.
fn in_seconds(wait: Duration) -> RetryAfter {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    RetryAfter::Seconds(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX))
}

fn key(per: ThrottleBy, request: &RequestContext) -> u64 {
    let client = request.client_id.to_ascii_lowercase();
    let mut hasher = DefaultHasher::new();
    match per {
        ThrottleBy::Everyone => {}
        ThrottleBy::Tenant => request.tenant.hash(&mut hasher),
        ThrottleBy::Client => client.hash(&mut hasher),
        ThrottleBy::TenantAndClient => (&request.tenant, client).hash(&mut hasher),
        ThrottleBy::Ip => request.peer.hash(&mut hasher),
        ThrottleBy::Scopes => request.scopes.hash(&mut hasher),
        ThrottleBy::TenantClientAndScopes => {
            (&request.tenant, client, &request.scopes).hash(&mut hasher);
        }
    }
    hasher.finish()
}

impl Use {
    fn new(limit: ThrottleLimit, now: Duration) -> Self {
        match limit {
            ThrottleLimit::Rate { burst, .. } => Self::Bucket {
                left: f64::from(burst),
                at: now,
            },
            ThrottleLimit::Concurrency { .. } => Self::Open(Arc::default()),
            ThrottleLimit::Loop { .. } => Self::Times(VecDeque::new()),
        }
    }

    /// Takes one; or says how long until there is one again.
    fn admit(&mut self, limit: ThrottleLimit, now: Duration) -> Result<Option<Arc<()>>, Duration> {
        match (self, limit) {
            (Self::Bucket { left, at }, ThrottleLimit::Rate { per_second, burst }) => {
                let refilled = now.saturating_sub(*at).as_secs_f64() * per_second;
                *left = (*left + refilled).min(f64::from(burst));
                *at = now;
                // A hair less than one is one: what is added up a tick at a time never is.
                if *left < 1.0 - 1e-9 {
                    let wait = (1.0 - *left) / per_second;
                    return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
                }
                *left -= 1.0;
                Ok(None)
            }
            (Self::Open(open), ThrottleLimit::Concurrency { requests }) => {
                let others = Arc::strong_count(open) - 1;
                if others >= usize::try_from(requests).unwrap_or(usize::MAX) {
                    return Err(Duration::from_secs(1));
                }
                Ok(Some(Arc::clone(open)))
            }
            (Self::Times(times), ThrottleLimit::Loop { requests, within }) => {
                while times.front().is_some_and(|time| *time + within <= now) {
                    times.pop_front();
                }
                match times.front() {
                    Some(first) if times.len() >= usize::try_from(requests).unwrap_or(0) => {
                        Err((*first + within).saturating_sub(now))
                    }
                    _ => {
                        times.push_back(now);
                        Ok(None)
                    }
                }
            }
            // A policy's limit never changes, so what it keeps is always of its kind.
            _ => Ok(None),
        }
    }

    fn is_idle(&self, limit: ThrottleLimit, now: Duration) -> bool {
        match (self, limit) {
            (Self::Bucket { left, at }, ThrottleLimit::Rate { per_second, burst }) => {
                let refilled = now.saturating_sub(*at).as_secs_f64() * per_second;
                left + refilled >= f64::from(burst)
            }
            (Self::Open(open), _) => Arc::strong_count(open) == 1,
            (Self::Times(times), ThrottleLimit::Loop { within, .. }) => {
                times.back().is_none_or(|time| *time + within <= now)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
