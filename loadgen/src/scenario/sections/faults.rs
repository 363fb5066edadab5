//! `faults`: what goes wrong, and when.

use std::time::Duration;

use super::idp_fault::idp_fault;
use super::l2_fault::l2_fault;
use crate::scenario::feature::Feature;
use crate::scenario::plan::{
    ClockFault, Fault, FaultPlan, InstanceFault, KeyFault, L2Trouble, NetworkFault,
};
use crate::scenario::reader::{AnyShare, Choice, DurationIn, Integer, ListOf, Table, TableOf};
use crate::scenario::span::Span;
use crate::scenario::units::Share;

/// Most faults of a scenario.
const MAX_FAULTS: usize = 200;

/// What can go wrong, in the order of hints.
const KINDS: [&str; 7] = [
    "idp",
    "l2",
    "network",
    "clock",
    "instances",
    "keys",
    "key_ring",
];

/// A fault and where it is written.
#[derive(Debug, Clone)]
pub struct FaultDraft {
    /// The fault.
    pub fault: FaultPlan,
    /// Where it says when.
    pub at_span: Span,
    /// Where it says what.
    pub kind_span: Span,
}

pub(super) fn faults() -> ListOf<TableOf<FaultDraft>> {
    ListOf {
        item: TableOf(fault),
        min: 0,
        max: MAX_FAULTS,
    }
}

fn fault(table: &mut Table<'_>) -> Option<FaultDraft> {
    let at = table.required(
        "at",
        "When it begins, from the start of the run",
        &DurationIn::any(),
    );
    let lasting = table.optional(
        "for",
        "How long it lasts; to the end of the run when left out",
        &DurationIn::above_zero(),
    );
    let idp = table.optional("idp", "The identity provider fails", &TableOf(idp_fault));
    let l2 = table.optional("l2", "The shared store fails", &TableOf(l2_fault));
    let network = table.optional(
        "network",
        "Connections to the identity provider fail; in real time only",
        &Choice(&[
            ("reset", NetworkFault::Reset),
            ("tls_failure", NetworkFault::TlsFailure),
            ("tls_stall", NetworkFault::TlsStall),
        ]),
    );
    let clock = table.optional(
        "clock",
        "The service's clock steps away from the provider's",
        &TableOf(clock),
    );
    let instances = table.optional("instances", "An instance restarts", &TableOf(instances));
    let keys = table.optional(
        "keys",
        "A new signing key: the old one stays published, or is withdrawn at once",
        &Choice(&[
            ("rollover", KeyFault::Rollover),
            ("withdrawal", KeyFault::Withdrawal),
        ]),
    );
    let key_ring = table.optional(
        "key_ring",
        "Instances encrypt with a new key ring",
        &TableOf(key_ring),
    );
    let written: Vec<&str> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
    let [kind] = written.as_slice() else {
        let span = table.key_span(written.get(1).copied().unwrap_or_default());
        table.problems().add_with_hint(
            span,
            format!("a fault is of one kind, found {}", written.len()),
            "write one of `idp`, `l2`, `network`, `clock`, `instances`, `keys` and `key_ring`",
        );
        return None;
    };
    table.needs(
        match *kind {
            "idp" => Feature::IdpFault,
            "l2" => Feature::L2Fault,
            "network" => Feature::NetworkFault,
            "clock" => Feature::ClockStep,
            "instances" => Feature::FleetChange,
            "keys" => Feature::KeyRollover,
            _ => Feature::KeyRingSwap,
        },
        kind,
    );
    let what = idp
        .ok()?
        .map(Fault::Idp)
        .or(l2.ok()?.map(Fault::L2))
        .or(network.ok()?.map(Fault::Network))
        .or(clock.ok()?.map(Fault::Clock))
        .or(instances.ok()?.map(Fault::Instances))
        .or(keys.ok()?.map(Fault::Keys))
        .or(key_ring.ok()?.map(Fault::KeyRingSwap))?;
    let once = match &what {
        Fault::L2(fault) => fault.trouble == L2Trouble::Wipe,
        Fault::Instances(_) | Fault::Keys(_) | Fault::KeyRingSwap(_) => true,
        Fault::Idp(_) | Fault::Network(_) | Fault::Clock(_) => false,
    };
    let lasting: Option<Duration> = lasting.ok()?;
    if once && lasting.is_some() {
        let span = table.key_span("for");
        table.problems().add_with_hint(
            span,
            "this happens once and does not last",
            "leave `for` out",
        );
        return None;
    }
    let at = at?;
    Some(FaultDraft {
        fault: FaultPlan {
            at,
            until: lasting.map(|lasting| at + lasting),
            what,
        },
        at_span: table.value_span("at"),
        kind_span: table.key_span(kind),
    })
}

fn clock(table: &mut Table<'_>) -> Option<ClockFault> {
    let step = DurationIn {
        min: Duration::from_secs(1),
        max: DurationIn::YEAR,
    };
    let ahead = table.optional("ahead", "It runs so far ahead, in whole seconds", &step);
    let behind = table.optional("behind", "It runs so far behind, in whole seconds", &step);
    let instances = table.optional(
        "instances",
        "Only on the first so many instances; on all when left out",
        &Integer { min: 1, max: 1_000 },
    );
    let seconds = |step: Duration| i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
    let stepped = |seconds: i64| -> Option<ClockFault> {
        Some(ClockFault {
            seconds,
            instances: instances.ok()?.map(usize::try_from).transpose().ok()?,
        })
    };
    match (ahead.ok()?, behind.ok()?) {
        (Some(ahead), None) => stepped(seconds(ahead)),
        (None, Some(behind)) => stepped(-seconds(behind)),
        (Some(_), Some(_)) | (None, None) => {
            let span = table.key_span("behind");
            table.problems().add_with_hint(
                span,
                "a clock steps one way",
                "write `ahead: 6m` or `behind: 6m`",
            );
            None
        }
    }
}

fn instances(table: &mut Table<'_>) -> Option<InstanceFault> {
    let instance = table.required(
        "restart",
        "Which instance, from 0",
        &Integer { min: 0, max: 999 },
    );
    Some(InstanceFault::Restart {
        instance: usize::try_from(instance?).ok()?,
    })
}

fn key_ring(table: &mut Table<'_>) -> Option<Share> {
    table.or(
        "swap",
        "Part of the instances, the first ones, that encrypt with a new key ring",
        "100%",
        &AnyShare,
    )
}
