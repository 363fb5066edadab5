//! Why an acquisition gave no token.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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
    /// The request asks what its flow cannot give.
    InvalidRequest(&'static str),
    /// The cache could not answer.
    Cache(CacheError),
    /// The identity provider gave no token.
    Provider(RequestError),
    /// The fetch ended without an answer: the runtime stopped, or it panicked.
    FetchLost,
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
            ErrorKind::NoTokensFound => true,
            ErrorKind::Provider(error) => error.needs_user(),
            _ => false,
        }
    }

    /// A short, closed name for counting: an OAuth error code, or a class.
    pub fn code(&self) -> &str {
        match &*self.kind {
            ErrorKind::NoTokensFound => "no_tokens_found",
            ErrorKind::InvalidRequest(_) => "invalid_acquire_request",
            ErrorKind::Cache(CacheError::MultipleMatchingTokens { .. }) => {
                "multiple_matching_tokens_detected"
            }
            ErrorKind::Cache(CacheError::Malformed { .. }) => "json_parse_failed",
            ErrorKind::Provider(error) => error.code(),
            ErrorKind::FetchLost => "fetch_lost",
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            ErrorKind::NoTokensFound => {
                f.write_str("no_tokens_found: the user has to sign in (again)")
            }
            ErrorKind::InvalidRequest(reason) => f.write_str(reason),
            ErrorKind::Cache(_) => f.write_str("the token cache could not answer"),
            ErrorKind::Provider(_) => f.write_str("the identity provider gave no token"),
            ErrorKind::FetchLost => f.write_str("the fetch ended without an answer"),
        }
    }
}

impl Error for AcquireError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.kind {
            ErrorKind::Cache(error) => Some(error),
            ErrorKind::Provider(error) => Some(error),
            ErrorKind::NoTokensFound | ErrorKind::InvalidRequest(_) | ErrorKind::FetchLost => None,
        }
    }
}
