//! Stores that are servers, as far as this build has them: each is a cargo
//! feature, off by default.

use std::sync::Arc;

use token_cache::store::Store;
use token_cache::{Clock, Secret};

use crate::exit::Failure;
use crate::scenario::plan::RemoteStore;

/// A server, and how it is reached.
#[derive(Debug, Clone)]
pub struct Remote {
    kind: RemoteStore,
    url: Secret,
    clock: Clock,
}

impl Remote {
    /// The server at `url`, in the kind's own notation.
    pub fn new(kind: RemoteStore, url: &str, clock: Clock) -> Self {
        Self {
            kind,
            url: Secret::new(url),
            clock,
        }
    }

    /// A client of it. Nothing is asked of the server before the first
    /// operation.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 2 when the URL cannot be used.
    pub fn connect(&self) -> Result<Arc<dyn Store>, Failure> {
        token_cache::store::open(&self.url, self.clock).map_err(|error| {
            Failure::usage(
                format!(
                    "the store `{}` cannot be used: {}",
                    self.kind.as_str(),
                    error.reason
                ),
                "`cache.l2.url` says where it is, such as redis://127.0.0.1:6379",
            )
        })
    }
}

impl RemoteStore {
    /// Whether this build has it.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Redis => cfg!(feature = "redis"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Memcached => cfg!(feature = "memcached"),
            Self::SqlServer => cfg!(feature = "sql_server"),
            // A URL cannot say all that it needs.
            Self::Cosmos => false,
        }
    }
}
