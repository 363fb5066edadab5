//! L1: parsed partitions in memory, weighed in bytes and bounded.
//!
//! It holds partitions rather than blobs because parsing the blob on every hit
//! is what makes a serialised MSAL hit ten times slower than one in memory.
//!
//! Two layers share one face: [`L1Eviction`] says which. Times are judged by
//! our clock when an entry is read; an expired one only takes room until then.

mod evicting;
mod held;
mod rejecting;

pub use held::{Cached, FoundSole, KindSizes, Sizes};

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::key::{PartitionKey, PartitionKeyRef};
use crate::partition::Partition;
use crate::policy::L1Eviction;
use evicting::Evicting;
use held::{Held, KeyText};
use rejecting::Rejecting;

/// The memory layer.
pub struct L1 {
    layer: Layer,
    size_limit_bytes: u64,
    let_go: Arc<LetGo>,
}

enum Layer {
    Evicting(Evicting),
    Rejecting(Rejecting),
}

/// Why partitions went, counted.
#[derive(Debug, Default)]
struct LetGo {
    evicted: AtomicU64,
    rejected: AtomicU64,
    expired: AtomicU64,
    removed: AtomicU64,
    replaced: AtomicU64,
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
        let let_go = Arc::new(LetGo::default());
        let layer = match eviction {
            L1Eviction::LeastUseful => {
                Layer::Evicting(Evicting::new(size_limit_bytes, Arc::clone(&let_go)))
            }
            L1Eviction::RejectNew => {
                Layer::Rejecting(Rejecting::new(size_limit_bytes, Arc::clone(&let_go)))
            }
        };
        Self {
            layer,
            size_limit_bytes,
            let_go,
        }
    }

    /// What is under `key`, if it has not expired.
    pub fn get(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Cached> {
        let key = KeyText::of(key);
        let held = match &self.layer {
            Layer::Evicting(layer) => layer.get(&key),
            Layer::Rejecting(layer) => layer.get(&key, now),
        }?;
        if held.has_expired(now) {
            let was_there = match &self.layer {
                Layer::Evicting(layer) => layer.remove_expired(&key, now),
                Layer::Rejecting(layer) => layer.remove_expired(&key, now),
            };
            let expired = &self.let_go.expired;
            expired.fetch_add(u64::from(was_there), Ordering::Relaxed);
            return None;
        }
        Some(Cached::new(held))
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
        let held = Held::new(text, key, partition, expires_at, payload_bytes);
        let replaced = match &self.layer {
            Layer::Evicting(layer) => layer.put(held),
            Layer::Rejecting(layer) => layer.put(held, now),
        };
        let count = &self.let_go.replaced;
        count.fetch_add(u64::from(replaced), Ordering::Relaxed);
    }

    /// Removes the partition under `key`.
    pub fn remove(&self, key: &PartitionKey) {
        let key = KeyText::of(key.borrowed());
        let was_there = match &self.layer {
            Layer::Evicting(layer) => layer.remove(&key),
            Layer::Rejecting(layer) => layer.remove(&key),
        };
        let count = &self.let_go.removed;
        count.fetch_add(u64::from(was_there), Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn stats(&self) -> L1Stats {
        let (entries, bytes) = match &self.layer {
            Layer::Evicting(layer) => layer.len_and_weight(),
            Layer::Rejecting(layer) => layer.len_and_weight(),
        };
        let rejected = self.let_go.rejected.load(Ordering::Relaxed);
        L1Stats {
            entries,
            bytes,
            capacity_bytes: self.size_limit_bytes,
            evictions: self.let_go.evicted.load(Ordering::Relaxed) + rejected,
            rejected,
            expired: self.let_go.expired.load(Ordering::Relaxed),
            removed: self.let_go.removed.load(Ordering::Relaxed),
            replaced: self.let_go.replaced.load(Ordering::Relaxed),
        }
    }

    /// All partitions, in no order. Takes time in proportion to their number.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        match &self.layer {
            Layer::Evicting(layer) => layer.partitions(),
            Layer::Rejecting(layer) => layer.partitions(),
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
