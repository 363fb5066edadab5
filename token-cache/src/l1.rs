//! L1: parsed partitions in memory, weighed in bytes and bounded.
//!
//! It holds partitions rather than blobs because parsing the blob on every hit
//! is what makes a serialised MSAL hit ten times slower than one in memory.

use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::clock::Timestamp;
use crate::key::{PartitionKey, PartitionKeyRef};
use crate::partition::Partition;

/// What one partition takes beside its payload: two map slots, the key and the
/// `Arc`s. Counted so that many small partitions cannot outgrow the limit.
const OVERHEAD_BYTES: u64 = 200;

/// A shard drops a partition heavier than itself, so a small L1 is not divided.
const SMALLEST_SHARD_BYTES: u64 = 16 * 1024 * 1024;

/// Not seeded at random, so that the same requests evict the same partitions
/// in every run; keys are hashes and ids that no caller can choose freely.
type HashBuilder = BuildHasherDefault<DefaultHasher>;

/// The memory layer.
pub struct L1 {
    cache: Cache<PartitionKey, Entry, Weigh, HashBuilder, CountEvictions>,
    evictions: Arc<AtomicU64>,
}

/// What an L1 holds and has let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Stats {
    /// Partitions held.
    pub entries: u64,
    /// What they weigh.
    pub bytes: u64,
    /// Partitions pushed out by the size limit, or too heavy for it.
    pub evictions: u64,
}

#[derive(Clone)]
struct Entry {
    partition: Arc<Partition>,
    expires_at: Option<Timestamp>,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<PartitionKey, Entry> for Weigh {
    fn weight(&self, _: &PartitionKey, entry: &Entry) -> u64 {
        entry.partition.size_bytes() as u64 + OVERHEAD_BYTES
    }
}

#[derive(Clone)]
struct CountEvictions(Arc<AtomicU64>);

impl Lifecycle<PartitionKey, Entry> for CountEvictions {
    type RequestState = ();

    // Not `on_evict`: quick_cache 0.7 calls that for replaced values as well.
    fn before_evict(&self, (): &mut (), _: &PartitionKey, _: &mut Entry) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl L1 {
    /// An empty L1 of at most `size_limit_bytes` bytes.
    pub fn new(size_limit_bytes: u64) -> Self {
        let shards = [16, 8, 4, 2]
            .into_iter()
            .find(|shards| size_limit_bytes / shards >= SMALLEST_SHARD_BYTES)
            .unwrap_or(1);
        // Shares are rounded up; a multiple of the shards keeps to the limit.
        let size_limit_bytes = size_limit_bytes - size_limit_bytes % shards;
        // The estimate sizes only the record of evicted keys; 4 KB is a
        // middling partition. Without a valid estimate the builder fails, and
        // one item is always valid.
        let items = (size_limit_bytes / 4_096).clamp(1, 1_000_000);
        let evictions = Arc::new(AtomicU64::new(0));
        let mut options = OptionsBuilder::new();
        options
            .weight_capacity(size_limit_bytes)
            .estimated_items_capacity(usize::try_from(items).unwrap_or(1))
            .shards(usize::try_from(shards).unwrap_or(1));
        let lifecycle = CountEvictions(Arc::clone(&evictions));
        let cache = match options.build() {
            Ok(options) => Cache::with_options(options, Weigh, HashBuilder::default(), lifecycle),
            Err(_) => Cache::with(
                1,
                size_limit_bytes,
                Weigh,
                HashBuilder::default(),
                lifecycle,
            ),
        };
        Self { cache, evictions }
    }

    /// The partition under `key`, if it has not expired.
    pub fn get(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Arc<Partition>> {
        let entry = self.cache.get(&key)?;
        if entry.expires_at.is_some_and(|end| end <= now) {
            self.cache
                .remove_if(&key, |held| held.expires_at.is_some_and(|end| end <= now));
            return None;
        }
        Some(entry.partition)
    }

    /// Puts a partition under `key` until `expires_at`.
    pub fn put(&self, key: PartitionKey, partition: Arc<Partition>, expires_at: Option<Timestamp>) {
        self.cache.insert(
            key,
            Entry {
                partition,
                expires_at,
            },
        );
    }

    /// Removes the partition under `key`.
    pub fn remove(&self, key: &PartitionKey) {
        self.cache.remove(key);
    }

    /// What it holds now.
    pub fn stats(&self) -> L1Stats {
        L1Stats {
            entries: self.cache.len() as u64,
            bytes: self.cache.weight(),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for L1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HomeAccountId;

    fn key(number: usize) -> PartitionKey {
        PartitionKey::Account(HomeAccountId::new(format!("user{number}.tenant")))
    }

    fn empty() -> Arc<Partition> {
        Arc::new(Partition::default())
    }

    #[test]
    fn it_never_holds_more_bytes_than_its_limit_and_counts_what_it_lets_go() {
        let limit = 100 * OVERHEAD_BYTES;
        let l1 = L1::new(limit);
        for number in 0..1_000 {
            l1.put(key(number), empty(), None);
            assert!(l1.stats().bytes <= limit);
        }
        let stats = l1.stats();
        assert!(stats.entries > 50, "{stats:?}");
        assert_eq!(stats.entries + stats.evictions, 1_000);
    }

    #[test]
    fn a_replaced_partition_is_no_eviction_and_one_too_heavy_is() {
        let l1 = L1::new(10 * OVERHEAD_BYTES);
        for _ in 0..5 {
            l1.put(key(0), empty(), None);
        }
        assert_eq!((l1.stats().entries, l1.stats().evictions), (1, 0));
        let small = L1::new(OVERHEAD_BYTES - 1);
        small.put(key(0), empty(), None);
        assert_eq!((small.stats().entries, small.stats().evictions), (0, 1));
    }

    #[test]
    fn an_entry_is_gone_at_its_time() {
        let l1 = L1::new(1_000_000);
        let end = Timestamp::from_unix_seconds(100);
        l1.put(key(0), empty(), Some(end));
        assert!(
            l1.get(key(0).borrowed(), Timestamp::from_unix_seconds(99))
                .is_some()
        );
        assert!(l1.get(key(0).borrowed(), end).is_none());
        assert_eq!(l1.stats().entries, 0);
    }

    #[test]
    fn a_limit_of_nothing_holds_nothing() {
        let l1 = L1::new(1);
        l1.put(key(0), empty(), None);
        assert!(l1.get(key(0).borrowed(), Timestamp::default()).is_none());
    }
}
