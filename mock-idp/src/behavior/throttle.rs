//! Throttling: how much a tenant, a client or an address may ask for, and what it is told beyond.
//!
//! All times are of the server's clock, so that a paused runtime drives them too.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::form::Form;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn request(tenant: &str, client: &str, scope: &str) -> RequestContext {
        let (parts, ()) = http::Request::new(()).into_parts();
        let body = format!("grant_type=client_credentials&client_id={client}&scope={scope}");
        let form = Form::parse(body.as_bytes()).unwrap();
        RequestContext::of_token_request(tenant, &parts, Some(&form), Uuid::nil())
    }

    fn throttles(text: &str) -> Throttles {
        Throttles::new(vec![serde_json::from_str(text).unwrap()]).unwrap()
    }

    /// The seconds after which a request may come again, or none when it is served.
    fn ask(throttles: &Throttles, request: &RequestContext, at: Duration) -> Option<u32> {
        match throttles.admit(request, at) {
            Ok(_) => None,
            Err(Throttled {
                retry_after: RetryAfter::Seconds(seconds),
                ..
            }) => Some(seconds),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bucket_serves_its_burst_and_then_its_rate() {
        let throttles = throttles(
            r#"{"name":"a","per":"everyone","limit":{"rate":{"per_second":0.5,"burst":3}}}"#,
        );
        let request = request("common", "a", "s");
        let ask = |at| ask(&throttles, &request, at);
        assert_eq!([ask(MS(0)), ask(MS(0)), ask(MS(0))], [None; 3]);
        assert_eq!(ask(MS(0)), Some(2));
        assert_eq!(ask(MS(500)), Some(2), "a second and a half, rounded up");
        assert_eq!(ask(MS(1500)), Some(1));
        assert_eq!(ask(MS(2000)), None);
        assert_eq!(ask(MS(2000)), Some(2));
        let later = Duration::from_hours(1);
        assert_eq!([ask(later), ask(later), ask(later)], [None; 3]);
        assert_eq!(
            ask(later),
            Some(2),
            "a pause fills the bucket no higher than its burst"
        );
    }

    #[test]
    fn a_long_run_is_served_at_the_rate() {
        let [rate, _] = ThrottlePolicy::imds(&Matcher::default());
        let throttles = Throttles::new(vec![rate]).unwrap();
        let request = request("common", "a", "s");
        let served = (0..60_000).filter(|&at| ask(&throttles, &request, MS(at)).is_none());
        assert_eq!(served.count(), 20 + 20 * 60 - 1);
    }

    #[test]
    fn the_imds_profile_serves_five_at_a_time() {
        let [_, concurrency] = ThrottlePolicy::imds(&Matcher::default());
        let throttles = Throttles::new(vec![concurrency]).unwrap();
        let request = request("common", "a", "s");
        let admit = || throttles.admit(&request, MS(0));
        let mut held: Vec<_> = (0..5).map(|_| admit().unwrap()).collect();
        let refused = admit().unwrap_err();
        assert_eq!(refused.kind, ThrottleKind::Concurrency);
        assert_eq!(refused.retry_after, RetryAfter::Seconds(1));
        held.pop();
        assert!(admit().is_ok());
    }

    #[test]
    fn a_loop_is_more_than_so_many_within_any_stretch() {
        let policy = ThrottlePolicy::loop_detection(3, Duration::from_secs(10));
        let throttles = Throttles::new(vec![policy]).unwrap();
        let request = request("common", "a", "s");
        let served = |second| {
            let admitted = throttles.admit(&request, Duration::from_secs(second));
            admitted.map(|_| ()).map_err(|throttled| throttled.kind)
        };
        for (second, expected) in [
            (0, Ok(())),
            (4, Ok(())),
            (8, Ok(())),
            (9, Err(ThrottleKind::Loop)),
            (10, Ok(())),
            (11, Err(ThrottleKind::Loop)),
            (14, Ok(())),
        ] {
            assert_eq!(served(second), expected, "at {second} s");
        }
    }

    #[test]
    fn each_key_has_a_count_of_its_own() {
        let base = request("contoso.com", "a", "s");
        let others = [
            ("everyone", [true, true, true]),
            ("tenant", [false, true, true]),
            ("client", [true, false, true]),
            ("tenant_and_client", [false, false, true]),
            ("scopes", [true, true, false]),
            ("tenant_client_and_scopes", [false, false, false]),
            ("ip", [true, true, true]),
        ];
        for (per, shared) in others {
            for (other, shared) in [
                request("fabrikam.com", "a", "s"),
                request("contoso.com", "b", "s"),
                request("contoso.com", "a", "t"),
            ]
            .iter()
            .zip(shared)
            {
                let throttles = throttles(&format!(
                    r#"{{"name":"a","per":"{per}","limit":{{"rate":{{"per_second":1,"burst":1}}}}}}"#
                ));
                assert_eq!(ask(&throttles, &base, MS(0)), None);
                assert_eq!(ask(&throttles, other, MS(0)).is_some(), shared, "{per}");
            }
        }
    }

    #[test]
    fn keys_that_have_nothing_used_are_forgotten() {
        let throttles =
            throttles(r#"{"name":"a","per":"client","limit":{"rate":{"per_second":1,"burst":1}}}"#);
        for number in 0..20_000 {
            ask(
                &throttles,
                &request("common", &number.to_string(), "s"),
                MS(number * 10),
            );
        }
        let kept = throttles.0.lock()[0].keys.len();
        assert!(kept < 3_000, "{kept}");
    }

    #[test]
    fn impossible_policies_are_refused() {
        for text in [
            r#"{"name":"A","per":"ip","limit":{"concurrency":{"requests":1}}}"#,
            r#"{"name":"a","per":"ip","limit":{"concurrency":{"requests":0}}}"#,
            r#"{"name":"a","per":"ip","limit":{"rate":{"per_second":0,"burst":1}}}"#,
            r#"{"name":"a","per":"ip","limit":{"rate":{"per_second":1,"burst":0}}}"#,
            r#"{"name":"a","per":"ip","limit":{"loop":{"requests":1,"within":"0s"}}}"#,
            r#"{"name":"a","per":"ip","limit":{"loop":{"requests":99999,"within":"1s"}}}"#,
            r#"{"name":"a","match":{"endpoint":"x"},"per":"ip","limit":{"concurrency":{"requests":1}}}"#,
        ] {
            let policy: ThrottlePolicy = serde_json::from_str(text).unwrap();
            assert!(policy.validate().is_err(), "{text}");
        }
        let text = r#"{"name":"a","limit":{"concurrency":{"requests":1}}}"#;
        assert!(
            serde_json::from_str::<ThrottlePolicy>(text).is_err(),
            "without `per`"
        );
    }
}
