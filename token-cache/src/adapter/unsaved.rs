//! Changes that L2 does not have yet. Each is noted before it is tried, so that
//! neither a failing store nor a dropped future loses it, and is made again on
//! whatever L2 has when L2 answers. A change can be made twice: it says what a
//! token response brought or what was removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::key::PartitionKey;
use crate::partition::Partition;

/// A change of a partition, which can be made again.
pub(super) type Change = Arc<dyn Fn(&Partition) -> Partition + Send + Sync>;

/// Of one partition no more changes are kept; the oldest go. Each replaces what
/// an earlier one brought for the same scopes, so more add nothing.
const KEPT_PER_PARTITION: usize = 1_024;

/// By the partition's external key, sorted: whoever goes through them does so
/// in the same order in every run.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<BTreeMap<String, Pending>>);

struct Pending {
    key: PartitionKey,
    /// Oldest first, numbered.
    changes: Vec<(u64, Change)>,
    next_number: u64,
    /// Whether the last try to make them failed or was given up.
    overdue: bool,
}

impl Unsaved {
    /// Notes a change.
    pub(super) fn add(&self, key: &PartitionKey, change: Change) {
        let mut unsaved = self.0.lock();
        let pending = unsaved.entry(key.to_string()).or_insert_with(|| Pending {
            key: key.clone(),
            changes: Vec::new(),
            next_number: 0,
            overdue: false,
        });
        pending.changes.push((pending.next_number, change));
        pending.next_number += 1;
        if pending.changes.len() > KEPT_PER_PARTITION {
            pending.changes.remove(0);
        }
    }

    /// The changes of a partition, oldest first.
    pub(super) fn changes(&self, key: &PartitionKey) -> Vec<Change> {
        let unsaved = self.0.lock();
        // Nearly always empty: no need to spell the key out then.
        if unsaved.is_empty() {
            return Vec::new();
        }
        unsaved
            .get(&key.to_string())
            .map_or_else(Vec::new, |pending| {
                let changes = pending.changes.iter();
                changes.map(|(_, change)| Arc::clone(change)).collect()
            })
    }

    /// The number after the newest change of a partition.
    pub(super) fn mark(&self, key: &PartitionKey) -> u64 {
        let unsaved = self.0.lock();
        let pending = unsaved.get(&key.to_string());
        pending.map_or(0, |pending| pending.next_number)
    }

    /// L2 has the changes up to `mark`.
    pub(super) fn settled(&self, key: &PartitionKey, mark: u64) -> WasOverdue {
        let mut unsaved = self.0.lock();
        let text = key.to_string();
        let Some(pending) = unsaved.get_mut(&text) else {
            return WasOverdue(false);
        };
        let overdue = std::mem::take(&mut pending.overdue);
        pending.changes.retain(|(number, _)| *number >= mark);
        if pending.changes.is_empty() {
            unsaved.remove(&text);
        }
        WasOverdue(overdue)
    }

    /// L2 did not take the changes.
    pub(super) fn failed(&self, key: &PartitionKey) {
        if let Some(pending) = self.0.lock().get_mut(&key.to_string()) {
            pending.overdue = true;
        }
    }

    /// A partition whose changes wait for another try, after `last`.
    pub(super) fn next_overdue(&self, last: Option<&PartitionKey>) -> Option<PartitionKey> {
        use std::ops::Bound;
        let unsaved = self.0.lock();
        let after = last.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_string()));
        let mut rest = unsaved.range((after, Bound::Unbounded));
        rest.find(|(_, pending)| pending.overdue)
            .map(|(_, pending)| pending.key.clone())
    }

    /// Changes in all.
    pub(super) fn len(&self) -> usize {
        let unsaved = self.0.lock();
        unsaved.values().map(|pending| pending.changes.len()).sum()
    }
}

/// Whether a change had to wait for L2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WasOverdue(pub(super) bool);

/// Makes changes one after the other.
pub(super) fn replay(changes: &[Change], base: &Partition) -> Partition {
    let mut changes = changes.iter();
    match changes.next() {
        None => base.clone(),
        Some(first) => changes.fold(first(base), |next, change| change(&next)),
    }
}
