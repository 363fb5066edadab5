//! Faults of the shared store.

use super::latency::latency;
use crate::scenario::plan::{L2Fault, L2Trouble};
use crate::scenario::reader::{AnyShare, Choice, Integer, Kind, ScalarOr, Table, TableOf};

pub(super) fn l2_fault(table: &mut Table<'_>) -> Option<L2Fault> {
    let trouble = table.required("is", "What it does", &trouble());
    let share = table.or(
        "share",
        "Part of the operations it happens to",
        "100%",
        &AnyShare,
    );
    let instances = table.optional(
        "instances",
        "Only the first so many instances see it",
        &Integer { min: 1, max: 1_000 },
    );
    let trouble = trouble?;
    if trouble == L2Trouble::Wipe {
        for key in ["share", "instances"] {
            if table.has(key) {
                let span = table.key_span(key);
                table.problems().add_with_hint(
                    span,
                    "a store that is wiped is empty for everybody",
                    format!("leave `{key}` out"),
                );
            }
        }
    }
    Some(L2Fault {
        trouble,
        share: share?,
        instances: match instances.ok()? {
            None => None,
            Some(count) => Some(usize::try_from(count).ok()?),
        },
    })
}

fn trouble() -> impl Kind<Value = L2Trouble> {
    ScalarOr {
        short: Choice(&[
            ("refuse", L2Trouble::Refuse),
            ("hang", L2Trouble::Hang),
            ("error", L2Trouble::Error),
            ("corrupt", L2Trouble::Corrupt),
            ("wipe", L2Trouble::Wipe),
        ]),
        long: TableOf(slow),
    }
}

fn slow(table: &mut Table<'_>) -> Option<L2Trouble> {
    table
        .required("slow", "Takes so much longer", &latency())
        .map(L2Trouble::Slow)
}
