//! What the cache tells whoever listens, as it happens.

use crate::error::{CacheError, StoreError};

/// An operation on the L2 store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum L2Operation {
    /// Read a blob.
    Get,
    /// Write a blob.
    Set,
    /// Extend a sliding expiration.
    Refresh,
    /// Remove a blob.
    Remove,
}

impl L2Operation {
    /// The word in reports, metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Refresh => "refresh",
            Self::Remove => "remove",
        }
    }
}

/// A listener. Every method does nothing by default.
pub trait CacheEvents: Send + Sync {
    /// An L2 operation failed; the request went on without it.
    fn l2_failed(&self, operation: L2Operation, error: &StoreError) {
        let _ = (operation, error);
    }

    /// A blob from L2 could not be read and counts as a miss.
    fn undecodable(&self, error: &CacheError) {
        let _ = error;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl CacheEvents for NoEvents {}
