//! What can go wrong in a cache.

use std::time::Duration;

use thiserror::Error;

/// A lookup or a blob that cannot be made sense of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CacheError {
    /// Two tokens of one partition answer the same request, which MSAL refuses
    /// to choose between.
    #[error("multiple_matching_tokens_detected: {count} cached access tokens fit the request")]
    MultipleMatchingTokens {
        /// How many fit.
        count: usize,
    },
    /// A blob is no cache in MSAL's unified schema. The message tells where,
    /// never what stands there.
    #[error("json_parse_failed: the cache entry is not in the unified cache schema ({reason})")]
    Malformed {
        /// What was expected, and the line and column.
        reason: String,
    },
    /// A blob could not be decrypted and is no plain cache either;
    /// Microsoft.Identity.Web's IDW10802.
    #[error("IDW10802: the cache entry cannot be decrypted ({reason})")]
    Undecryptable {
        /// Why, without key material.
        reason: String,
    },
    /// The request forbids the use of a distributed cache;
    /// Microsoft.Identity.Web's IDW10803.
    #[error("IDW10803: the distributed cache must not be used here: {reason}")]
    DistributedCacheForbidden {
        /// Why, in the words of who forbade it.
        reason: String,
    },
}

/// An L2 operation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the L2 store failed: {reason}")]
pub struct StoreError {
    /// What the store said.
    pub reason: String,
    /// In which way.
    pub kind: StoreErrorKind,
}

/// In which way an L2 operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The store said no, or could not be reached.
    Failed,
    /// It did not answer in time.
    TimedOut,
    /// It was not asked: it has failed too often of late.
    NotAsked,
}

impl StoreError {
    /// With the store's own words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            kind: StoreErrorKind::Failed,
        }
    }

    /// The store did not answer within `limit`.
    pub fn timed_out(limit: Duration) -> Self {
        Self {
            reason: format!("no answer in {limit:?}"),
            kind: StoreErrorKind::TimedOut,
        }
    }

    pub(crate) fn not_asked() -> Self {
        Self {
            reason: "it has failed too often of late and is left alone for a while".to_owned(),
            kind: StoreErrorKind::NotAsked,
        }
    }
}
