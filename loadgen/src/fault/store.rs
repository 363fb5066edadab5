//! A shared store as one instance sees it, with the faults that are in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rand::RngExt as _;
use token_cache::StoreError;
use token_cache::store::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use tokio::sync::watch;

use crate::population::Stream;
use crate::scenario::plan::{L2Fault, L2Trouble};
use crate::target::latency;

/// The faults of a store that are in force, seen by all instances.
#[derive(Debug)]
pub struct StoreFaults {
    in_force: watch::Sender<Arc<[L2Fault]>>,
    draws: Stream,
    drawn: AtomicU64,
    struck: AtomicU64,
}

impl StoreFaults {
    /// None yet; chance is drawn under `seed`.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            in_force: watch::Sender::new(Arc::default()),
            draws: Stream::named(seed, "l2/faults"),
            drawn: AtomicU64::new(0),
            struck: AtomicU64::new(0),
        })
    }

    /// From now on these are in force and no others.
    pub fn set(&self, faults: Vec<L2Fault>) {
        self.in_force.send_replace(faults.into());
    }

    /// Operations that a fault struck.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// What strikes an operation of `instance`: the first that concerns it.
    /// What is corrupt shows only when it is read.
    fn strike(&self, instance: usize, is_read: bool) -> Option<L2Trouble> {
        let faults = Arc::clone(&self.in_force.borrow());
        let fault = faults.iter().find(|fault| {
            fault.instances.is_none_or(|count| instance < count)
                && (is_read || fault.trouble != L2Trouble::Corrupt)
                && (fault.share.get() >= 1.0 || self.random().random_bool(fault.share.get()))
        })?;
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(fault.trouble.clone())
    }

    fn random(&self) -> rand_pcg::Pcg64Mcg {
        self.draws.at(self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until no fault makes operations of `instance` hang.
    async fn until_it_answers(&self, instance: usize) {
        let hangs = |faults: &Arc<[L2Fault]>| {
            faults.iter().any(|fault| {
                fault.trouble == L2Trouble::Hang
                    && fault.instances.is_none_or(|count| instance < count)
            })
        };
        let mut changes = self.in_force.subscribe();
        // The sender lives as long as this, so the wait ends with the fault.
        let _ = changes.wait_for(|faults| !hangs(faults)).await;
    }
}

/// A shared store as one instance sees it.
#[derive(Debug)]
pub struct FaultyStore {
    store: Arc<dyn Store>,
    faults: Arc<StoreFaults>,
    instance: usize,
}

impl FaultyStore {
    /// `store` as the instance with this number sees it.
    pub fn new(store: Arc<dyn Store>, faults: Arc<StoreFaults>, instance: usize) -> Self {
        Self {
            store,
            faults,
            instance,
        }
    }

    /// Lets what is in force strike before `work` is begun. A fault decides
    /// whether, and when, the store sees the operation at all.
    fn write<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        match self.faults.strike(self.instance, false) {
            None => work(),
            Some(trouble) => self.after(trouble, work),
        }
    }

    /// The same for what is read, which may be corrupt.
    fn read<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce() -> StoreFuture<'a, Option<T>> + Send + 'a,
        corrupt: fn(T) -> T,
    ) -> StoreFuture<'a, Option<T>> {
        match self.faults.strike(self.instance, true) {
            None => work(),
            Some(L2Trouble::Corrupt) => Box::pin(async move { Ok(work().await?.map(corrupt)) }),
            Some(trouble) => self.after(trouble, work),
        }
    }

    fn after<'a, T: Send + 'a>(
        &'a self,
        trouble: L2Trouble,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            match trouble {
                L2Trouble::Refuse => return Err(StoreError::new("connection refused")),
                L2Trouble::Error => return Err(StoreError::new("the server reports an error")),
                L2Trouble::Hang => self.faults.until_it_answers(self.instance).await,
                L2Trouble::Slow(latency) => {
                    let wait = latency::draw(&latency, &mut self.faults.random());
                    tokio::time::sleep(wait).await;
                }
                // Of what is read, above; a wipe is no state to be in.
                L2Trouble::Corrupt | L2Trouble::Wipe => {}
            }
            work().await
        })
    }
}

/// The first half.
fn half(blob: &Bytes) -> Bytes {
    blob.slice(..blob.len() / 2)
}

impl Store for FaultyStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        self.store.compare_and_set().map(|_| self as _)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.read(|| self.store.get(key), |blob| half(&blob))
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        self.write(move || self.store.set(key, blob, expiration))
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.write(|| self.store.refresh(key))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.write(|| self.store.remove(key))
    }
}

/// Offered only where the store behind has conditional changes.
impl CompareAndSet for FaultyStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        match self.store.compare_and_set() {
            None => unconditional(),
            Some(store) => self.read(
                || store.get_versioned(key),
                |read| Versioned {
                    blob: half(&read.blob),
                    version: read.version,
                },
            ),
        }
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        match self.store.compare_and_set() {
            None => unconditional(),
            Some(store) => self.write(move || store.set_if(key, expected, blob, expiration)),
        }
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        match self.store.compare_and_set() {
            None => unconditional(),
            Some(store) => self.write(|| store.remove_if(key, expected)),
        }
    }
}

fn unconditional<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::new(
        "the store has no conditional changes",
    ))))
}
