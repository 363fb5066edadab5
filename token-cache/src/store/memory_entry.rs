//! An entry of a [`MemoryStore`](super::MemoryStore), on its way out of one and into
//! another.

use std::fmt;

use bytes::Bytes;

use super::Expiration;
use crate::clock::Timestamp;

/// What a [`MemoryStore`](super::MemoryStore) holds under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct MemoryStoreEntry {
    /// What it is found by.
    pub key: String,
    /// What is there.
    pub blob: Bytes,
    /// When it may be forgotten.
    pub expiration: Expiration,
    /// When it was last read, refreshed or written.
    pub used_at: Timestamp,
}

/// The blob is full of secrets.
impl fmt::Debug for MemoryStoreEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStoreEntry")
            .field("key", &self.key)
            .field("bytes", &self.blob.len())
            .field("expiration", &self.expiration)
            .field("used_at", &self.used_at)
            .finish()
    }
}
