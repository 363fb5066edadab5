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
mod tests;
