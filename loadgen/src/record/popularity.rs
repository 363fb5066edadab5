//! Whom the arrivals were about: how many of them the most popular members of
//! each group drew. A load that is more even, or more skewed, than the scenario
//! says has another hit ratio for no fault of the cache.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::population::{Sampler, Subject};
use crate::report::model::Popularity;
use crate::scenario::plan::{Group, PopulationPlan};

/// The members that a share is told of.
const TOP: usize = 10;

/// Draws of each member of each group. Four bytes a member, however long the run.
#[derive(Debug)]
pub(super) struct Drawn([(&'static str, Group, Box<[AtomicU32]>); 4]);

impl Drawn {
    pub(super) fn new(population: &PopulationPlan) -> Self {
        let group = |name: &'static str, group: &Group| {
            let members = (0..group.most).map(|_| AtomicU32::new(0)).collect();
            (name, *group, members)
        };
        Self([
            group("tenants", &population.tenants),
            group("applications", &population.applications),
            group("users", &population.users),
            group("resources", &population.resources),
        ])
    }

    pub(super) fn count(&self, subject: &Subject) {
        let drawn = [
            Some(subject.tenant),
            Some(subject.application),
            subject.user,
            Some(subject.resource),
        ];
        for ((_, _, members), member) in self.0.iter().zip(drawn) {
            let Some(member) = member else { continue };
            if let Some(count) = members.get(member as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Groups that nobody was drawn from are left out.
    pub(super) fn shares(&self) -> Vec<Popularity> {
        let shares = self.0.iter().filter_map(|(name, group, members)| {
            let mut counts: Vec<u32> = members
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .filter(|count| *count > 0)
                .collect();
            let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
            let draws = sum(&counts);
            counts.sort_unstable_by(|one, other| other.cmp(one));
            (draws > 0).then(|| Popularity {
                group: (*name).to_owned(),
                members: members.len() as u64,
                drawn: counts.len() as u64,
                draws,
                top_10_share: sum(&counts[..counts.len().min(TOP)]) as f64 / draws as f64,
                planned_top_10_share: planned(group),
            })
        });
        shares.collect()
    }
}

/// What the ten most popular members are to draw; `None` for a group that
/// changes as the run goes on.
fn planned(group: &Group) -> Option<f64> {
    let stays = group.most == group.count && group.off_boarding.is_none() && group.shift.is_none();
    stays.then(|| Sampler::top_share(group, TOP as u64))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::arrival::Schedule;
    use crate::population::Population;
    use crate::scenario::{Overrides, load::parse};

    #[test]
    fn what_arrivals_draw_is_what_the_scenario_says() {
        let text = "
version: 1
duration: 1000s
population:
  tenants: { count: 500, popularity: { zipf: 0.9 } }
  users: { count: 50, popularity: { hotspot: { members: 20%, draws: 90% } } }
  applications: 3
traffic: [{ flow: client_credentials, rate: 20/s }, { flow: on_behalf_of, rate: 20/s }]
";
        let plan = parse(Path::new("x.yaml"), text.as_bytes(), &Overrides::default());
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        let population = Population::new(&plan);
        let drawn = Drawn::new(&plan.population);
        for arrival in Schedule::new(&plan) {
            let traffic = &plan.traffic[arrival.flow_index];
            let flow = population.of_flow(&traffic.name, traffic.flow);
            drawn.count(&flow.subject(&arrival));
        }
        let shares = drawn.shares();
        let names: Vec<&str> = shares.iter().map(|of| of.group.as_str()).collect();
        assert_eq!(names, ["tenants", "applications", "users", "resources"]);
        for (of, planned) in [(&shares[1], 1.0), (&shares[2], 0.9), (&shares[3], 1.0)] {
            let wanted = of.planned_top_10_share.unwrap();
            assert!((wanted - planned).abs() < 1e-9, "{of:?}");
            assert!((of.top_10_share - wanted).abs() < 0.01, "{of:?}");
        }
        assert_eq!((shares[2].members, shares[2].drawn), (50, 50));

        // Users' homes are drawn once for each, and there are few: applications'
        // own calls tell how tenants are drawn.
        let drawn = Drawn::new(&plan.population);
        let calls = Schedule::new(&plan).filter(|arrival| arrival.flow_index == 0);
        let jobs = population.of_flow(&plan.traffic[0].name, plan.traffic[0].flow);
        calls.for_each(|arrival| drawn.count(&jobs.subject(&arrival)));
        let tenants = &drawn.shares()[0];
        let wanted = tenants.planned_top_10_share.unwrap();
        assert!((tenants.top_10_share - wanted).abs() < 0.02, "{tenants:?}");
        assert!(tenants.drawn > 400 && tenants.draws > 15_000, "{tenants:?}");
    }
}
