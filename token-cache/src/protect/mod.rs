//! Encryption at rest: what leaves this process is sealed, what comes back is
//! opened, and L1 in between holds parsed partitions, so a hit there pays
//! nothing. A [`KeyRing`] is the [`Sealing`](crate::seal::Sealing) of
//! [`TokenCacheOptions`](crate::TokenCacheOptions).
//!
//! A sealed entry names the key it was sealed with and is bound to the cache key
//! it stands under: moved under another, it does not open. Keys rotate by adding
//! a new primary one to the [`KeyRing`]; entries sealed with the old ones still
//! open until those are taken out.

mod data_protection;
mod envelope;
mod key_ring;
mod rotating;

pub use data_protection::{DataProtectionKey, DataProtectionReader};
pub use envelope::{OVERHEAD_BYTES, is_sealed};
pub use key_ring::{KeyRing, LONGEST_KEY_ID};
pub use rotating::RotatingKeyRing;

use thiserror::Error;

/// Why an entry could not be opened. Nothing of the entry is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtectError {
    /// It is not sealed: plaintext of old, or no entry of ours at all.
    #[error("the entry is not sealed")]
    NotSealed,
    /// It was sealed with a key that the ring does not have.
    #[error("the entry is sealed with the key `{key_id}`, which is not in the ring")]
    UnknownKey {
        /// The key's name, as the entry gives it.
        key_id: String,
    },
    /// It ends too early or its head makes no sense.
    #[error("the sealed entry is damaged: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// It was changed, or stands under another cache key than it was sealed for.
    #[error("the sealed entry does not open: it was changed or moved, or its key is another")]
    Forged,
}

/// A key ring that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the key ring cannot be used: {reason}")]
pub struct KeyRingError {
    /// What is wrong with it; never a key.
    pub reason: String,
}

impl KeyRingError {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
