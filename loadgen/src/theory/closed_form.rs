//! What closed forms say of a flow, where its calls and its cache are what they
//! are made for.

use crate::report::model::ClosedForm;
use crate::scenario::plan::{
    Affinity, Arrivals, EmbeddedIdpPlan, Flow, Group, Load, Plan, Popularity, Start, TrafficPlan,
};

use super::keys::keys;
use super::renewal::Fetches;
use super::{BUFFER, flights_are_shared, managed_identity_advice};

/// What forms say of all flows together, or of one.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    formula: &'static str,
    calls: f64,
    fetches: Fetches,
}

impl Expected {
    /// Of `traffic`; `None` where no form covers it.
    pub(super) fn of(plan: &Plan, idp: &EmbeddedIdpPlan, traffic: &TrafficPlan) -> Option<Self> {
        let rate = steady_poisson(traffic)?;
        let is_alone = plan
            .traffic
            .iter()
            .filter(|other| kept_with(other.flow) == kept_with(traffic.flow))
            .count()
            == 1;
        let is_covered = is_alone
            && plan.faults.is_empty()
            && is_steady(plan)
            && flights_are_shared(plan)
            && (plan.cache.l1.is_some() || plan.cache.l2.is_some())
            && idp.refresh_in.is_none()
            && idp.lifetime_jitter.is_zero()
            && idp.throttles.is_empty()
            && idp.application_lifetimes.is_empty()
            && traffic.force_refresh.get() <= 0.0
            && traffic.claims.get() <= 0.0;
        if !is_covered {
            return None;
        }
        let is_stationary = match plan.start {
            Start::Cold => false,
            Start::Stationary => true,
            // What it begins with is in no formula.
            Start::Snapshot(_) => return None,
        };
        let length = plan.duration.as_secs_f64();
        let served = idp.expires_in.saturating_sub(BUFFER).as_secs_f64();
        let latency = idp.latency.token.mean().as_secs_f64();
        // Until when callers that come have to wait: they share a fetch, but each
        // sign-in is its own.
        let lasts = match traffic.flow {
            Flow::ClientCredentials => served + latency,
            Flow::AuthorizationCode if is_stationary => served + latency,
            Flow::AuthorizationCode if is_signed_in_once(plan, rate, latency) => served + latency,
            // It is said when it ends, and a slow answer leaves less of it.
            Flow::ManagedIdentity if machines_keep_tokens(plan, idp) => idp
                .managed_identity_lifetime
                .saturating_sub(BUFFER)
                .as_secs_f64(),
            // A run within the life of its first assertions sees no rotation.
            Flow::OnBehalfOf if plan.duration < idp.expires_in / 2 => served + latency,
            _ => return None,
        };
        let of_keys: Vec<(f64, Fetches)> = keys(plan, traffic.flow)
            .into_iter()
            .map(|(part, alike)| {
                let rate = rate * part;
                let fetches = if is_stationary {
                    Fetches::settled(rate, lasts, length)
                } else {
                    Fetches::of(rate, lasts, length)
                };
                (rate, fetches.times(alike))
            })
            .collect();
        let fetches = of_keys
            .iter()
            .map(|(_, of)| *of)
            .fold(Fetches::default(), Fetches::and);
        let elsewhere = if plan.cache.l2.is_some() && plan.fleet.affinity == Affinity::None {
            1.0 - 1.0 / plan.fleet.instances as f64
        } else {
            0.0
        };
        // Instances do not wait for each other, and the forms say they do: covered
        // where that is less than can be told.
        let twice: f64 = of_keys
            .iter()
            .map(|(rate, of)| of.mean * -(-rate * elsewhere * latency).exp_m1())
            .sum();
        let calls = rate * length;
        if twice > 0.25 * fetches.standard_error(calls) * calls {
            return None;
        }
        let several = plan.cache.l2.is_none() && plan.fleet.instances > 1;
        Some(Self {
            formula: match (is_stationary, latency > 0.0, several) {
                (false, _, true) => "F12 over F9 (population, instances alone), cold start",
                (false, true, false) => "F12 over F4 (population, TTL, shared fetches), cold start",
                (false, false, false) => "F12 over F1 (population, TTL), cold start",
                (true, _, true) => "F12 over F9 (population, instances alone), stationary start",
                (true, true, false) => {
                    "F12 over F4 (population, TTL, shared fetches), stationary start"
                }
                (true, false, false) => "F12 over F1 (population, TTL), stationary start",
            },
            calls,
            fetches,
        })
    }

    /// Of flows that share no key.
    pub(super) fn of_all(flows: &[Self]) -> Option<Self> {
        let first = flows.first()?;
        Some(Self {
            formula: first.formula,
            calls: flows.iter().map(|flow| flow.calls).sum(),
            fetches: flows
                .iter()
                .map(|flow| flow.fetches)
                .fold(Fetches::default(), Fetches::and),
        })
    }

    /// How far chance alone moves a hit ratio of so many calls.
    pub(super) fn standard_error(&self) -> f64 {
        self.fetches.standard_error(self.calls)
    }

    pub(super) fn beside(&self, measured: f64) -> ClosedForm {
        let hit_ratio = 1.0 - self.fetches.mean / self.calls;
        let standard_error = self.standard_error();
        ClosedForm {
            formula: self.formula.to_owned(),
            hit_ratio,
            standard_error,
            // Without any spread the least that can be told apart is one call.
            z: (measured - hit_ratio) / standard_error.max(1.0 / self.calls),
        }
    }
}

/// The rate of calls that come independently of each other, evenly over time.
fn steady_poisson(traffic: &TrafficPlan) -> Option<f64> {
    match &traffic.load {
        Load::Rate(rate) if rate.stages.is_empty() && rate.arrivals == Arrivals::Poisson => {
            Some(rate.rate.per_second())
        }
        _ => None,
    }
}

/// A flow that stands for all whose tokens are kept in the same places: calls of one find
/// what another fetched.
fn kept_with(flow: Flow) -> Flow {
    match flow {
        Flow::Silent | Flow::RefreshToken => Flow::AuthorizationCode,
        flow => flow,
    }
}

/// Whether no machine's token is replaced before its end, and those who ask for one are
/// spread over all instances or share what these have.
fn machines_keep_tokens(plan: &Plan, idp: &EmbeddedIdpPlan) -> bool {
    let advice = managed_identity_advice(idp.managed_identity_lifetime);
    let is_spread = plan.fleet.instances == 1
        || plan.cache.l2.is_some()
        || plan.fleet.affinity == Affinity::None;
    is_spread && advice.is_none_or(|advice| plan.duration < advice)
}

/// Whether nobody joins, leaves, or takes another's place.
fn is_steady(plan: &Plan) -> bool {
    let population = &plan.population;
    let stays = |group: &Group| {
        group.shift.is_none()
            && group.growth.is_none()
            && group.off_boarding.is_none()
            && !matches!(group.popularity, Popularity::Latest { .. })
    };
    [
        &population.tenants,
        &population.applications,
        &population.users,
        &population.resources,
    ]
    .into_iter()
    .all(stays)
        && population.sessions.most == 1
}

/// Whether hardly anybody comes again before their first sign-in has ended.
fn is_signed_in_once(plan: &Plan, rate: f64, latency: f64) -> bool {
    let again: f64 = keys(plan, Flow::AuthorizationCode)
        .iter()
        .map(|(part, alike)| part * alike * -(-rate * part * latency).exp_m1())
        .sum();
    // Signing in asks for one resource; a user with several signs in once.
    again < 0.002 && plan.population.resources.count == 1
}
