//! Which runs can leave a snapshot, and which can go on from one.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::scenario::plan::{ApplicationCache, Fault, Group, IdpPlan, Plan, StorePlan};

/// What two runs must have the same for one to go on where the other ended, by
/// its place in a scenario file.
pub type Settings = BTreeMap<String, String>;

/// Why there is no snapshot of a run, or no run from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What stands against it: lowercase, no full stop.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

/// Those of `plan` when it has so many instances.
pub(super) fn settings(plan: &Plan, instances: usize) -> Settings {
    let population = &plan.population;
    let groups = [
        ("tenants", population.tenants),
        ("applications", population.applications),
        ("users", population.users),
        ("resources", population.resources),
    ];
    let counts = groups.map(|(name, group)| {
        let name = format!("population.{name}.count");
        (name, group.count.to_string())
    });
    let spreads = groups.map(|(name, group)| {
        let spread = Group { count: 0, ..group };
        (format!("population.{name}"), format!("{spread:?}"))
    });
    let there = |is_there| if is_there { "there" } else { "none" }.to_owned();
    [
        ("seed", plan.seed.to_string()),
        ("fleet.instances", instances.to_string()),
        ("cache.l1", there(plan.cache.l1.is_some())),
        ("cache.l2", there(plan.cache.l2.is_some())),
        ("population.sessions", format!("{:?}", population.sessions)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .chain(counts)
    .chain(spreads)
    .collect()
}

/// What of `plan` is more than a snapshot can hold, if anything.
pub fn unfit(plan: &Plan) -> Option<Unfit> {
    let is_strict = matches!(&plan.idp, IdpPlan::Embedded(idp) if idp.refresh_tokens_once);
    let rolls_keys = |fault: &_| matches!(fault, Fault::Keys(_));
    let keeps_own = |kept| kept != ApplicationCache::None;
    let l2 = plan.cache.l2.as_ref().map(|l2| &l2.store);
    let found = [
        (
            plan.cache.encryption,
            "`cache.encryption`: the key ring ends with the run, and nobody else could read its entries",
            "leave `encryption` out",
        ),
        (
            plan.cache.is_by_session(),
            "`cache.provider`: what is in users' sessions is not in a snapshot",
            "write `provider: distributed`",
        ),
        (
            matches!(l2, Some(StorePlan::Remote { .. })),
            "`cache.l2`: a server's entries are the server's",
            "write `store: memory`",
        ),
        (
            is_strict,
            "`idp.refresh_tokens`: which of them were used is not in a snapshot",
            "leave `use: once` out",
        ),
        (
            plan.faults.iter().any(|fault| rolls_keys(&fault.what)),
            "`faults`: signing keys made during the run end with it",
            "leave `keys` out",
        ),
        (
            plan.traffic
                .iter()
                .any(|traffic| keeps_own(traffic.application_cache)),
            "`traffic`: what applications keep in dictionaries of their own is not in a snapshot",
            "leave `application_cache` out",
        ),
    ];
    let first = found.into_iter().find(|(is_so, ..)| *is_so);
    first.map(|(_, message, hint)| Unfit {
        message: message.to_owned(),
        hint,
    })
}

/// Whether a setting's value reads as it stands.
fn is_word(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Snapshot {
    /// Why `plan` cannot go on from here, if it cannot.
    pub fn misfit(&self, plan: &Plan) -> Option<Unfit> {
        if let Some(unfit) = unfit(plan) {
            return Some(unfit);
        }
        let here = settings(plan, plan.fleet.instances);
        let others: Vec<String> = here
            .iter()
            .filter_map(|(name, here)| {
                let there = self.settings.get(name).map_or("not said", String::as_str);
                // How a group is drawn from is no text for people.
                let is_said = [here, there].iter().all(|value| is_word(value));
                (here != there).then(|| {
                    if is_said {
                        format!("`{name}` was {there} there and is {here} here")
                    } else {
                        format!("`{name}` is another")
                    }
                })
            })
            .collect();
        (!others.is_empty()).then(|| Unfit {
            message: format!(
                "the snapshot is of another service than this one: {}",
                others.join("; ")
            ),
            hint: "a run goes on with the seed, the population, the instances and the cache levels of \
                   the one before; make a snapshot of such a run with --snapshot-out",
        })
    }
}
