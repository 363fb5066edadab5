//! What can go wrong in a cache.

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
}

/// An L2 operation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the L2 store failed: {reason}")]
pub struct StoreError {
    /// What the store said.
    pub reason: String,
}

impl StoreError {
    /// With the store's own words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
