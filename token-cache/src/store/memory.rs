//! Distributed memory: a store in this process, for tests, for single-node
//! services and for load tests that model the round trip themselves.
//!
//! Named after .NET's `MemoryDistributedCache`, whose limit rule it follows:
//! what does not fit is not stored, what was under its key goes as well, and
//! the least recently used entries make room for those to come. That a plain write
//! was refused it does not say, as .NET's; a conditional one fails and leaves what
//! was there.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;

use bytes::Bytes;
use parking_lot::Mutex;

use super::memory_entry::MemoryStoreEntry;
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;

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
    /// Blobs found past their time and let go.
    pub expired: u64,
    /// Blobs removed on request.
    pub removed: u64,
    /// Blobs that a newer one under their key replaced.
    pub replaced: u64,
}

#[derive(Default)]
struct Held {
    /// Numbers the writes, so that each gives its entry a new version.
    writes: u64,
    entries: HashMap<String, Entry>,
    bytes: usize,
    let_go: LetGo,
}

/// Why blobs went, counted.
#[derive(Clone, Copy, Default)]
struct LetGo {
    refused: u64,
    evicted: u64,
    expired: u64,
    removed: u64,
    replaced: u64,
}

struct Entry {
    blob: Bytes,
    write: u64,
    expiration: Expiration,
    used_at: Timestamp,
}

impl Entry {
    fn version(&self) -> Version {
        Version::new(self.write.to_be_bytes().to_vec())
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        let Expiration { absolute, sliding } = self.expiration;
        absolute.is_some_and(|end| end <= now)
            || sliding.is_some_and(|window| self.used_at.plus(window) <= now)
    }
}

impl Held {
    /// Takes an entry out and notes why, if there was one.
    fn take_out(&mut self, key: &str, why: impl FnOnce(&mut LetGo) -> &mut u64) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.blob.len();
            *why(&mut self.let_go) += 1;
        }
    }

    fn remove(&mut self, key: &str, now: Timestamp) {
        // What is over is no longer there to be removed.
        self.take_out_expired(key, now);
        self.take_out(key, |why| &mut why.removed);
    }

    fn take_out_expired(&mut self, key: &str, now: Timestamp) {
        let entry = self.entries.get(key);
        if entry.is_some_and(|entry| entry.has_expired(now)) {
            self.take_out(key, |why| &mut why.expired);
        }
    }

    /// The entry under `key`, if it has not expired; its time is renewed.
    fn touch(&mut self, key: &str, now: Timestamp) -> Option<&Entry> {
        self.take_out_expired(key, now);
        let entry = self.entries.get_mut(key)?;
        entry.used_at = now;
        Some(entry)
    }

    fn sweep(&mut self, now: Timestamp) {
        let (bytes, let_go) = (&mut self.bytes, &mut self.let_go);
        self.entries.retain(|_, entry| {
            let keep = !entry.has_expired(now);
            if !keep {
                *bytes -= entry.blob.len();
                let_go.expired += 1;
            }
            keep
        });
    }
}

impl Held {
    fn put(
        &mut self,
        key: &str,
        blob: Bytes,
        expiration: Expiration,
        now: Timestamp,
        size_limit_bytes: usize,
    ) {
        self.take_out_expired(key, now);
        self.take_out(key, |why| &mut why.replaced);
        if self.bytes + blob.len() > size_limit_bytes {
            self.sweep(now);
        }
        self.writes += 1;
        let entry = Entry {
            blob,
            write: self.writes,
            expiration,
            used_at: now,
        };
        if self.bytes + entry.blob.len() > size_limit_bytes {
            self.let_go.refused += 1;
            self.compact(size_limit_bytes);
        } else if !entry.has_expired(now) {
            self.bytes += entry.blob.len();
            self.entries.insert(key.to_owned(), entry);
        }
    }

    /// Whether so many bytes fit under `key`, if need be without what has expired.
    fn has_room_for(&mut self, key: &str, bytes: usize, limit: usize, now: Timestamp) -> bool {
        let replaced = self.entries.get(key).map_or(0, |entry| entry.blob.len());
        let fit = |held: &Self| held.bytes - replaced + bytes <= limit;
        if !fit(self) {
            self.sweep(now);
        }
        fit(self)
    }

    /// The version of what is under `key`, if anything.
    fn version(&mut self, key: &str, now: Timestamp) -> Option<Version> {
        self.take_out_expired(key, now);
        Some(self.entries.get(key)?.version())
    }

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
            self.take_out(&key, |why| &mut why.evicted);
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

    /// Forgets all it holds, as a server does that was restarted without its
    /// disk. What it counted stays.
    pub fn clear(&self) {
        let mut held = self.held.lock();
        *held = Held {
            // Versions are never given twice.
            writes: held.writes,
            let_go: held.let_go,
            ..Held::default()
        };
    }

    /// Every entry that has not expired, the least recently used first: to be put
    /// into another store.
    pub fn contents(&self) -> Vec<MemoryStoreEntry> {
        let now = self.clock.now();
        let held = self.held.lock();
        let live = held
            .entries
            .iter()
            .filter(|(_, entry)| !entry.has_expired(now));
        let mut contents: Vec<_> = live
            .map(|(key, entry)| MemoryStoreEntry {
                key: key.clone(),
                blob: entry.blob.clone(),
                expiration: entry.expiration,
                used_at: entry.used_at,
            })
            .collect();
        contents.sort_by(|one, other| (one.used_at, &one.key).cmp(&(other.used_at, &other.key)));
        contents
    }

    /// Puts in what another store held, in this order, each as last used then.
    pub fn fill(&self, entries: impl IntoIterator<Item = MemoryStoreEntry>) {
        let mut held = self.held.lock();
        for entry in entries {
            let MemoryStoreEntry {
                key,
                blob,
                expiration,
                used_at,
            } = entry;
            held.put(&key, blob, expiration, used_at, self.size_limit_bytes);
        }
    }

    /// What it holds now, expired entries not counted.
    pub fn stats(&self) -> MemoryStoreStats {
        let mut held = self.held.lock();
        held.sweep(self.clock.now());
        MemoryStoreStats {
            entries: held.entries.len(),
            bytes: held.bytes,
            refused: held.let_go.refused,
            evicted: held.let_go.evicted,
            expired: held.let_go.expired,
            removed: held.let_go.removed,
            replaced: held.let_go.replaced,
        }
    }

    /// Every entry that has not expired, by key: to look at what applications
    /// have left there.
    pub fn blobs(&self) -> Vec<(String, Bytes)> {
        let contents = self.contents().into_iter();
        let mut blobs: Vec<_> = contents.map(|entry| (entry.key, entry.blob)).collect();
        blobs.sort_by(|one, other| one.0.cmp(&other.0));
        blobs
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

impl CompareAndSet for MemoryStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        let now = self.clock.now();
        let found = self.held.lock().touch(key, now).map(|entry| Versioned {
            blob: entry.blob.clone(),
            version: entry.version(),
        });
        Box::pin(ready(Ok(found)))
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        let now = self.clock.now();
        let mut held = self.held.lock();
        let swap = if held.version(key, now).as_ref() != expected {
            Ok(Swap::Conflict)
        } else if held.has_room_for(key, blob.len(), self.size_limit_bytes, now) {
            held.put(key, blob, expiration, now, self.size_limit_bytes);
            Ok(Swap::Done)
        } else {
            held.let_go.refused += 1;
            held.compact(self.size_limit_bytes);
            Err(StoreError::new("the store is full"))
        };
        Box::pin(ready(swap))
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        let mut held = self.held.lock();
        let swap = match held.version(key, self.clock.now()) {
            Some(version) if version != *expected => Swap::Conflict,
            _ => {
                held.remove(key, self.clock.now());
                Swap::Done
            }
        };
        Box::pin(ready(Ok(swap)))
    }
}

impl Store for MemoryStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

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
        self.held
            .lock()
            .put(key, blob, expiration, now, self.size_limit_bytes);
        Box::pin(ready(Ok(())))
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.held.lock().touch(key, self.clock.now());
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.held.lock().remove(key, self.clock.now());
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
        let gone = MemoryStoreStats {
            expired: 3,
            ..MemoryStoreStats::default()
        };
        assert_eq!(store.stats(), gone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_filled_with_what_another_held_goes_on_as_that_one_does() {
        let clock = Clock::system();
        let (first, second) = (
            MemoryStore::new(1_000, clock),
            MemoryStore::new(1_000, clock),
        );
        let minute = Duration::from_secs(60);
        let sliding = Expiration {
            absolute: None,
            sliding: Some(minute),
        };
        for key in ["b", "a"] {
            put(&first, key, 1, sliding).await;
            tokio::time::advance(minute / 2).await;
        }
        second.fill(first.contents());
        assert_eq!(second.blobs(), first.blobs());
        assert_eq!(second.contents(), first.contents());
        tokio::time::advance(minute / 4).await;
        for store in [&first, &second] {
            // Written a minute ago, and three quarters of one.
            assert!(!has(store, "b").await && has(store, "a").await);
        }
        let shown = format!("{:?}", second.contents());
        assert!(shown.contains("bytes: 1"), "{shown}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_is_counted_by_why_it_went() {
        let store = MemoryStore::new(1_000, Clock::system());
        let minute = Duration::from_secs(60);
        let sliding = Expiration {
            absolute: None,
            sliding: Some(minute),
        };
        put(&store, "a", 1, Expiration::default()).await;
        put(&store, "a", 2, Expiration::default()).await;
        store.remove("a").await.unwrap();
        store.remove("a").await.unwrap();
        put(&store, "late", 1, sliding).await;
        tokio::time::advance(minute).await;
        store.remove("late").await.unwrap();
        put(&store, "late", 1, sliding).await;
        tokio::time::advance(minute).await;
        put(&store, "late", 1, sliding).await;
        let stats = store.stats();
        assert_eq!((stats.removed, stats.replaced, stats.expired), (1, 1, 2));
        store.clear();
        assert_eq!(store.stats().removed, 1, "what it counted stays");
    }

    #[tokio::test(start_paused = true)]
    async fn a_conditional_change_is_made_only_if_nobody_came_between() {
        let store = MemoryStore::new(1_000, Clock::system());
        let forever = Expiration::default();
        let put = |expected: Option<Version>, blob: &'static str| {
            let store = &store;
            async move {
                let blob = Bytes::from_static(blob.as_bytes());
                let swap = store.set_if("a", expected.as_ref(), blob, forever).await;
                swap.unwrap()
            }
        };
        assert_eq!(put(None, "1").await, Swap::Done);
        assert_eq!(put(None, "2").await, Swap::Conflict, "something is there");
        let first = store.get_versioned("a").await.unwrap().unwrap();
        assert_eq!(&first.blob[..], b"1");
        assert_eq!(put(Some(first.version.clone()), "2").await, Swap::Done);
        let stale = Some(first.version.clone());
        assert_eq!(put(stale, "3").await, Swap::Conflict);
        let swap = store.remove_if("a", &first.version).await.unwrap();
        assert_eq!(swap, Swap::Conflict);
        let second = store.get_versioned("a").await.unwrap().unwrap();
        let swap = store.remove_if("a", &second.version).await.unwrap();
        assert_eq!((swap, has(&store, "a").await), (Swap::Done, false));
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
