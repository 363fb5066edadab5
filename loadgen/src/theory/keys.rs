//! The keys that calls of a flow spread over: what is fetched once and shared.

use crate::scenario::plan::{Affinity, Flow, Group, Plan, Popularity, SessionsPlan};

/// Ranks taken one by one; the others in steps of a percent.
const HEAD: u64 = 400;

/// The keys of a flow: part of the calls each gets, and how many are alike.
pub fn keys(plan: &Plan, flow: Flow) -> Vec<(f64, f64)> {
    spread(vec![owners(plan, flow), resources(plan)])
}

/// Resources: part of the calls each gets, and how many are alike.
pub fn resources(plan: &Plan) -> Vec<(f64, f64)> {
    weights(&plan.population.resources)
}

/// Whose the keys of a flow are; each owner has one for every resource.
pub fn owners(plan: &Plan, flow: Flow) -> Vec<(f64, f64)> {
    let population = &plan.population;
    let mut groups = vec![weights(&population.applications)];
    match flow {
        Flow::ClientCredentials => groups.push(weights(&population.tenants)),
        Flow::ManagedIdentity => {}
        Flow::OnBehalfOf | Flow::LongRunningObo => {
            groups.push(weights(&population.users));
            groups.push(alike(sessions(&population.sessions)));
        }
        Flow::AuthorizationCode | Flow::Silent | Flow::RefreshToken => {
            groups.push(weights(&population.users));
        }
    }
    groups.push(alike(instances_alone(plan)));
    spread(groups)
}

/// Instances that may be asked for the same and share nothing, so that each fetches for
/// itself.
pub fn instances_alone(plan: &Plan) -> f64 {
    if plan.cache.l2.is_none() && plan.fleet.affinity == Affinity::None {
        plan.fleet.instances as f64
    } else {
        1.0
    }
}

/// The members of all groups together.
fn spread(groups: Vec<Vec<(f64, f64)>>) -> Vec<(f64, f64)> {
    groups.into_iter().fold(vec![(1.0, 1.0)], |keys, group| {
        keys.iter()
            .flat_map(|(weight, count)| {
                group
                    .iter()
                    .map(move |(part, alike)| (weight * part, count * alike))
            })
            .collect()
    })
}

fn alike(count: f64) -> Vec<(f64, f64)> {
    vec![(1.0 / count, count)]
}

fn sessions(sessions: &SessionsPlan) -> f64 {
    let spread = (sessions.p99 / sessions.median).ln() / 2.326_347_874_040_841;
    (sessions.median * (spread * spread / 2.0).exp()).clamp(1.0, f64::from(sessions.most))
}

/// The members of a group: part of the draws each gets, and how many are alike.
fn weights(group: &Group) -> Vec<(f64, f64)> {
    let count = group.count as f64;
    match group.popularity {
        Popularity::Uniform => alike(count),
        Popularity::Hotspot { members, draws } => {
            let hot = (members.get() * count).round().max(1.0);
            if hot >= count {
                return alike(count);
            }
            vec![
                (draws.get() / hot, hot),
                ((1.0 - draws.get()) / (count - hot), count - hot),
            ]
        }
        Popularity::Zipf { exponent } | Popularity::Latest { exponent } => {
            let mut ranks = Vec::new();
            let mut rank = 1;
            while rank <= group.count {
                let step = if rank <= HEAD { 1 } else { rank / 100 };
                let end = (rank + step).min(group.count + 1);
                let middle = f64::midpoint(rank as f64, (end - 1) as f64);
                ranks.push((middle.powf(-exponent), (end - rank) as f64));
                rank = end;
            }
            let whole: f64 = ranks.iter().map(|(weight, alike)| weight * alike).sum();
            ranks
                .into_iter()
                .map(|(weight, alike)| (weight / whole, alike))
                .collect()
        }
    }
}
