//! `fleet`: the service's instances.

use crate::scenario::plan::{Affinity, FleetPlan};
use crate::scenario::reader::{Choice, Integer, Table};

/// Each instance has a client, an L1 and connections of its own in this process.
const MAX_INSTANCES: u64 = 1_000;

pub(super) fn fleet(table: &mut Table<'_>) -> Option<FleetPlan> {
    let instances = table.or(
        "instances",
        "Instances of the service",
        "1",
        &Integer {
            min: 1,
            max: MAX_INSTANCES,
        },
    );
    let affinity = table.or(
        "affinity",
        "Which instance an arrival goes to",
        "none",
        &Choice(&[
            ("none", Affinity::None),
            ("tenant", Affinity::Tenant),
            ("user", Affinity::User),
        ]),
    );
    let instances = usize::try_from(instances?).ok()?;
    Some(FleetPlan {
        instances,
        affinity: affinity?,
    })
}
