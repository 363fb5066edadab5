//! L1: parsed partitions in memory, weighed in bytes and bounded.
//!
//! It holds partitions rather than blobs because parsing the blob on every hit
//! is what makes a serialised MSAL hit ten times slower than one in memory.
//!
//! Two layers share one face: [`L1Eviction`] says which. Times are judged by
//! our clock when an entry is read; an expired one only takes room until then.

mod entry;
mod evicting;
mod held;
mod rejecting;
mod tally;

pub use entry::L1Entry;
pub use held::{Cached, FoundSole};
pub use tally::{KindSizes, Sizes};

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::key::{PartitionKey, PartitionKeyRef};
use crate::partition::Partition;
use crate::policy::L1Eviction;
use evicting::Evicting;
use held::{Held, KeyText, Slot};
use rejecting::Rejecting;
use tally::Tally;

/// The memory layer.
pub struct L1 {
    layer: Layer,
    size_limit_bytes: u64,
    tally: Arc<Tally>,
}

enum Layer {
    Evicting(Evicting),
    Rejecting(Rejecting),
}

/// What an L1 holds and has let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Stats {
    /// Partitions held.
    pub entries: u64,
    /// What they weigh.
    pub bytes: u64,
    /// What they may weigh.
    pub capacity_bytes: u64,
    /// Partitions pushed out by the size limit, or not let in by it.
    pub evictions: u64,
    /// Of those, the ones that were not let in.
    pub rejected: u64,
    /// Partitions found past their time and let go.
    pub expired: u64,
    /// Partitions removed on request.
    pub removed: u64,
    /// Partitions that a newer state of theirs replaced.
    pub replaced: u64,
}

impl L1 {
    /// An empty L1 of at most `size_limit_bytes` bytes. The same operations evict
    /// the same entries, in every process.
    pub fn new(size_limit_bytes: u64, eviction: L1Eviction) -> Self {
        let tally = Arc::new(Tally::default());
        let layer = match eviction {
            L1Eviction::LeastUseful => {
                Layer::Evicting(Evicting::new(size_limit_bytes, Arc::clone(&tally)))
            }
            L1Eviction::RejectNew => {
                Layer::Rejecting(Rejecting::new(size_limit_bytes, Arc::clone(&tally)))
            }
        };
        Self {
            layer,
            size_limit_bytes,
            tally,
        }
    }

    /// What is under `key`, if it has not expired.
    pub fn get(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Cached> {
        let key = KeyText::of(key);
        let slot = match &self.layer {
            Layer::Evicting(layer) => layer.get(&key),
            Layer::Rejecting(layer) => layer.get(&key, now),
        }?;
        if slot.held().has_expired(now) {
            let was_there = match &self.layer {
                Layer::Evicting(layer) => layer.remove_expired(&key, now),
                Layer::Rejecting(layer) => layer.remove_expired(&key, now),
            };
            self.tally.expired.count(was_there);
            return None;
        }
        Some(Cached::new(slot))
    }

    /// Puts a partition of `payload_bytes` under `key` until `expires_at`. One
    /// that has expired already is not kept, nor is what it was to replace.
    pub fn put(
        &self,
        key: &PartitionKey,
        partition: Arc<Partition>,
        expires_at: Option<Timestamp>,
        payload_bytes: usize,
        now: Timestamp,
    ) {
        if expires_at.is_some_and(|end| end <= now) {
            return self.remove(key);
        }
        let text = KeyText::of(key.borrowed());
        self.tally.came(&partition);
        let slot = Slot::new(text, key, partition, expires_at, payload_bytes);
        let replaced = match &self.layer {
            Layer::Evicting(layer) => layer.put(slot),
            Layer::Rejecting(layer) => layer.put(slot, now),
        };
        self.tally.replaced.count(replaced);
    }

    /// Removes the partition under `key`.
    pub fn remove(&self, key: &PartitionKey) {
        let key = KeyText::of(key.borrowed());
        let was_there = match &self.layer {
            Layer::Evicting(layer) => layer.remove(&key),
            Layer::Rejecting(layer) => layer.remove(&key),
        };
        self.tally.removed.count(was_there);
    }

    /// What it holds now.
    pub fn stats(&self) -> L1Stats {
        let (entries, bytes) = match &self.layer {
            Layer::Evicting(layer) => layer.len_and_weight(),
            Layer::Rejecting(layer) => layer.len_and_weight(),
        };
        let tally = &self.tally;
        let rejected = tally.rejected.read();
        L1Stats {
            entries,
            bytes,
            capacity_bytes: self.size_limit_bytes,
            evictions: tally.evicted.read() + rejected,
            rejected,
            expired: tally.expired.read(),
            removed: tally.removed.read(),
            replaced: tally.replaced.read(),
        }
    }

    /// What it holds now, by kind.
    pub fn kinds(&self) -> KindSizes {
        self.tally.kinds()
    }

    /// All partitions, in no order. Takes time in proportion to their number.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        let held = self.held();
        held.iter()
            .map(|held| Arc::clone(held.partition()))
            .collect()
    }

    /// All it holds, by key: to be put into another L1. What has expired is left
    /// out. Which entry was used when is not in it.
    pub fn contents(&self, now: Timestamp) -> Vec<L1Entry> {
        let mut held = self.held();
        held.retain(|held| !held.has_expired(now));
        held.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        held.iter().filter_map(|held| L1Entry::of(held)).collect()
    }

    fn held(&self) -> Vec<Arc<Held>> {
        match &self.layer {
            Layer::Evicting(layer) => layer.held(),
            Layer::Rejecting(layer) => layer.held(),
        }
    }
}

impl fmt::Debug for L1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
