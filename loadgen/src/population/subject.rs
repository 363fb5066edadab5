//! Whom an arrival is about.

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt as _};
use rand_distr::{Distribution as _, LogNormal};

use super::sampler::Sampler;
use super::stream::{Stream, mix};
use crate::arrival::Arrival;
use crate::scenario::plan::{Affinity, FleetPlan, Flow, Load, Plan, SessionsPlan, TraceRow};

/// The groups of a scenario, ready to be drawn from.
#[derive(Debug, Clone)]
pub struct Population {
    seed: u64,
    tenants: Sampler,
    applications: Sampler,
    users: Sampler,
    resources: Sampler,
    sessions: SessionsPlan,
    homes: Stream,
    session_counts: Stream,
    /// By entry of `traffic`; what a trace says goes before what is drawn.
    traces: Vec<Option<Arc<[TraceRow]>>>,
    /// By entry of `traffic`: part of the calls that force a refresh, and part
    /// that bring claims.
    passing_over: Vec<[f64; 2]>,
    /// By entry of `traffic`: whether requests are reworded, and how many values
    /// go into the cache key.
    wordings: Vec<(bool, u32)>,
    /// By entry of `traffic`: whether users come in visits.
    come_in_visits: Vec<bool>,
}

/// Whom one arrival is about, as numbers from 0 within each group, and what is
/// special about how it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The tenant; a user's home tenant in flows with a user.
    pub tenant: u32,
    /// The client application.
    pub application: u32,
    /// The user; `None` in app-only flows.
    pub user: Option<u32>,
    /// Which of the user's sessions, from 0; 0 in app-only flows.
    pub session: u32,
    /// The protected resource.
    pub resource: u32,
    /// A random number that chooses the instance where affinity does not.
    pub instance_draw: u64,
    /// Whether it passes over cached access tokens.
    pub pass_over: PassOver,
    /// Whether the user signs out after it.
    pub signs_out: bool,
    /// Whose visits it belongs to, where users come in visits: the entry of
    /// `traffic`, and the number of the session there. Who returns is in the same.
    pub visitor: Option<(u32, u64)>,
    /// Whether it is the last call of such a session, in whatever way that ends.
    pub is_last: bool,
    /// A random number that chooses other words for the same request; `None`
    /// for the usual ones.
    pub wording: Option<u32>,
    /// A value that the application puts into the cache key beside what
    /// belongs there, if it does.
    pub key_value: Option<u32>,
}

/// Why a call passes over cached access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PassOver {
    /// It does not.
    No,
    /// The caller forces a refresh.
    ForceRefresh,
    /// The resource sent a claims challenge.
    Claims,
}

/// The draws of one entry of `traffic`.
#[derive(Debug, Clone, Copy)]
pub struct FlowPopulation<'a> {
    population: &'a Population,
    streams: FlowStreams,
}

/// Where the draws of one entry of `traffic` come from.
#[derive(Debug, Clone, Copy)]
pub struct FlowStreams {
    has_user: bool,
    tenant: Stream,
    application: Stream,
    user: Stream,
    session: Stream,
    resource: Stream,
    instance: Stream,
    pass_over: Stream,
    wording: Stream,
}

impl Population {
    /// The population of `plan` under its seed.
    pub fn new(plan: &Plan) -> Self {
        let groups = &plan.population;
        Self {
            seed: plan.draw_seed(),
            tenants: Sampler::new(&groups.tenants),
            applications: Sampler::new(&groups.applications),
            users: Sampler::new(&groups.users),
            resources: Sampler::new(&groups.resources),
            sessions: groups.sessions,
            homes: Stream::named(plan.seed, "population/home"),
            session_counts: Stream::named(plan.seed, "population/sessions"),
            traces: plan
                .traffic
                .iter()
                .map(|traffic| match &traffic.load {
                    Load::Trace(trace) => Some(Arc::clone(&trace.rows)),
                    Load::Rate(_) | Load::Visits(_) | Load::Bursts(_) | Load::Users(_) => None,
                })
                .collect(),
            passing_over: plan
                .traffic
                .iter()
                .map(|traffic| [traffic.force_refresh.get(), traffic.claims.get()])
                .collect(),
            wordings: plan
                .traffic
                .iter()
                .map(|traffic| (traffic.rephrased, traffic.key_values))
                .collect(),
            come_in_visits: plan
                .traffic
                .iter()
                .map(|traffic| matches!(traffic.load, Load::Visits(_)))
                .collect(),
        }
    }

    /// The draws for the entry of `traffic` with this name.
    pub fn of_flow(&self, name: &str, flow: Flow) -> FlowPopulation<'_> {
        self.drawing_from(self.streams(name, flow))
    }

    /// The draws from these streams.
    pub fn drawing_from(&self, streams: FlowStreams) -> FlowPopulation<'_> {
        FlowPopulation {
            population: self,
            streams,
        }
    }

    /// The streams of the entry of `traffic` with this name.
    pub fn streams(&self, name: &str, flow: Flow) -> FlowStreams {
        let stream = |what: &str| Stream::named(self.seed, &format!("population/{name}/{what}"));
        FlowStreams {
            has_user: flow.has_user(),
            tenant: stream("tenant"),
            application: stream("application"),
            user: stream("user"),
            session: stream("session"),
            resource: stream("resource"),
            instance: stream("instance"),
            pass_over: stream("pass_over"),
            wording: stream("wording"),
        }
    }

    /// The tenant a user belongs to: drawn once for each user by the popularity
    /// that tenants have when the run begins, so popular tenants have more
    /// users. The same in all flows.
    pub fn home_tenant(&self, user: u32) -> u32 {
        self.tenants.of(self.homes, u64::from(user), Duration::ZERO)
    }

    /// How many sessions a user has at once: drawn once for each user.
    pub fn session_count(&self, user: u32) -> u32 {
        let SessionsPlan { median, p99, most } = self.sessions;
        if most <= 1 {
            return 1;
        }
        let spread = (p99 / median).ln() / Z99;
        let Ok(counts) = LogNormal::new(median.ln(), spread) else {
            return 1;
        };
        let random = &mut self.session_counts.at(u64::from(user));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count within u32"
        )]
        let count = counts.sample(random).round().clamp(1.0, f64::from(most)) as u32;
        count
    }
}

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

impl FlowPopulation<'_> {
    /// Whom an arrival of this flow is about.
    pub fn subject(&self, arrival: &Arrival) -> Subject {
        let Population {
            tenants,
            applications,
            users,
            resources,
            ..
        } = self.population;
        let streams = &self.streams;
        let (who, number, time) = (arrival.session, arrival.number_in_flow, arrival.intended);
        let given = self.given(arrival);
        let user = streams.has_user.then(|| {
            let drawn = || users.of(streams.user, who, time);
            given.and_then(|row| row.user).unwrap_or_else(drawn)
        });
        let tenant = match user {
            Some(user) => self.population.home_tenant(user),
            None => given
                .and_then(|row| row.tenant)
                .unwrap_or_else(|| tenants.of(streams.tenant, who, time)),
        };
        let application = given
            .and_then(|row| row.application)
            .unwrap_or_else(|| applications.of(streams.application, who, time));
        let resource = given
            .and_then(|row| row.resource)
            .unwrap_or_else(|| resources.of(streams.resource, number, time));
        let session = user.map_or(0, |user| {
            let count = self.population.session_count(user);
            if count == 1 {
                return 0;
            }
            streams.session.at(who).random_range(0..count)
        });
        let (wording, key_value) = self.wording(arrival);
        Subject {
            tenant,
            application,
            user,
            session,
            resource,
            instance_draw: streams.instance.at(number).next_u64(),
            pass_over: self.pass_over(arrival),
            signs_out: arrival.signs_out,
            visitor: self.visitor(arrival),
            is_last: arrival.is_last,
            wording,
            key_value,
        }
    }

    fn visitor(&self, arrival: &Arrival) -> Option<(u32, u64)> {
        let come_in_visits = &self.population.come_in_visits;
        let comes = come_in_visits.get(arrival.flow_index).copied();
        let index = u32::try_from(arrival.flow_index).ok()?;
        comes
            .unwrap_or_default()
            .then_some((index, arrival.session))
    }

    fn wording(&self, arrival: &Arrival) -> (Option<u32>, Option<u32>) {
        let wordings = &self.population.wordings;
        let Some((rephrased, values)) = wordings.get(arrival.flow_index).copied() else {
            return (None, None);
        };
        if !rephrased && values == 0 {
            return (None, None);
        }
        let mut random = self.streams.wording.at(arrival.number_in_flow);
        let word = random.next_u32();
        let value = (values > 0).then(|| random.random_range(0..values));
        (rephrased.then_some(word), value)
    }

    fn pass_over(&self, arrival: &Arrival) -> PassOver {
        let shares = self.population.passing_over.get(arrival.flow_index);
        let Some([forced, claims]) = shares.filter(|[forced, claims]| forced + claims > 0.0) else {
            return PassOver::No;
        };
        let random = &mut self.streams.pass_over.at(arrival.number_in_flow);
        if random.random_bool(*forced) {
            PassOver::ForceRefresh
        } else if random.random_bool(*claims) {
            PassOver::Claims
        } else {
            PassOver::No
        }
    }

    /// What a trace says of an arrival.
    fn given(&self, arrival: &Arrival) -> Option<TraceRow> {
        let trace = self.population.traces.get(arrival.flow_index)?.as_ref()?;
        let row = usize::try_from(arrival.number_in_flow).ok()?;
        trace.get(row).copied()
    }
}

impl Subject {
    /// The instance that serves it, from 0 to one less than `fleet` has.
    pub fn instance(&self, fleet: &FleetPlan) -> usize {
        let tenant = u64::from(self.tenant);
        let spread = match (fleet.affinity, self.user) {
            (Affinity::None, _) => self.instance_draw,
            (Affinity::User, Some(user)) => mix(u64::from(user)),
            (Affinity::Tenant, _) | (Affinity::User, None) => mix(tenant),
        };
        let instances = u64::try_from(fleet.instances).unwrap_or(u64::MAX).max(1);
        usize::try_from(spread % instances).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
