//! Encryption at rest, as the cache uses it: blobs are sealed on their way to
//! L2 and opened on their way back. L1 holds parsed partitions, so that a hit
//! pays nothing.

use std::fmt;

/// Seals and opens blobs.
pub trait Sealing: Send + Sync + fmt::Debug {
    /// The sealed form of a blob that will lie under `key`.
    ///
    /// # Errors
    ///
    /// Why it cannot be sealed, in words without key material. The blob is not
    /// written then.
    fn seal(&self, key: &str, blob: &[u8]) -> Result<Vec<u8>, String>;

    /// The blob that was sealed for `key`.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened, in words without key material.
    fn open(&self, key: &str, sealed: &[u8]) -> Result<Vec<u8>, String>;
}
