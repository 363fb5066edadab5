//! What happened before a run that starts stationary: the last fetch of each key,
//! as it would have been had the caches been in use for ever.
//!
//! A key that is asked for at rate l, by a token that lasts T, is fetched, served
//! for T, and fetched again by the next call, which comes after an exponential wait.
//! Seen at a moment of no meaning, it is held with probability lT / (1 + lT), its
//! token's age uniform on (0, T); else its token ended an exponential time ago. So
//! each key needs one fetch at the right moment of an hour that is lived through
//! before the first arrival, and no warm-up. Popular keys would stay in step with
//! their cold start for many lives of a token; that is why the hour is not filled
//! with ordinary calls.

use std::time::Duration;

use rand::{Rng as _, RngExt as _};

use crate::population::{PassOver, Population, Sampler, Stream, Subject};
use crate::scenario::plan::{Affinity, EmbeddedIdpPlan, Flow, Load, Plan, Start};
use crate::theory::BUFFER;

/// Keys of all flows that a stationary start fills one by one.
pub const MOST_KEYS: u64 = 1_000_000;

/// A fetch before the run.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    /// How long before the first arrival it begins; whole milliseconds.
    pub age: Duration,
    /// Which entry of `traffic` asks for it.
    pub flow_index: usize,
    /// Whom it is about.
    pub subject: Subject,
}

/// The time before a run.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// How long it is, in whole seconds; nothing for a run that starts cold.
    pub length: Duration,
    /// What is fetched in it, the longest ago first.
    pub fetches: Vec<Fetch>,
}

impl Past {
    /// The past of a run of `plan`.
    pub fn of_plan(plan: &Plan, idp: &EmbeddedIdpPlan) -> Self {
        if !matches!(plan.start, Start::Stationary) {
            return Self::default();
        }
        let mut fetches = Vec::new();
        for flow in [Flow::ClientCredentials, Flow::AuthorizationCode] {
            let of_flow = plan.traffic.iter().enumerate();
            let of_flow = of_flow.filter(|(_, traffic)| traffic.flow == flow);
            let rates = of_flow.clone().map(|(_, traffic)| match &traffic.load {
                Load::Rate(rate) => rate.rate.per_second(),
                // Validation lets no other load through.
                Load::Visits(_) | Load::Bursts(_) | Load::Trace(_) | Load::Users(_) => 0.0,
            });
            let rate = rates.sum();
            if let Some((flow_index, _)) = of_flow.clone().next() {
                fetches.extend(Keys { plan, flow }.last_fetches(idp, flow_index, rate));
            }
        }
        // Stable: what begins in one millisecond stays in the order of keys.
        fetches.sort_by_key(|fetch| std::cmp::Reverse(fetch.age));
        Self {
            length: idp.expires_in,
            fetches,
        }
    }
}

/// How many keys `plan` has, as far as a stationary start is about them.
pub fn keys(tenants: u64, users: u64, applications: u64, resources: u64, instances: u64) -> u64 {
    [applications, resources, instances]
        .into_iter()
        .fold(tenants.saturating_add(users), u64::saturating_mul)
}

/// The keys of a flow.
struct Keys<'a> {
    plan: &'a Plan,
    flow: Flow,
}

impl Keys<'_> {
    /// The last fetch of each that was asked for lately.
    fn last_fetches(&self, idp: &EmbeddedIdpPlan, flow_index: usize, rate: f64) -> Vec<Fetch> {
        let plan = self.plan;
        let population = Population::new(plan);
        let stream = Stream::named(plan.seed, &format!("start/{}", self.flow.as_str()));
        let served = idp.expires_in.saturating_sub(BUFFER).as_secs_f64();
        let groups = &plan.population;
        let whose = Sampler::probabilities(if self.flow.has_user() {
            &groups.users
        } else {
            &groups.tenants
        });
        let applications = Sampler::probabilities(&groups.applications);
        let resources = Sampler::probabilities(&groups.resources);
        // Without an L2 each instance that may be asked fetches for itself.
        let alone = plan.cache.l2.is_none() && plan.fleet.affinity == Affinity::None;
        let instances = if alone {
            plan.fleet.instances as u64
        } else {
            1
        };
        let mut fetches = Vec::new();
        let mut number = 0;
        for (who, of_who) in (0..).zip(&whose) {
            for (application, of_application) in (0..).zip(&applications) {
                for (resource, of_resource) in (0..).zip(&resources) {
                    for instance in 0..instances {
                        let mut random = stream.at(number);
                        number += 1;
                        let part = of_who * of_application * of_resource / instances as f64;
                        let age = self.age(rate * part, served, &mut random);
                        let draw = random.next_u64();
                        let Some(age) = age else { continue };
                        fetches.push(Fetch {
                            age: self.within(age, idp),
                            flow_index,
                            subject: Subject {
                                tenant: if self.flow.has_user() {
                                    population.home_tenant(who)
                                } else {
                                    who
                                },
                                application,
                                user: self.flow.has_user().then_some(who),
                                session: 0,
                                resource,
                                instance_draw: if alone { instance } else { draw },
                                pass_over: PassOver::No,
                                signs_out: false,
                                visitor: None,
                                is_last: false,
                                wording: None,
                                key_value: None,
                            },
                        });
                    }
                }
            }
        }
        fetches
    }

    /// How many seconds ago a key was fetched last; `None` where nothing is left
    /// of it.
    fn age(&self, rate: f64, served: f64, random: &mut impl rand::Rng) -> Option<f64> {
        let (held, place) = (random.random::<f64>(), random.random::<f64>());
        if rate <= 0.0 {
            return None;
        }
        if held < rate * served / (1.0 + rate * served) {
            return Some(place * served);
        }
        let ended = -(-place).ln_1p() / rate;
        // A user who came once is signed in, however long ago; of an application
        // nothing is left when its token has ended.
        (self.flow.has_user() || ended < BUFFER.as_secs_f64()).then_some(served + ended)
    }

    /// An age as the past has it: not longer than it, and long enough for the fetch
    /// to have ended.
    fn within(&self, age: f64, idp: &EmbeddedIdpPlan) -> Duration {
        let age = Duration::from_secs_f64(age.min(idp.expires_in.as_secs_f64()));
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis).max(self.plan.acquire_timeout.min(idp.expires_in))
    }
}
