//! `cache`: the behaviour and the layers of every instance's cache.

use super::latency::latency;
use crate::scenario::plan::{CachePlan, L1Plan, L2Plan, PresetPlan, StorePlan};
use crate::scenario::reader::{Choice, DurationIn, Quantity, ScalarOr, Table, TableOf};

/// A layer, or none.
type Layer<T> = Option<T>;

pub(super) fn cache(table: &mut Table<'_>) -> Option<CachePlan> {
    let preset = table.or(
        "preset",
        "The behaviour to start from",
        "recommended",
        &Choice(&[
            ("recommended", PresetPlan::Recommended),
            ("msal_net", PresetPlan::MsalNet),
        ]),
    );
    let l1 = table.or_defaults(
        "l1",
        "Each instance's memory, or `none`",
        &ScalarOr {
            short: Choice(&[("none", None)]),
            long: TableOf(l1),
        },
    );
    let l2 = table.or(
        "l2",
        "The layer all instances share, or `none`",
        "none",
        &ScalarOr {
            short: Choice(&[("none", None)]),
            long: TableOf(l2),
        },
    );
    Some(CachePlan {
        preset: preset?,
        l1: l1?,
        l2: l2?,
    })
}

fn l1(table: &mut Table<'_>) -> Option<Layer<L1Plan>> {
    let size_limit = table.or(
        "size_limit",
        "Bytes one instance may hold",
        "500MB",
        &Quantity::bytes(),
    );
    Some(Some(L1Plan {
        size_limit: size_limit?,
    }))
}

fn l2(table: &mut Table<'_>) -> Option<Layer<L2Plan>> {
    let store = table.required("store", "Which store", &Choice(&[("memory", ())]));
    let size_limit = table.or(
        "size_limit",
        "Bytes the store may hold",
        "200MB",
        &Quantity::bytes(),
    );
    let latency = table.or("latency", "Time each operation takes", "none", &latency());
    let sliding_expiration = table.optional(
        "sliding_expiration",
        "Entries not touched for this long go; left out, they stay until they are evicted",
        &DurationIn::above_zero(),
    );
    let () = store?;
    let store = StorePlan::Memory {
        size_limit: size_limit?,
        latency: latency?,
    };
    Some(Some(L2Plan {
        store,
        sliding_expiration: sliding_expiration.ok()?,
    }))
}
