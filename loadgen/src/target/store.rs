//! The L2 of a scenario: a store with a modelled round trip, that counts what
//! it is asked.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use token_cache::store::{
    CompareAndSet, Expiration, MemoryStore, MemoryStoreStats, Store, StoreFuture, Swap, Version,
    Versioned,
};
use token_cache::{Clock, L2Operation, StoreError};

use super::latency;
use crate::population::Stream;
use crate::report::model::{L2, L2Operations};
use crate::scenario::plan::{L2Plan, LatencyPlan, StorePlan};
use crate::scenario::units;

/// A store that all instances share.
#[derive(Debug)]
pub struct SharedStore {
    store: MemoryStore,
    latency: LatencyPlan,
    waits: Stream,
    drawn: AtomicU64,
    asked: [AtomicU64; 4],
    failed: AtomicU64,
}

impl SharedStore {
    /// The store that `plan` describes; waits are drawn under `seed`.
    pub fn new(plan: &L2Plan, seed: u64, clock: Clock) -> Self {
        let (size_limit, latency) = match &plan.store {
            StorePlan::Memory {
                size_limit,
                latency,
            } => (*size_limit, latency.clone()),
            // Refused by validation: no build has one yet.
            StorePlan::Remote { .. } => (units::Bytes::new(0), LatencyPlan::None),
        };
        Self {
            store: MemoryStore::new(
                usize::try_from(size_limit.get()).unwrap_or(usize::MAX),
                clock,
            ),
            latency,
            waits: Stream::named(seed, "l2/latency"),
            drawn: AtomicU64::new(0),
            asked: Default::default(),
            failed: AtomicU64::new(0),
        }
    }

    /// It has lost all it held.
    pub fn wipe(&self) {
        self.store.clear();
    }

    /// What it holds and was asked.
    pub fn report(&self) -> L2 {
        let MemoryStoreStats {
            entries,
            bytes,
            refused,
            evicted,
        } = self.store.stats();
        let asked = |operation| self.asked[slot(operation)].load(Ordering::Relaxed);
        L2 {
            entries: entries as u64,
            bytes: bytes as u64,
            operations: L2Operations {
                get: asked(L2Operation::Get),
                set: asked(L2Operation::Set),
                refresh: asked(L2Operation::Refresh),
                remove: asked(L2Operation::Remove),
            },
            errors: self.failed.load(Ordering::Relaxed),
            refused,
            evictions: evicted,
        }
    }

    /// Waits as long as the round trip takes, then does the work.
    fn after_round_trip<'a, T: Send + 'a>(
        &'a self,
        operation: L2Operation,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        self.asked[slot(operation)].fetch_add(1, Ordering::Relaxed);
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let wait = latency::draw(&self.latency, &mut self.waits.at(number));
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            work().await
        })
    }
}

fn slot(operation: L2Operation) -> usize {
    match operation {
        L2Operation::Get => 0,
        L2Operation::Set => 1,
        L2Operation::Refresh => 2,
        L2Operation::Remove => 3,
    }
}

impl CompareAndSet for SharedStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        self.after_round_trip(L2Operation::Get, || self.store.get_versioned(key))
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        self.after_round_trip(L2Operation::Set, move || {
            self.store.set_if(key, expected, blob, expiration)
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        self.after_round_trip(L2Operation::Remove, move || {
            self.store.remove_if(key, expected)
        })
    }
}

impl Store for SharedStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.after_round_trip(L2Operation::Get, || self.store.get(key))
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        self.after_round_trip(L2Operation::Set, move || {
            self.store.set(key, blob, expiration)
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.after_round_trip(L2Operation::Refresh, || self.store.refresh(key))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.after_round_trip(L2Operation::Remove, || self.store.remove(key))
    }
}

impl SharedStore {
    /// An operation of an instance failed.
    pub(super) fn failed(&self, operation: L2Operation, error: &StoreError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(operation = operation.as_str(), %error, "l2 operation failed");
    }
}
