//! The key ring of the desktop cache, in a file of its own.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::lock::FileLock;
use super::replace;
use crate::protect::{KeyRing, KeyRingError};

/// Reads the key ring at `path`, or makes one there that only its user can read.
///
/// It keeps out whoever gets hold of the cache file alone: a backup, a synced
/// folder. It does not keep out other programs of the same user, who can read
/// both; on a machine with a key store, make the ring from there instead.
/// Blocks the thread.
///
/// # Errors
///
/// When the file cannot be read or made, is no key ring, or can be read by other
/// users.
pub fn load_or_create_key_ring(path: &Path) -> Result<KeyRing, KeyRingError> {
    let told = |error: &dyn std::fmt::Display| KeyRingError {
        reason: format!("{}: {error}", path.display()),
    };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| told(&error))?;
    }
    let limit = std::time::Duration::from_secs(10);
    let _lock = FileLock::take(path, limit).map_err(|error| told(&error.reason))?;
    match fs::read(path) {
        Ok(text) => {
            check_private(path)?;
            KeyRing::from_json(&text).map_err(|error| told(&error.reason))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ring = KeyRing::generate(&unlike_any_other()?)?;
            let text = ring.to_json();
            replace(path, text.expose().as_bytes()).map_err(|error| told(&error))?;
            Ok(ring)
        }
        Err(error) => Err(told(&error)),
    }
}

/// An id for a new ring's key. What one ring has sealed is another's, not damaged:
/// the id alone tells, so that two rings must not call their keys the same.
fn unlike_any_other() -> Result<String, KeyRingError> {
    let mut suffix = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut suffix).map_err(|_| KeyRingError {
        reason: "the system gives no random numbers".to_owned(),
    })?;
    Ok(format!("k1-{}", URL_SAFE_NO_PAD.encode(suffix)))
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), KeyRingError> {
    use std::os::unix::fs::PermissionsExt as _;
    let told = |reason: String| KeyRingError { reason };
    let metadata = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(told(format!(
        "{path}: other users can read it (mode {mode:o}); `chmod 600 {path}`"
    )))
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), KeyRingError> {
    Ok(())
}
