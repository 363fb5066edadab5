//! Why an acquisition gave no token.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use token_cache::CacheError;

use crate::idp::RequestError;
use crate::result::ResultMetadata;

/// An acquisition without a token. Everyone who waited for one failed fetch
/// gets the same cause.
#[derive(Debug, Clone)]
pub struct AcquireError {
    kind: Arc<ErrorKind>,
    metadata: ResultMetadata,
}

/// What went wrong.
#[derive(Debug)]
pub enum ErrorKind {
    /// A silent acquisition found neither an access token nor a refresh token:
    /// the user has to sign in (again). MSAL's `no_tokens_found`.
    NoTokensFound,
    /// A silent acquisition that names nobody. MSAL's `user_null`.
    UserNull,
    /// The provider answered a silent request with another user's tokens, which
    /// are neither served nor stored. MSAL's `user_mismatch`.
    UserMismatch,
    /// A long-running session of which the cache knows nothing: it has to be
    /// begun (again). MSAL's `obo_cache_key_not_in_cache_error`.
    OboKeyNotInCache,
    /// A flow that lives on the cache, where nothing is cached. MSAL's
    /// `internal_cache_disabled`.
    CacheDisabled,
    /// The provider wants to be left alone: the request was not sent.
    Throttled {
        /// For how much longer.
        retry_after: Duration,
        /// The answer that said so.
        cause: Arc<ErrorKind>,
    },
    /// The request asks what its flow cannot give.
    InvalidRequest(&'static str),
    /// The cache could not answer.
    Cache(CacheError),
    /// The identity provider gave no token.
    Provider(RequestError),
    /// The fetch ended without an answer: the runtime stopped, or it panicked.
    FetchLost,
    /// The caller stopped waiting. Nobody is given this error but who
    /// [listens](crate::ClientEvents); what was fetched is stored all the same.
    GivenUp,
}

impl AcquireError {
    pub(crate) fn new(kind: impl Into<Arc<ErrorKind>>, metadata: ResultMetadata) -> Self {
        Self {
            kind: kind.into(),
            metadata,
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// How far it got. `token_source` and `cache_level` mean nothing here.
    pub fn metadata(&self) -> &ResultMetadata {
        &self.metadata
    }

    /// Whether only the user can help, by signing in.
    pub fn needs_user(&self) -> bool {
        match &*self.kind {
            ErrorKind::NoTokensFound | ErrorKind::UserNull => true,
            ErrorKind::Provider(error) => error.needs_user(),
            _ => false,
        }
    }

    /// A short, closed name for counting: an OAuth error code, or a class.
    pub fn code(&self) -> &str {
        match &*self.kind {
            ErrorKind::NoTokensFound => "no_tokens_found",
            ErrorKind::UserNull => "user_null",
            ErrorKind::UserMismatch => "user_mismatch",
            ErrorKind::OboKeyNotInCache => "obo_cache_key_not_in_cache_error",
            ErrorKind::CacheDisabled => "internal_cache_disabled",
            ErrorKind::Throttled { .. } => "throttled",
            ErrorKind::InvalidRequest(_) => "invalid_acquire_request",
            ErrorKind::Cache(CacheError::MultipleMatchingTokens { .. }) => {
                "multiple_matching_tokens_detected"
            }
            ErrorKind::Cache(CacheError::Malformed { .. }) => "json_parse_failed",
            ErrorKind::Cache(CacheError::Undecryptable { .. }) => "cache_undecryptable",
            ErrorKind::Cache(CacheError::DistributedCacheForbidden { .. }) => {
                "distributed_cache_forbidden"
            }
            ErrorKind::Provider(error) => error.code(),
            ErrorKind::FetchLost => "fetch_lost",
            ErrorKind::GivenUp => "cancelled",
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            ErrorKind::NoTokensFound => {
                f.write_str("no_tokens_found: the user has to sign in (again)")
            }
            ErrorKind::UserNull => f.write_str("user_null: the request names no account"),
            ErrorKind::UserMismatch => {
                f.write_str("user_mismatch: the identity provider answered with another user's tokens")
            }
            ErrorKind::OboKeyNotInCache => f.write_str(
                "obo_cache_key_not_in_cache_error: the long-running session has to be begun (again)",
            ),
            ErrorKind::CacheDisabled => {
                f.write_str("internal_cache_disabled: the flow needs a cache, and none is on")
            }
            ErrorKind::Throttled { retry_after, .. } => write!(
                f,
                "not sent: the identity provider wants to be left alone for {} more seconds",
                retry_after.as_secs_f64().ceil()
            ),
            ErrorKind::InvalidRequest(reason) => f.write_str(reason),
            ErrorKind::Cache(_) => f.write_str("the token cache could not answer"),
            ErrorKind::Provider(_) => f.write_str("the identity provider gave no token"),
            ErrorKind::FetchLost => f.write_str("the fetch ended without an answer"),
            ErrorKind::GivenUp => f.write_str("the caller stopped waiting"),
        }
    }
}

impl Error for AcquireError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.kind {
            ErrorKind::Cache(error) => Some(error),
            ErrorKind::Provider(error) => Some(error),
            ErrorKind::Throttled { cause, .. } => match &**cause {
                ErrorKind::Provider(error) => Some(error),
                _ => None,
            },
            ErrorKind::NoTokensFound
            | ErrorKind::UserNull
            | ErrorKind::UserMismatch
            | ErrorKind::OboKeyNotInCache
            | ErrorKind::CacheDisabled
            | ErrorKind::InvalidRequest(_)
            | ErrorKind::FetchLost
            | ErrorKind::GivenUp => None,
        }
    }
}
