//! Stores outside this process: a file, and servers as far as this build has them,
//! each a cargo feature that is off by default.

use std::path::Path;
use std::sync::Arc;

use token_cache::protect::KeyRingError;
use token_cache::provider::file::load_or_create_key_ring;
use token_cache::provider::{FileStore, FileStoreOptions};
use token_cache::store::Store;
use token_cache::{Clock, Secret};

use crate::exit::Failure;
use crate::scenario::plan::RemoteStore;

/// A store, and how it is reached.
#[derive(Debug, Clone)]
pub struct Remote {
    kind: RemoteStore,
    url: Secret,
    clock: Clock,
}

impl Remote {
    /// The store at `url`, in the kind's own notation.
    pub fn new(kind: RemoteStore, url: Secret, clock: Clock) -> Self {
        Self { kind, url, clock }
    }

    /// A client of it. Nothing is asked of the server before the first
    /// operation.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 2 when the URL cannot be used.
    pub fn connect(&self) -> Result<Arc<dyn Store>, Failure> {
        let failed = |reason: String| {
            Failure::usage(
                format!(
                    "the store `{}` cannot be used: {reason}",
                    self.kind.as_str()
                ),
                "`cache.l2.url` says where it is; docs/stores.md has an example of each",
            )
        };
        match self.kind {
            RemoteStore::File => self.file().map_err(|error| failed(error.reason)),
            _ => token_cache::store::open(&self.url, self.clock)
                .map_err(|error| failed(error.reason)),
        }
    }

    /// The cache in a file, with its key ring in another beside it.
    fn file(&self) -> Result<Arc<dyn Store>, KeyRingError> {
        let path = Path::new(self.url.expose());
        let ring = load_or_create_key_ring(&path.with_added_extension("keys"))?;
        let options = FileStoreOptions::new(path);
        Ok(Arc::new(FileStore::new(
            options,
            Arc::new(ring),
            self.clock,
        )))
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
            Self::Cosmos => cfg!(feature = "cosmos"),
            Self::File => true,
        }
    }
}
