//! L2: blobs by key, in a store that several instances may share.

#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server"
))]
mod backoff;
#[cfg(feature = "cosmos")]
mod cosmos;
#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server",
    feature = "cosmos"
))]
mod lifetime;
mod location;
#[cfg(feature = "memcached")]
mod memcached;
mod memory;
mod memory_entry;
#[cfg(any(feature = "postgres", feature = "memcached", feature = "sql-server"))]
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sql-server")]
mod sql_server;
#[cfg(any(feature = "postgres", feature = "sql-server"))]
mod sweep;

#[cfg(feature = "cosmos")]
pub use cosmos::{CosmosOptions, CosmosStore};
pub use location::open;
#[cfg(feature = "memcached")]
pub use memcached::{MemcachedOptions, MemcachedStore};
pub use memory::{MemoryStore, MemoryStoreStats};
pub use memory_entry::MemoryStoreEntry;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore};
#[cfg(feature = "sql-server")]
pub use sql_server::{SqlServerOptions, SqlServerStore};

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::adapter::CacheLevel;
use crate::clock::Timestamp;
use crate::error::StoreError;

/// What a store's operations return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// When a store may forget an entry; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiration {
    /// At this time.
    pub absolute: Option<Timestamp>,
    /// When not read or refreshed for this long.
    pub sliding: Option<Duration>,
}

/// A state of an entry, as its store tells states apart: an ETag, a memcached
/// `cas` number, a hash of the blob. Two equal versions are the same blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Bytes);

impl Version {
    /// Takes whatever the store calls a version.
    pub fn new(version: impl Into<Bytes>) -> Self {
        Self(version.into())
    }

    /// What the store calls it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A blob and the version it has.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The blob.
    pub blob: Bytes,
    /// Its version.
    pub version: Version,
}

/// Shows the size; the blob is full of secrets.
impl fmt::Debug for Versioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Versioned")
            .field("bytes", &self.blob.len())
            .field("version", &self.version)
            .finish()
    }
}

/// What became of a conditional change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// It was made.
    Done,
    /// It was not: the entry is not as expected. Read it again.
    Conflict,
}

/// Changes on condition that nobody came between. Each is one atomic step of
/// the store. An entry past its [`Expiration`] counts as absent.
pub trait CompareAndSet: Send + Sync {
    /// The blob under `key` with its version; reading extends a sliding
    /// expiration.
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>>;

    /// Puts a blob under `key` if what is there has the version `expected`, or
    /// if nothing is there and `expected` is `None`.
    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap>;

    /// Removes what is under `key` if it has the version `expected`. Nothing
    /// there is [`Swap::Done`].
    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap>;
}

/// A store of blobs. An entry past its [`Expiration`] is as good as gone.
pub trait Store: Send + Sync + fmt::Debug {
    /// What results say of a token that came from here. A store that is no
    /// shared cache, such as a session, is [`CacheLevel::Unknown`], as in MSAL.
    fn level(&self) -> CacheLevel {
        CacheLevel::L2
    }

    /// The store's conditional changes, where it has them. Without, the last
    /// writer wins.
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        None
    }

    /// The blob under `key`; reading extends a sliding expiration.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>>;

    /// Puts a blob under `key`, in place of what was there.
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()>;

    /// Extends a sliding expiration without reading the blob.
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;

    /// Removes what is under `key`, if anything.
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;
}

impl dyn Store {
    /// The conditional changes of a store that is known to have them.
    pub(crate) fn conditional(&self) -> Result<&dyn CompareAndSet, StoreError> {
        let without = || StoreError::new("the store has no conditional changes");
        self.compare_and_set().ok_or_else(without)
    }
}
