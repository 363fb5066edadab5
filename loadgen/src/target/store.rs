//! The L2 of a scenario: distributed memory with a modelled round trip, or a
//! server. What instances ask of it is counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use telemetry::{LetGo, Level};
use token_cache::store::{
    CompareAndSet, Expiration, MemoryStore, MemoryStoreEntry, MemoryStoreStats, Store, StoreFuture,
    Swap, Version, Versioned,
};
use token_cache::{Clock, L2Operation, StoreError};

use super::latency;
use super::remote::Remote;
use crate::exit::Failure;
use crate::population::Stream;
use crate::report::model::{L2, L2Operations};
use crate::scenario::plan::{L2Plan, LatencyPlan, StorePlan};

/// A store that all instances share.
#[derive(Debug)]
pub struct SharedStore {
    backing: Backing,
    asked: [AtomicU64; 4],
    moved: [AtomicU64; 2],
    failed: AtomicU64,
}

/// Where the entries are.
#[derive(Debug)]
enum Backing {
    /// In this process.
    Memory {
        store: Arc<MemoryStore>,
        size_limit: u64,
        latency: LatencyPlan,
        waits: Stream,
        drawn: AtomicU64,
    },
    /// On a server, under keys of this run's own.
    Remote {
        remote: Remote,
        prefix: String,
        /// Every key written, without the prefix.
        written: Mutex<BTreeSet<String>>,
    },
}

/// The store as one instance reaches it: over connections of its own.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<SharedStore>,
    store: Arc<dyn Store>,
    /// What its keys begin with; nothing where instances share.
    scope: String,
}

impl SharedStore {
    /// The store that `plan` describes; waits are drawn under `seed`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when its URL cannot be used.
    pub fn new(plan: &L2Plan, seed: u64, clock: Clock) -> Result<Arc<Self>, Failure> {
        let backing = match &plan.store {
            StorePlan::Memory {
                size_limit,
                latency,
            } => {
                let limit = usize::try_from(size_limit.get()).unwrap_or(usize::MAX);
                Backing::Memory {
                    store: Arc::new(MemoryStore::new(limit, clock)),
                    size_limit: size_limit.get(),
                    latency: latency.clone(),
                    waits: Stream::named(seed, "l2/latency"),
                    drawn: AtomicU64::new(0),
                }
            }
            StorePlan::Remote { kind, url } => {
                let remote = Remote::new(*kind, url.clone(), clock);
                // Found out now, not by the first instance that needs it.
                remote.connect()?;
                Backing::Remote {
                    remote,
                    prefix: format!("loadgen:{}:", uuid::Uuid::new_v4()),
                    written: Mutex::default(),
                }
            }
        };
        Ok(Arc::new(Self {
            backing,
            asked: Default::default(),
            moved: Default::default(),
            failed: AtomicU64::new(0),
        }))
    }

    /// Connections for an instance.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the URL cannot be used.
    pub fn connect(self: &Arc<Self>) -> Result<Arc<Connection>, Failure> {
        self.connect_to_part(String::new())
    }

    /// Connections for an instance that has a part of the store, under this name,
    /// for itself.
    ///
    /// # Errors
    ///
    /// Those of [`SharedStore::connect`].
    pub fn connect_to_part(self: &Arc<Self>, scope: String) -> Result<Arc<Connection>, Failure> {
        let store: Arc<dyn Store> = match &self.backing {
            Backing::Memory { store, .. } => Arc::clone(store) as _,
            Backing::Remote { remote, .. } => remote.connect()?,
        };
        Ok(Arc::new(Connection {
            shared: Arc::clone(self),
            store,
            scope,
        }))
    }

    /// It has lost all it held.
    pub fn wipe(self: &Arc<Self>) {
        match &self.backing {
            Backing::Memory { store, .. } => store.clear(),
            Backing::Remote { .. } => {
                let shared = Arc::clone(self);
                // Only this run's entries: the server may be others' too.
                tokio::spawn(async move { shared.clean_up().await });
            }
        }
    }

    /// The instance that had this part of the store is gone, and the part with it.
    pub fn lose_part(&self, scope: &str) {
        let Backing::Memory { store, .. } = &self.backing else {
            return;
        };
        let store = Arc::clone(store);
        let entries = store.contents().into_iter();
        let keys: Vec<String> = entries
            .map(|entry| entry.key)
            .filter(|key| key.starts_with(scope))
            .collect();
        tokio::spawn(async move {
            for key in keys {
                // Memory does not fail.
                let _ = store.remove(&key).await;
            }
        });
    }

    /// Removes what the run has left on a server. What cannot be reached stays.
    pub async fn clean_up(&self) {
        let Backing::Remote {
            remote,
            prefix,
            written,
        } = &self.backing
        else {
            return;
        };
        let Ok(store) = remote.connect() else { return };
        let keys = std::mem::take(&mut *written.lock());
        for key in keys {
            if let Err(error) = store.remove(&format!("{prefix}{key}")).await {
                tracing::debug!(%error, "entries of this run stay in the store");
                return;
            }
        }
    }

    /// Every entry that is there, by key.
    ///
    /// # Errors
    ///
    /// The store's own, when it is a server.
    pub async fn blobs(&self) -> Result<Vec<(String, Bytes)>, StoreError> {
        match &self.backing {
            Backing::Memory { store, .. } => Ok(store.blobs()),
            Backing::Remote {
                remote,
                prefix,
                written,
            } => {
                let failed = |failure: Failure| StoreError::new(failure.message);
                let store = remote.connect().map_err(failed)?;
                let keys = written.lock().clone();
                let mut blobs = Vec::new();
                for key in keys {
                    if let Some(blob) = store.get(&format!("{prefix}{key}")).await? {
                        blobs.push((key, blob));
                    }
                }
                Ok(blobs)
            }
        }
    }

    /// Every entry with its times; nothing of a server.
    pub fn contents(&self) -> Vec<MemoryStoreEntry> {
        match &self.backing {
            Backing::Memory { store, .. } => store.contents(),
            Backing::Remote { .. } => Vec::new(),
        }
    }

    /// Puts in what another store in this process held; a server has its own.
    pub fn fill(&self, entries: &[MemoryStoreEntry]) {
        if let Backing::Memory { store, .. } = &self.backing {
            store.fill(entries.iter().cloned());
        }
    }

    /// Counts from zero from now on.
    pub fn begin(&self) {
        for count in self.asked.iter().chain(&self.moved) {
            count.store(0, Ordering::Relaxed);
        }
        self.failed.store(0, Ordering::Relaxed);
    }

    /// What it holds and has let go; of a server that is not known.
    pub fn level(&self) -> Level {
        let (stats, capacity_bytes) = match &self.backing {
            Backing::Memory {
                store, size_limit, ..
            } => (store.stats(), Some(*size_limit)),
            Backing::Remote { .. } => (MemoryStoreStats::default(), None),
        };
        Level {
            name: "l2",
            partitions: stats.entries as u64,
            bytes: stats.bytes as u64,
            capacity_bytes,
            kinds: Vec::new(),
            let_go: LetGo {
                size: stats.evicted + stats.refused,
                expired: stats.expired,
                explicit: stats.removed,
                replaced: stats.replaced,
            },
        }
    }

    /// What it holds and was asked. Of a server's holdings nothing is known
    /// without asking it.
    pub fn report(&self) -> L2 {
        let MemoryStoreStats {
            entries,
            bytes,
            refused,
            evicted,
            ..
        } = match &self.backing {
            Backing::Memory { store, .. } => store.stats(),
            Backing::Remote { .. } => MemoryStoreStats::default(),
        };
        let asked = |operation| self.asked[slot(operation)].load(Ordering::Relaxed);
        let [read, written] = [0, 1].map(|way| self.moved[way].load(Ordering::Relaxed));
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
            bytes_read: read,
            bytes_written: written,
            ..L2::default()
        }
    }

    /// An operation of an instance failed.
    pub(super) fn failed(&self, operation: L2Operation, error: &StoreError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(operation = operation.as_str(), %error, "l2 operation failed");
    }

    fn key(&self, key: &str) -> String {
        match &self.backing {
            Backing::Memory { .. } => key.to_owned(),
            Backing::Remote { prefix, .. } => format!("{prefix}{key}"),
        }
    }

    fn count(&self, way: usize, bytes: usize) {
        self.moved[way].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn note_written(&self, key: &str) {
        if let Backing::Remote { written, .. } = &self.backing {
            let mut written = written.lock();
            if !written.contains(key) {
                written.insert(key.to_owned());
            }
        }
    }

    /// How long the next round trip takes, where that is modelled.
    fn round_trip(&self) -> Duration {
        if let Backing::Memory {
            latency,
            waits,
            drawn,
            ..
        } = &self.backing
        {
            let number = drawn.fetch_add(1, Ordering::Relaxed);
            return latency::draw(latency, &mut waits.at(number));
        }
        Duration::ZERO
    }
}

const READ: usize = 0;
const WRITTEN: usize = 1;

fn slot(operation: L2Operation) -> usize {
    match operation {
        L2Operation::Get => 0,
        L2Operation::Set => 1,
        L2Operation::Refresh => 2,
        L2Operation::Remove => 3,
    }
}

impl Connection {
    /// Does `work` after the round trip, under the key as the server has it.
    fn ask<'a, T: Send + 'a, F>(
        &'a self,
        operation: L2Operation,
        key: &'a str,
        work: impl FnOnce(&'a dyn Store, String) -> F + Send + 'a,
    ) -> StoreFuture<'a, T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'a,
    {
        // Counted when it is asked, not when somebody waits for it.
        self.shared.asked[slot(operation)].fetch_add(1, Ordering::Relaxed);
        let wait = self.shared.round_trip();
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            work(&*self.store, self.key(key)).await
        })
    }

    fn key(&self, key: &str) -> String {
        if self.scope.is_empty() {
            return self.shared.key(key);
        }
        self.shared.key(&format!("{}{key}", self.scope))
    }

    fn read(&self, blob: Option<&Bytes>) {
        self.shared.count(READ, blob.map_or(0, Bytes::len));
    }

    fn written(&self, key: &str, bytes: usize) {
        self.shared.count(WRITTEN, bytes);
        self.shared.note_written(key);
    }
}

impl Store for Connection {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        self.store.compare_and_set().map(|_| self as _)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.ask(L2Operation::Get, key, move |store, key| async move {
            let blob = store.get(&key).await?;
            self.read(blob.as_ref());
            Ok(blob)
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        self.ask(L2Operation::Set, key, move |store, full| async move {
            let bytes = blob.len();
            store.set(&full, blob, expiration).await?;
            self.written(key, bytes);
            Ok(())
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.ask(L2Operation::Refresh, key, move |store, key| async move {
            store.refresh(&key).await
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.ask(L2Operation::Remove, key, move |store, key| async move {
            store.remove(&key).await
        })
    }
}

/// Offered only where the store behind has conditional changes.
impl CompareAndSet for Connection {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        self.ask(L2Operation::Get, key, move |store, key| async move {
            let read = conditional(store)?.get_versioned(&key).await?;
            self.read(read.as_ref().map(|read| &read.blob));
            Ok(read)
        })
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        self.ask(L2Operation::Set, key, move |store, full| async move {
            let bytes = blob.len();
            let store = conditional(store)?;
            let swap = store.set_if(&full, expected, blob, expiration).await?;
            if swap == Swap::Done {
                self.written(key, bytes);
            }
            Ok(swap)
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        self.ask(L2Operation::Remove, key, move |store, key| async move {
            conditional(store)?.remove_if(&key, expected).await
        })
    }
}

fn conditional(store: &dyn Store) -> Result<&dyn CompareAndSet, StoreError> {
    let without = || StoreError::new("the store has no conditional changes");
    store.compare_and_set().ok_or_else(without)
}
