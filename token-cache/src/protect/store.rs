//! A store whose entries are sealed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{KeyRing, ProtectError};
use crate::error::StoreError;
use crate::store::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};

/// What an entry that is not sealed counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsealed {
    /// An entry: written before encryption was switched on. Whoever can write to
    /// the store can then put tokens there, as without encryption.
    Accepted,
    /// Unreadable.
    Refused,
}

/// What reading an entry that does not open comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// An empty entry: a miss, and the next write replaces it.
    Miss,
    /// The bytes as they are: whoever reads them finds no cache in them. This is
    /// what Microsoft.Identity.Web does, where it ends as an error of the request
    /// (`json_parse_failed`, IDW10802) until somebody removes the entry.
    AsIs,
}

/// Seals what goes into a store and opens what comes out.
pub struct ProtectedStore {
    ring: RwLock<Arc<KeyRing>>,
    unsealed: Unsealed,
    unreadable: Unreadable,
    unreadable_count: AtomicU64,
    store: Arc<dyn Store>,
}

impl ProtectedStore {
    /// A store over `store`.
    pub fn new(
        store: Arc<dyn Store>,
        ring: Arc<KeyRing>,
        unsealed: Unsealed,
        unreadable: Unreadable,
    ) -> Self {
        Self {
            ring: RwLock::new(ring),
            unsealed,
            unreadable,
            unreadable_count: AtomicU64::new(0),
            store,
        }
    }

    /// Goes on with another ring: after a rotation, without a restart.
    pub fn replace_ring(&self, ring: Arc<KeyRing>) {
        *self.ring.write() = ring;
    }

    /// How many entries that were read did not open.
    pub fn unreadable_count(&self) -> u64 {
        self.unreadable_count.load(Ordering::Relaxed)
    }

    fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read())
    }

    fn seal(&self, key: &str, blob: &[u8]) -> Result<Bytes, StoreError> {
        let sealed = self.ring().seal(key, blob);
        sealed.map_err(|error| StoreError::new(format!("sealing failed: {error}")))
    }

    fn open(&self, key: &str, entry: Bytes) -> Bytes {
        match self.ring().open(key, &entry) {
            Ok(blob) => blob,
            Err(ProtectError::NotSealed) if self.unsealed == Unsealed::Accepted => entry,
            Err(_) => {
                self.unreadable_count.fetch_add(1, Ordering::Relaxed);
                match self.unreadable {
                    Unreadable::Miss => Bytes::new(),
                    Unreadable::AsIs => entry,
                }
            }
        }
    }
}

impl Store for ProtectedStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        self.store
            .compare_and_set()
            .map(|_| self as &dyn CompareAndSet)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let entry = self.store.get(key).await?;
            Ok(entry.map(|entry| self.open(key, entry)))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let sealed = self.seal(key, &blob)?;
            self.store.set(key, sealed, expiration).await
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.store.refresh(key)
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.store.remove(key)
    }
}

/// Versions are those of the sealed entries.
impl CompareAndSet for ProtectedStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        Box::pin(async move {
            let found = self.store.conditional()?.get_versioned(key).await?;
            Ok(found.map(|Versioned { blob, version }| Versioned {
                blob: self.open(key, blob),
                version,
            }))
        })
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let sealed = self.seal(key, &blob)?;
            self.store
                .conditional()?
                .set_if(key, expected, sealed, expiration)
                .await
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move { self.store.conditional()?.remove_if(key, expected).await })
    }
}

impl fmt::Debug for ProtectedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedStore")
            .field("ring", &self.ring())
            .field("unsealed", &self.unsealed)
            .field("unreadable", &self.unreadable)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
