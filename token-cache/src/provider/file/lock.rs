//! The lock file beside the cache.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::StoreError;

/// MSAL tries every tenth of a second; more often costs nothing here.
const STEP: Duration = Duration::from_millis(10);

/// Held while the cache is read and written. The operating system releases it
/// when the process ends, however it ends.
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock of the cache at `path`. Blocks the thread.
    pub(super) fn take(path: &Path, timeout: Duration) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let told =
            |error: std::io::Error| StoreError::new(format!("{}: {error}", lock_path.display()));
        let mut waited = Duration::ZERO;
        loop {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&lock_path).map_err(told)?;
            match file.try_lock() {
                // MSAL deletes the lock file when it is done with it, so what we
                // have locked may be nobody's lock any more.
                Ok(()) if is_at(&file, &lock_path) => return Ok(Self { _file: file }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(told(error)),
            }
            if waited >= timeout {
                return Err(StoreError::new(format!(
                    "{}: another process has held the lock for {timeout:?}",
                    lock_path.display()
                )));
            }
            thread::sleep(STEP);
            waited += STEP;
        }
    }
}

/// `<file>.lockfile`, as MSAL's extension calls it.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lockfile");
    path.with_file_name(name)
}

/// Whether `path` still leads to this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}
