//! The desktop file cache: one sealed file that the processes of a user share.
//!
//! An operation takes the lock file beside the cache (`<file>.lockfile`, the
//! name that MSAL's extension gives it, with a lock of the operating system that
//! a crash releases), reads the whole, and if it changes anything writes a new
//! file that only its user can read and puts it in the place of the old one. A
//! reader sees the one or the other, a crash leaves the one or the other.
//!
//! Inside are entries by cache key; MSAL's own desktop file, one unified cache
//! without keys, is another format.

mod content;
mod key_file;
mod lock;

pub use key_file::load_or_create_key_ring;

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use self::content::Content;
use self::lock::FileLock;
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;
use crate::protect::{KeyRing, ProtectError};
use crate::store::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};

/// Where the file is and how to come by it.
#[derive(Debug, Clone)]
pub struct FileStoreOptions {
    /// The cache. Its directory is made if it is not there.
    pub path: PathBuf,
    /// How long to wait for the lock; MSAL waits for a minute.
    pub lock_timeout: Duration,
}

impl FileStoreOptions {
    /// The file at `path`, a minute for the lock.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            lock_timeout: Duration::from_secs(60),
        }
    }
}

/// A store in a file.
#[derive(Clone)]
pub struct FileStore(Arc<Inner>);

struct Inner {
    options: FileStoreOptions,
    ring: Arc<KeyRing>,
    clock: Clock,
    unreadable: AtomicU64,
}

/// What binds a sealed file to being one: it cannot stand for an entry of
/// another store.
const PLACE: &str = "file";

impl FileStore {
    /// The cache in a file, sealed with `ring`.
    pub fn new(options: FileStoreOptions, ring: Arc<KeyRing>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            options,
            ring,
            clock,
            unreadable: AtomicU64::new(0),
        }))
    }

    /// How often the file was found damaged; it counts as empty then, and the
    /// next write replaces it.
    pub fn unreadable_count(&self) -> u64 {
        self.0.unreadable.load(Ordering::Relaxed)
    }

    /// Does `work` with the file's content under the lock, on a thread that may
    /// wait; the content is written if `work` says that it changed. Once begun
    /// it is finished, even if nobody waits for it any more.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Content, Timestamp) -> (T, Changed) + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || inner.with_blocking(work)).await;
        done.unwrap_or_else(|error| Err(StoreError::new(error.to_string())))
    }
}

/// Whether the content has to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

impl Changed {
    fn when(changed: bool) -> Self {
        if changed { Self::Yes } else { Self::No }
    }
}

impl Inner {
    fn with_blocking<T>(
        &self,
        work: impl FnOnce(&mut Content, Timestamp) -> (T, Changed),
    ) -> Result<T, StoreError> {
        let path = &self.options.path;
        let told = |error: io::Error| StoreError::new(format!("{}: {error}", path.display()));
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(told)?;
        }
        let _lock = FileLock::take(path, self.options.lock_timeout)?;
        let mut content = match fs::read(path) {
            Ok(sealed) => self.open(&sealed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(told(error)),
        };
        let now = self.clock.now();
        let (answer, changed) = work(&mut content, now);
        if changed == Changed::Yes {
            content.sweep(now);
            let sealed = self.ring.seal(PLACE, &content.to_json());
            let sealed = sealed.map_err(|error| StoreError::new(error.to_string()))?;
            replace(path, &sealed).map_err(told)?;
        }
        Ok(answer)
    }

    /// A damaged file counts as empty. One that is sealed with a key we do not
    /// have is somebody's: it is not ours to replace.
    fn open(&self, sealed: &[u8]) -> Result<Content, StoreError> {
        let opened = match self.ring.open(PLACE, sealed) {
            Ok(plain) => Content::from_json(&plain),
            Err(error @ ProtectError::UnknownKey { .. }) => {
                let path = self.options.path.display();
                return Err(StoreError::new(format!("{path}: {error}")));
            }
            Err(_) => None,
        };
        Ok(opened.unwrap_or_else(|| {
            self.unreadable.fetch_add(1, Ordering::Relaxed);
            Content::default()
        }))
    }
}

/// Puts a new file in the place of the old one, readable by its user alone.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    let new = path.with_file_name(name);
    let written = write_private(&new, bytes).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Writes a file that was not there, through to the disk.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl Store for FileStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = self.get_versioned(key).await?;
            Ok(found.map(|found| found.blob))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        let key = key.to_owned();
        Box::pin(self.with(move |content, now| {
            content.put(key, &blob, expiration, now);
            ((), Changed::Yes)
        }))
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let key = key.to_owned();
        Box::pin(self.with(move |content, now| {
            let slid = content
                .touch(&key, now)
                .is_some_and(|touched| touched.slides);
            ((), Changed::when(slid))
        }))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let key = key.to_owned();
        Box::pin(self.with(move |content, _| ((), Changed::when(content.remove(&key)))))
    }
}

impl CompareAndSet for FileStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        let key = key.to_owned();
        Box::pin(
            self.with(move |content, now| match content.touch(&key, now) {
                None => (None, Changed::No),
                Some(touched) => (Some(touched.found), Changed::when(touched.slides)),
            }),
        )
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        let (key, expected) = (key.to_owned(), expected.cloned());
        Box::pin(self.with(move |content, now| {
            if content.version(&key, now) != expected {
                return (Swap::Conflict, Changed::No);
            }
            content.put(key, &blob, expiration, now);
            (Swap::Done, Changed::Yes)
        }))
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        let (key, expected) = (key.to_owned(), expected.clone());
        Box::pin(
            self.with(move |content, now| match content.version(&key, now) {
                Some(version) if version != expected => (Swap::Conflict, Changed::No),
                _ => (Swap::Done, Changed::when(content.remove(&key))),
            }),
        )
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("options", &self.0.options)
            .field("ring", &self.0.ring)
            .finish_non_exhaustive()
    }
}
