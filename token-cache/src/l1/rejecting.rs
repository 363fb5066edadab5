//! The L1 of Microsoft.Identity.Web: .NET's `MemoryCache`. What does not fit is
//! not let in, what was under its key goes as well, and the least recently used
//! make room, down to 95 % of the limit, for those to come.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::held::{Held, KeyText, Slot};
use super::tally::Tally;
use crate::clock::Timestamp;

pub(super) struct Rejecting {
    size_limit_bytes: u64,
    held: RwLock<Entries>,
    uses: AtomicU64,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<KeyText, Entry>,
    bytes: u64,
}

struct Entry {
    slot: Slot,
    used_at: AtomicI64,
    /// Tells uses of one moment apart.
    use_number: AtomicU64,
}

impl Rejecting {
    pub(super) fn new(size_limit_bytes: u64, tally: Arc<Tally>) -> Self {
        Self {
            size_limit_bytes,
            held: RwLock::default(),
            uses: AtomicU64::new(0),
            tally,
        }
    }

    pub(super) fn get(&self, key: &KeyText, now: Timestamp) -> Option<Slot> {
        let held = self.held.read();
        let entry = held.by_key.get(key)?;
        entry.used_at.store(now.unix_millis(), Ordering::Relaxed);
        let number = self.uses.fetch_add(1, Ordering::Relaxed);
        entry.use_number.store(number, Ordering::Relaxed);
        Some(entry.slot.clone())
    }

    /// Whether there was something to replace.
    pub(super) fn put(&self, slot: Slot, now: Timestamp) -> bool {
        let held = Arc::clone(slot.held());
        let mut entries = self.held.write();
        let replaces = self.take_out(&mut entries, &held.key);
        if entries.bytes + held.payload_bytes > self.size_limit_bytes {
            self.tally.rejected.count(true);
            self.tally.went(held.partition());
            self.compact(&mut entries, now);
            return replaces;
        }
        entries.bytes += held.payload_bytes;
        let entry = Entry {
            used_at: AtomicI64::new(now.unix_millis()),
            use_number: AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed)),
            slot,
        };
        entries.by_key.insert(held.key.clone(), entry);
        replaces
    }

    /// Lets go until 95 % of the limit are left: the expired first, then the
    /// least recently used.
    fn compact(&self, entries: &mut Entries, now: Timestamp) {
        let target = self.size_limit_bytes - self.size_limit_bytes / 20;
        let order = |entry: &Entry| {
            (
                !entry.slot.held().has_expired(now),
                entry.used_at.load(Ordering::Relaxed),
                entry.use_number.load(Ordering::Relaxed),
            )
        };
        let mut by_use: Vec<_> = entries
            .by_key
            .iter()
            .map(|(key, entry)| (order(entry), key.clone()))
            .collect();
        by_use.sort_unstable();
        for ((is_good, ..), key) in by_use {
            if is_good && entries.bytes <= target {
                break;
            }
            self.take_out(entries, &key);
            let count = if is_good {
                &self.tally.evicted
            } else {
                &self.tally.expired
            };
            count.count(true);
        }
    }

    /// Whether it was there.
    fn take_out(&self, entries: &mut Entries, key: &KeyText) -> bool {
        let removed = entries.by_key.remove(key);
        if let Some(Entry { slot, .. }) = &removed {
            let held = slot.held();
            entries.bytes -= held.payload_bytes;
            self.tally.went(held.partition());
        }
        removed.is_some()
    }

    /// Whether there was something to remove.
    pub(super) fn remove(&self, key: &KeyText) -> bool {
        self.take_out(&mut self.held.write(), key)
    }

    /// Whether there was something to remove.
    pub(super) fn remove_expired(&self, key: &KeyText, now: Timestamp) -> bool {
        let mut entries = self.held.write();
        let expired = entries.by_key.get(key);
        expired.is_some_and(|entry| entry.slot.held().has_expired(now))
            && self.take_out(&mut entries, key)
    }

    pub(super) fn len_and_weight(&self) -> (u64, u64) {
        let entries = self.held.read();
        (entries.by_key.len() as u64, entries.bytes)
    }

    pub(super) fn held(&self) -> Vec<Arc<Held>> {
        let entries = self.held.read();
        let held = entries.by_key.values();
        held.map(|entry| Arc::clone(entry.slot.held())).collect()
    }
}
