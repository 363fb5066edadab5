//! The recommended L1: when it is full, what is least likely to be asked for
//! again goes (`quick_cache`'s S3-FIFO).

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, PoisonError};

use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};

use super::held::{Held, KeyText, Slot};
use super::tally::Tally;
use crate::clock::Timestamp;

/// What one partition takes beside its payload: a map slot, the key and the
/// `Arc`s. Counted so that many small partitions cannot outgrow the limit.
pub(super) const OVERHEAD_BYTES: u64 = 200;

/// A shard drops a partition heavier than itself, so a small L1 is not divided.
const SMALLEST_SHARD_BYTES: u64 = 16 * 1024 * 1024;

/// In parts, each with its share of the limit.
pub(super) struct Evicting {
    /// A power of two of them.
    shards: Box<[Shard]>,
    tally: Arc<Tally>,
}

/// Its lock is several, on cache lines of their own: who reads takes that of its thread,
/// so that threads do not wait for a line that each hit changes; who writes takes all.
struct Shard(ShardedLock<Slots>);

type Slots = Cache<HeldKey, Slot, Weigh, Prehashed, Count>;

impl Shard {
    /// Of at most this many bytes.
    fn new(size_limit_bytes: u64, tally: &Arc<Tally>) -> Self {
        // The estimate sizes only the record of evicted keys; 4 KB is a
        // middling partition. Without a valid estimate the builder fails, and
        // one item is always valid.
        let items = (size_limit_bytes / 4_096).clamp(1, 1_000_000);
        let mut options = OptionsBuilder::new();
        options
            .weight_capacity(size_limit_bytes)
            .estimated_items_capacity(usize::try_from(items).unwrap_or(1))
            .shards(1);
        let lifecycle = Count(Arc::clone(tally));
        let hasher = Prehashed::default();
        Self(ShardedLock::new(match options.build() {
            Ok(options) => Cache::with_options(options, Weigh, hasher, lifecycle),
            Err(_) => Cache::with(1, size_limit_bytes, Weigh, hasher, lifecycle),
        }))
    }

    // No panic leaves half a change behind: nothing of ours runs while one is made
    // but sums.
    fn read(&self) -> ShardedLockReadGuard<'_, Slots> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> ShardedLockWriteGuard<'_, Slots> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a map slot lies in what the slot holds.
#[derive(Clone)]
struct HeldKey(Arc<Held>);

impl PartialEq for HeldKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for HeldKey {}

impl Hash for HeldKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl Equivalent<HeldKey> for KeyText {
    fn equivalent(&self, held: &HeldKey) -> bool {
        *self == held.0.key
    }
}

/// Keys bring their hash.
type Prehashed = BuildHasherDefault<Hash64>;

#[derive(Default)]
struct Hash64(u64);

impl Hasher for Hash64 {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A key's hash comes as a `u64`; anything else is folded in.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Clone)]
struct Weigh;

impl Weighter<HeldKey, Slot> for Weigh {
    fn weight(&self, _: &HeldKey, slot: &Slot) -> u64 {
        slot.held().payload_bytes + OVERHEAD_BYTES
    }
}

#[derive(Clone)]
struct Count(Arc<Tally>);

impl Lifecycle<HeldKey, Slot> for Count {
    type RequestState = ();

    // Not `on_evict`: quick_cache 0.7 calls that for replaced values as well.
    fn before_evict(&self, (): &mut (), _: &HeldKey, _: &mut Slot) {
        self.0.evicted.count(true);
    }

    /// Evicted, replaced, or too heavy to be let in: what was put is held no more.
    fn on_evict(&self, (): &mut (), _: HeldKey, slot: Slot) {
        self.0.went(slot.held().partition());
    }
}

impl Evicting {
    pub(super) fn new(size_limit_bytes: u64, tally: Arc<Tally>) -> Self {
        let shards = [16, 8, 4, 2]
            .into_iter()
            .find(|shards| size_limit_bytes / shards >= SMALLEST_SHARD_BYTES)
            .unwrap_or(1);
        let shard = |_| Shard::new(size_limit_bytes / shards, &tally);
        Self {
            shards: (0..shards).map(shard).collect(),
            tally,
        }
    }

    /// A table within a shard goes by other bits of the hash.
    fn shard(&self, key: &KeyText) -> &Shard {
        let number = (key.hash64() >> 48) as usize;
        &self.shards[number & (self.shards.len() - 1)]
    }

    pub(super) fn get(&self, key: &KeyText) -> Option<Slot> {
        self.shard(key).read().get(key).cloned()
    }

    /// Whether there was something to replace.
    pub(super) fn put(&self, slot: Slot) -> bool {
        let key = HeldKey(Arc::clone(slot.held()));
        let mut shard = self.shard(&key.0.key).write();
        let replaces = shard.contains_key(&key.0.key);
        shard.insert(key, slot);
        replaces
    }

    /// Whether there was something to remove.
    pub(super) fn remove(&self, key: &KeyText) -> bool {
        let removed = self.shard(key).write().remove(key);
        self.went(removed.as_ref())
    }

    /// Whether there was something to remove.
    pub(super) fn remove_expired(&self, key: &KeyText, now: Timestamp) -> bool {
        let expired = |slot: &Slot| slot.held().has_expired(now);
        let removed = self.shard(key).write().remove_if(key, expired);
        self.went(removed.as_ref())
    }

    /// Whether it was there; `quick_cache` tells its listener of what it evicts
    /// itself alone.
    fn went(&self, removed: Option<&(HeldKey, Slot)>) -> bool {
        if let Some((HeldKey(held), _)) = removed {
            self.tally.went(held.partition());
        }
        removed.is_some()
    }

    pub(super) fn len_and_weight(&self) -> (u64, u64) {
        let shards = self.shards.iter().map(Shard::read);
        shards.fold((0, 0), |(len, weight), shard| {
            (len + shard.len() as u64, weight + shard.weight())
        })
    }

    pub(super) fn held(&self) -> Vec<Arc<Held>> {
        let mut held = Vec::new();
        for shard in &self.shards {
            held.extend(shard.read().iter().map(|(key, _)| Arc::clone(&key.0)));
        }
        held
    }
}
