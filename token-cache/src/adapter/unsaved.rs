//! Changes that L2 does not have yet. Each is noted before it is tried, so that
//! neither a failing store nor a dropped future loses it, and is made again on
//! whatever L2 has when L2 answers. A change can be made twice: it says what a
//! token response brought or what was removed. One that comes late gives way to
//! what others stored meanwhile.

use std::collections::{BTreeMap, VecDeque};
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

/// Nor of all partitions together: an outage must not fill the memory. What they
/// bring is for the most part what L1 holds too, some 2 kB each.
const KEPT: usize = 65_536;

#[derive(Default)]
pub(super) struct Unsaved(Mutex<Pendings>);

#[derive(Default)]
struct Pendings {
    /// By the partition's external key, sorted: whoever goes through them does so
    /// in the same order in every run.
    by_partition: BTreeMap<String, Pending>,
    /// The same changes by their numbers, oldest first, with the partition's
    /// external key.
    by_age: BTreeMap<u64, Arc<str>>,
    next_number: u64,
}

struct Pending {
    key: PartitionKey,
    external_key: Arc<str>,
    /// Oldest first.
    changes: VecDeque<Noted>,
    /// Whether the last try to make them failed or was given up.
    overdue: bool,
}

impl Pendings {
    /// Gives up the oldest change of a partition.
    fn lose_oldest_of(&mut self, external_key: &str) {
        let Some(pending) = self.by_partition.get_mut(external_key) else {
            return;
        };
        if let Some(lost) = pending.changes.pop_front() {
            self.by_age.remove(&lost.number);
        }
        if pending.changes.is_empty() {
            self.by_partition.remove(external_key);
        }
    }
}

impl Unsaved {
    /// Notes a change that is made `at` this time, and says whether another had to
    /// go for it, which L2 will never have.
    pub(super) fn add(&self, key: &PartitionKey, change: Change, at: Timestamp) -> LostOne {
        let mut unsaved = self.0.lock();
        let Pendings {
            by_partition,
            by_age,
            next_number,
        } = &mut *unsaved;
        let pending = by_partition
            .entry(key.to_string())
            .or_insert_with_key(|text| Pending {
                key: key.clone(),
                external_key: text.as_str().into(),
                changes: VecDeque::new(),
                overdue: false,
            });
        pending.changes.push_back(Noted {
            number: *next_number,
            change,
            at,
            is_late: false,
        });
        by_age.insert(*next_number, Arc::clone(&pending.external_key));
        *next_number += 1;
        let crowded = if pending.changes.len() > KEPT_PER_PARTITION {
            Some(Arc::clone(&pending.external_key))
        } else if by_age.len() > KEPT {
            by_age.values().next().map(Arc::clone)
        } else {
            None
        };
        if let Some(external_key) = &crowded {
            unsaved.lose_oldest_of(external_key);
        }
        LostOne(crowded.is_some())
    }

    /// The changes of a partition, oldest first.
    pub(super) fn changes(&self, key: &PartitionKey) -> Vec<Noted> {
        let unsaved = self.0.lock();
        // Nearly always empty: no need to spell the key out then.
        if unsaved.by_partition.is_empty() {
            return Vec::new();
        }
        let pending = unsaved.by_partition.get(&key.to_string());
        pending.map_or_else(Vec::new, |pending| {
            pending.changes.iter().cloned().collect()
        })
    }

    /// The number after the newest change.
    pub(super) fn mark(&self) -> u64 {
        self.0.lock().next_number
    }

    /// L2 has the partition's changes up to `mark`.
    pub(super) fn settled(&self, key: &PartitionKey, mark: u64) -> WasOverdue {
        let mut unsaved = self.0.lock();
        let Pendings {
            by_partition,
            by_age,
            ..
        } = &mut *unsaved;
        let text = key.to_string();
        let Some(pending) = by_partition.get_mut(&text) else {
            return WasOverdue(false);
        };
        let overdue = std::mem::take(&mut pending.overdue);
        let made = pending.changes.partition_point(|noted| noted.number < mark);
        for noted in pending.changes.drain(..made) {
            by_age.remove(&noted.number);
        }
        if pending.changes.is_empty() {
            by_partition.remove(&text);
        }
        WasOverdue(overdue)
    }

    /// L2 did not take the changes.
    pub(super) fn failed(&self, key: &PartitionKey) {
        if let Some(pending) = self.0.lock().by_partition.get_mut(&key.to_string()) {
            pending.overdue = true;
            for noted in &mut pending.changes {
                noted.is_late = true;
            }
        }
    }

    /// Whether any partition's changes wait for another try.
    pub(super) fn is_overdue(&self) -> bool {
        let unsaved = self.0.lock();
        unsaved.by_partition.values().any(|pending| pending.overdue)
    }

    /// The partitions whose changes wait for another try: those behind `last`
    /// first, so that each has its turn.
    pub(super) fn overdue(&self, last: Option<&PartitionKey>) -> Vec<PartitionKey> {
        let unsaved = self.0.lock();
        let last = last.map(PartitionKey::to_string);
        let is_behind = |text: &String| last.as_ref().is_none_or(|last| text > last);
        let overdue = || {
            unsaved
                .by_partition
                .iter()
                .filter(|(_, pending)| pending.overdue)
        };
        let behind = overdue().filter(|(text, _)| is_behind(text));
        let before = overdue().filter(|(text, _)| !is_behind(text));
        let keys = behind.chain(before);
        keys.map(|(_, pending)| pending.key.clone()).collect()
    }

    /// Changes in all.
    pub(super) fn len(&self) -> usize {
        self.0.lock().by_age.len()
    }
}

/// Whether a change was given up for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LostOne(pub(super) bool);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: usize) -> PartitionKey {
        PartitionKey::Assertion(crate::AssertionHash::of_session(number.to_string()))
    }

    fn add(unsaved: &Unsaved, number: usize) -> bool {
        let change: Change = Arc::new(Partition::clone);
        unsaved
            .add(&partition(number), change, Timestamp::from_unix_seconds(0))
            .0
    }

    #[test]
    fn of_too_many_changes_the_oldest_go_whosever_they_are() {
        let unsaved = Unsaved::default();
        for number in 0..KEPT {
            assert!(!add(&unsaved, number), "there is room for {number}");
        }
        // One that L2 took makes room; one of many in a partition is lost alone.
        assert_eq!(unsaved.settled(&partition(0), 1), WasOverdue(false));
        assert!(!add(&unsaved, 1));
        assert!(add(&unsaved, KEPT));
        assert_eq!(unsaved.len(), KEPT);
        assert_eq!(unsaved.changes(&partition(1)).len(), 1, "the newer is left");
        assert!(add(&unsaved, KEPT + 1));
        assert!(unsaved.changes(&partition(2)).is_empty());
        assert_eq!(unsaved.len(), KEPT);
        let Pendings {
            by_partition,
            by_age,
            ..
        } = &*unsaved.0.lock();
        let changes: usize = by_partition
            .values()
            .map(|pending| pending.changes.len())
            .sum();
        assert_eq!(changes, by_age.len());
    }

    #[test]
    fn what_was_noted_while_l2_was_written_is_not_settled_by_it() {
        let unsaved = Unsaved::default();
        add(&unsaved, 1);
        let mark = unsaved.mark();
        add(&unsaved, 1);
        add(&unsaved, 2);
        unsaved.failed(&partition(1));
        assert_eq!(unsaved.settled(&partition(1), mark), WasOverdue(true));
        assert_eq!(unsaved.changes(&partition(1)).len(), 1);
        assert_eq!(unsaved.changes(&partition(2)).len(), 1);
    }
}
