//! Changes that L2 does not have yet. Each is noted before it is tried, so that
//! neither a failing store nor a dropped future loses it, and is made again on
//! whatever L2 has when L2 answers. A change can be made twice: it says what a
//! token response brought or what was removed. One that comes late gives way to
//! what others stored meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::key::PartitionKey;
use crate::partition::Partition;

/// A change of a partition, which can be made again.
pub(super) type Change = Arc<dyn Fn(&Partition) -> Partition + Send + Sync>;

/// A change, and when.
#[derive(Clone)]
pub(super) struct Noted {
    number: u64,
    change: Change,
    at: Timestamp,
    /// Whether it was tried before: others may have stored newer tokens since.
    is_late: bool,
}

/// Of one partition no more changes are kept; the oldest go, and L2 never has
/// them. Most replace what an earlier one brought for the same scopes: to lose
/// any, an outage has to outlast so many tokens of one partition.
const KEPT_PER_PARTITION: usize = 1_024;

/// By the partition's external key, sorted: whoever goes through them does so
/// in the same order in every run.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<BTreeMap<String, Pending>>);

struct Pending {
    key: PartitionKey,
    /// Oldest first.
    changes: Vec<Noted>,
    next_number: u64,
    /// Whether the last try to make them failed or was given up.
    overdue: bool,
}

impl Unsaved {
    /// Notes a change that is made `at` this time.
    pub(super) fn add(&self, key: &PartitionKey, change: Change, at: Timestamp) {
        let mut unsaved = self.0.lock();
        let pending = unsaved.entry(key.to_string()).or_insert_with(|| Pending {
            key: key.clone(),
            changes: Vec::new(),
            next_number: 0,
            overdue: false,
        });
        pending.changes.push(Noted {
            number: pending.next_number,
            change,
            at,
            is_late: false,
        });
        pending.next_number += 1;
        if pending.changes.len() > KEPT_PER_PARTITION {
            pending.changes.remove(0);
        }
    }

    /// The changes of a partition, oldest first.
    pub(super) fn changes(&self, key: &PartitionKey) -> Vec<Noted> {
        let unsaved = self.0.lock();
        // Nearly always empty: no need to spell the key out then.
        if unsaved.is_empty() {
            return Vec::new();
        }
        unsaved
            .get(&key.to_string())
            .map_or_else(Vec::new, |pending| pending.changes.clone())
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
        pending.changes.retain(|noted| noted.number >= mark);
        if pending.changes.is_empty() {
            unsaved.remove(&text);
        }
        WasOverdue(overdue)
    }

    /// L2 did not take the changes.
    pub(super) fn failed(&self, key: &PartitionKey) {
        if let Some(pending) = self.0.lock().get_mut(&key.to_string()) {
            pending.overdue = true;
            for noted in &mut pending.changes {
                noted.is_late = true;
            }
        }
    }

    /// Whether any partition's changes wait for another try.
    pub(super) fn is_overdue(&self) -> bool {
        self.0.lock().values().any(|pending| pending.overdue)
    }

    /// The partitions whose changes wait for another try: those behind `last`
    /// first, so that each has its turn.
    pub(super) fn overdue(&self, last: Option<&PartitionKey>) -> Vec<PartitionKey> {
        let unsaved = self.0.lock();
        let last = last.map(PartitionKey::to_string);
        let is_behind = |text: &String| last.as_ref().is_none_or(|last| text > last);
        let overdue = || unsaved.iter().filter(|(_, pending)| pending.overdue);
        let behind = overdue().filter(|(text, _)| is_behind(text));
        let before = overdue().filter(|(text, _)| !is_behind(text));
        let keys = behind.chain(before);
        keys.map(|(_, pending)| pending.key.clone()).collect()
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
pub(super) fn replay(changes: &[Noted], base: &Partition) -> Partition {
    let mut changes = changes.iter();
    match changes.next() {
        None => base.clone(),
        Some(first) => changes.fold(first.made_on(base), |next, noted| noted.made_on(&next)),
    }
}

impl Noted {
    fn made_on(&self, base: &Partition) -> Partition {
        let changed = (self.change)(base);
        if self.is_late {
            changed.with_what_is_newer_in(base, self.at)
        } else {
            changed
        }
    }
}
