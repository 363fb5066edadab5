//! L2: blobs by key, in a store that several instances may share.

mod memory;

pub use memory::{MemoryStore, MemoryStoreStats};

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

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

/// A store of blobs. An entry past its [`Expiration`] is as good as gone.
pub trait Store: Send + Sync + fmt::Debug {
    /// The blob under `key`; reading extends a sliding expiration.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>>;

    /// Puts a blob under `key`, in place of what was there.
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()>;

    /// Extends a sliding expiration without reading the blob.
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;

    /// Removes what is under `key`, if anything.
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;
}
