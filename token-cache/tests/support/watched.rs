//! A store in memory that tests watch and disturb. Shared with `token-client`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use token_cache::store::{
    CompareAndSet, Expiration, MemoryStore, Store, StoreFuture, Swap, Version, Versioned,
};
use token_cache::{CacheLevel, Clock, StoreError};

/// A store that notes what it is asked, and fails on request.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) store: MemoryStore,
    pub(crate) round_trip: Mutex<Duration>,
    pub(crate) asked: Mutex<Vec<&'static str>>,
    pub(crate) down: Mutex<bool>,
    /// Blobs under this key it does not take.
    pub(crate) refused: Mutex<Option<&'static str>>,
    /// That of the last blob it was given.
    pub(crate) expiration: Mutex<Option<Expiration>>,
    level: CacheLevel,
}

impl Watched {
    /// One whose answers have this level.
    pub(crate) fn at(level: CacheLevel, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(100_000_000, clock),
            round_trip: Mutex::default(),
            asked: Mutex::default(),
            down: Mutex::new(false),
            refused: Mutex::default(),
            expiration: Mutex::default(),
            level,
        })
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock()).join(" ")
    }

    /// Notes the operation, reads the store's answer at once, and hands it
    /// over, or does the work, after the round trip.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        what: &'static str,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        self.asked.lock().push(what);
        if *self.down.lock() {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        let round_trip = *self.round_trip.lock();
        if what == "get" {
            let answer = work();
            return Box::pin(async move {
                tokio::time::sleep(round_trip).await;
                answer.await
            });
        }
        Box::pin(async move {
            tokio::time::sleep(round_trip).await;
            work().await
        })
    }
}

impl CompareAndSet for Watched {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        self.pass("get", move || self.store.get_versioned(key))
    }
    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        *self.expiration.lock() = Some(expiration);
        self.pass("set", move || match *self.refused.lock() {
            Some(refused) if key.contains(refused) => {
                Box::pin(async { Err(StoreError::new("too large")) })
            }
            _ => self.store.set_if(key, expected, blob, expiration),
        })
    }
    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        self.pass("remove", move || self.store.remove_if(key, expected))
    }
}

impl Store for Watched {
    fn level(&self) -> CacheLevel {
        self.level
    }
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.pass("get", move || self.store.get(key))
    }
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        *self.expiration.lock() = Some(expiration);
        self.pass("set", move || self.store.set(key, blob, expiration))
    }
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("refresh", move || self.store.refresh(key))
    }
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("remove", move || self.store.remove(key))
    }
}
