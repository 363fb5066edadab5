//! `fleet`: the service's instances, and how their number and their processes
//! change.

use std::time::Duration;

use crate::scenario::feature::Feature;
use crate::scenario::plan::{Affinity, Fault, FaultPlan, FleetPlan, InstanceFault};
use crate::scenario::reader::{Choice, DurationIn, Integer, ListOf, Table, TableOf};
use crate::scenario::units::show_duration;

/// Each instance has a client, an L1 and connections of its own in this process.
const MAX_INSTANCES: u64 = 1_000;

/// Most steps of scaling, and most deployments.
const MAX_STEPS: usize = 100;

/// The fleet, and what happens to it.
#[derive(Debug, Clone)]
pub struct FleetDraft {
    /// At the beginning.
    pub fleet: FleetPlan,
    /// Each deployment.
    deployments: Vec<Deployment>,
    /// Each step of scaling.
    scaling: Vec<(Duration, usize)>,
}

/// Every instance restarts once, one after the other.
#[derive(Debug, Clone, Copy)]
struct Deployment {
    at: Duration,
    gap: Duration,
    every: Option<Duration>,
}

pub(super) fn fleet(table: &mut Table<'_>) -> Option<FleetDraft> {
    let instances = table.or(
        "instances",
        "Instances of the service",
        "1",
        &instance_count(),
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
    let deployments = table.optional(
        "rolling_restarts",
        "Deployments: each instance restarts, one after the other",
        &ListOf {
            item: TableOf(deployment),
            min: 0,
            max: MAX_STEPS,
        },
    );
    let scaling = table.optional(
        "scale",
        "Changes of the number of instances",
        &ListOf {
            item: TableOf(scale),
            min: 0,
            max: MAX_STEPS,
        },
    );
    for key in ["rolling_restarts", "scale"] {
        if table.has(key) {
            table.needs(Feature::FleetChange, key);
        }
    }
    Some(FleetDraft {
        fleet: FleetPlan {
            instances: usize::try_from(instances?).ok()?,
            affinity: affinity?,
        },
        deployments: deployments.ok()?.unwrap_or_default(),
        scaling: scaling.ok()?.unwrap_or_default(),
    })
}

fn deployment(table: &mut Table<'_>) -> Option<Deployment> {
    let at = table.required("at", "When the first instance restarts", &DurationIn::any());
    let gap = table.or(
        "gap",
        "Time between one instance and the next; `0s` restarts all at once",
        "30s",
        &DurationIn::any(),
    );
    let every = table.optional(
        "every",
        "And again, this long after each beginning",
        &DurationIn::above_zero(),
    );
    let every = every.ok()?;
    let (at, gap) = (at?, gap?);
    if let Some(every) = every
        && every < Duration::from_secs(1)
    {
        let span = table.value_span("every");
        table.problems().add_with_hint(
            span,
            format!(
                "deployments `{}` apart are no deployments",
                show_duration(every)
            ),
            "write at least `1s`",
        );
        return None;
    }
    Some(Deployment { at, gap, every })
}

fn scale(table: &mut Table<'_>) -> Option<(Duration, usize)> {
    let at = table.required("at", "When", &DurationIn::any());
    let to = table.required("to", "Instances from then on", &instance_count());
    Some((at?, usize::try_from(to?).ok()?))
}

fn instance_count() -> Integer {
    Integer {
        min: 1,
        max: MAX_INSTANCES,
    }
}

impl FleetDraft {
    /// What happens to instances before `duration` is over, in no order.
    pub(in crate::scenario) fn events(&self, duration: Duration) -> Vec<FaultPlan> {
        let event = |at: Duration, what: InstanceFault| FaultPlan {
            at,
            until: None,
            what: Fault::Instances(what),
        };
        let mut events: Vec<FaultPlan> = self
            .scaling
            .iter()
            .map(|(at, to)| event(*at, InstanceFault::Scale { to: *to }))
            .collect();
        for deployment in &self.deployments {
            let mut begins = Some(deployment.at);
            while let Some(begin) = begins.filter(|begin| *begin < duration) {
                let mut at = begin;
                for instance in 0..self.instances_at(begin) {
                    events.push(event(at, InstanceFault::Restart { instance }));
                    at += deployment.gap;
                }
                begins = deployment.every.map(|every| begin + every);
            }
        }
        events.retain(|event| event.at < duration);
        events
    }

    /// Most instances at any time.
    pub(in crate::scenario) fn most_instances(&self) -> usize {
        let scaled = self.scaling.iter().map(|(_, to)| *to);
        scaled.chain([self.fleet.instances]).max().unwrap_or(1)
    }

    fn instances_at(&self, time: Duration) -> usize {
        let before = self.scaling.iter().filter(|(at, _)| *at <= time);
        before
            .max_by_key(|(at, _)| *at)
            .map_or(self.fleet.instances, |(_, to)| *to)
    }
}
