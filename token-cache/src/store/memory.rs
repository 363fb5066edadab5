//! Distributed memory: a store in this process, for tests, for single-node
//! services and for load tests that model the round trip themselves.
//!
//! Named after .NET's `MemoryDistributedCache`, whose limit rule it follows:
//! what does not fit is not stored, what was under its key goes as well, and
//! the least recently used entries make room for those to come.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Expiration, Store, StoreFuture};
use crate::clock::{Clock, Timestamp};

/// A store in memory, bounded in bytes.
pub struct MemoryStore {
    clock: Clock,
    size_limit_bytes: usize,
    held: Mutex<Held>,
}

/// What a [`MemoryStore`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStoreStats {
    /// Blobs.
    pub entries: usize,
    /// Their bytes, keys not counted.
    pub bytes: usize,
    /// Blobs that were not stored for want of room.
    pub refused: u64,
    /// Blobs that went to make room.
    pub evicted: u64,
}

#[derive(Default)]
struct Held {
    entries: HashMap<String, Entry>,
    bytes: usize,
    refused: u64,
    evicted: u64,
}

struct Entry {
    blob: Bytes,
    expiration: Expiration,
    used_at: Timestamp,
}

impl Entry {
    fn has_expired(&self, now: Timestamp) -> bool {
        let Expiration { absolute, sliding } = self.expiration;
        absolute.is_some_and(|end| end <= now)
            || sliding.is_some_and(|window| self.used_at.plus(window) <= now)
    }
}

impl Held {
    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.blob.len();
        }
    }

    /// The entry under `key`, if it has not expired; its time is renewed.
    fn touch(&mut self, key: &str, now: Timestamp) -> Option<&Entry> {
        if self.entries.get(key)?.has_expired(now) {
            self.remove(key);
            return None;
        }
        let entry = self.entries.get_mut(key)?;
        entry.used_at = now;
        Some(entry)
    }

    fn sweep(&mut self, now: Timestamp) {
        let bytes = &mut self.bytes;
        self.entries.retain(|_, entry| {
            let keep = !entry.has_expired(now);
            if !keep {
                *bytes -= entry.blob.len();
            }
            keep
        });
    }
}

impl Held {
    /// Lets the least recently used entries go until 95 % of the limit are left,
    /// as .NET's compaction does.
    fn compact(&mut self, size_limit_bytes: usize) {
        let target = size_limit_bytes - size_limit_bytes / 20;
        let mut by_use: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.used_at, key.clone()))
            .collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            if self.bytes <= target {
                break;
            }
            self.remove(&key);
            self.evicted += 1;
        }
    }
}

impl MemoryStore {
    /// A store of at most `size_limit_bytes` bytes of blobs, on this clock.
    pub fn new(size_limit_bytes: usize, clock: Clock) -> Self {
        Self {
            clock,
            size_limit_bytes,
            held: Mutex::default(),
        }
    }

    /// What it holds now, expired entries not counted.
    pub fn stats(&self) -> MemoryStoreStats {
        let mut held = self.held.lock();
        held.sweep(self.clock.now());
        MemoryStoreStats {
            entries: held.entries.len(),
            bytes: held.bytes,
            refused: held.refused,
            evicted: held.evicted,
        }
    }
}

/// Shows how much it holds; the blobs are full of secrets.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("size_limit_bytes", &self.size_limit_bytes)
            .field("held", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        let now = self.clock.now();
        let blob = self
            .held
            .lock()
            .touch(key, now)
            .map(|entry| entry.blob.clone());
        Box::pin(ready(Ok(blob)))
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        let now = self.clock.now();
        let mut held = self.held.lock();
        held.remove(key);
        if held.bytes + blob.len() > self.size_limit_bytes {
            held.sweep(now);
        }
        let entry = Entry {
            blob,
            expiration,
            used_at: now,
        };
        if held.bytes + entry.blob.len() > self.size_limit_bytes {
            held.refused += 1;
            held.compact(self.size_limit_bytes);
        } else if !entry.has_expired(now) {
            held.bytes += entry.blob.len();
            held.entries.insert(key.to_owned(), entry);
        }
        Box::pin(ready(Ok(())))
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.held.lock().touch(key, self.clock.now());
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.held.lock().remove(key);
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn put(store: &MemoryStore, key: &str, size: usize, expiration: Expiration) {
        store
            .set(key, vec![0; size].into(), expiration)
            .await
            .unwrap();
    }

    async fn has(store: &MemoryStore, key: &str) -> bool {
        store.get(key).await.unwrap().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_goes_at_its_absolute_time_or_when_left_alone() {
        let clock = Clock::system();
        let store = MemoryStore::new(1_000, clock);
        let minute = Duration::from_secs(60);
        let at = Expiration {
            absolute: Some(clock.now().plus(2 * minute)),
            sliding: None,
        };
        let sliding = Expiration {
            absolute: None,
            sliding: Some(minute),
        };
        put(&store, "at", 1, at).await;
        put(&store, "sliding", 1, sliding).await;
        put(&store, "refreshed", 1, sliding).await;
        tokio::time::advance(minute / 2).await;
        store.refresh("refreshed").await.unwrap();
        tokio::time::advance(minute / 2).await;
        assert!(has(&store, "at").await);
        assert!(!has(&store, "sliding").await);
        assert!(has(&store, "refreshed").await);
        tokio::time::advance(minute).await;
        assert!(!has(&store, "at").await);
        assert_eq!(store.stats(), MemoryStoreStats::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_refused_takes_the_old_entry_and_makes_room_for_the_next() {
        let store = MemoryStore::new(100, Clock::system());
        for key in ["a", "b"] {
            put(&store, key, 50, Expiration::default()).await;
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(has(&store, "a").await, "used after `b`");
        put(&store, "c", 50, Expiration::default()).await;
        let stats = store.stats();
        assert_eq!((stats.refused, stats.evicted, stats.bytes), (1, 1, 50));
        assert!(has(&store, "a").await && !has(&store, "b").await && !has(&store, "c").await);
        put(&store, "c", 50, Expiration::default()).await;
        assert!(has(&store, "c").await, "there is room now");
        put(&store, "a", 101, Expiration::default()).await;
        assert!(
            !has(&store, "a").await,
            "the old entry went with the refused one"
        );
        store.remove("c").await.unwrap();
        assert_eq!(store.stats().bytes, 0);
    }
}
