//! Key rings as the cache takes them.

use std::sync::Arc;

use parking_lot::RwLock;

use super::KeyRing;
use crate::seal::Sealing;

impl Sealing for KeyRing {
    fn seal(&self, key: &str, blob: &[u8]) -> Result<Vec<u8>, String> {
        let sealed = Self::seal(self, key, blob);
        sealed.map(Vec::from).map_err(|error| error.to_string())
    }

    fn open(&self, key: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let opened = Self::open(self, key, sealed);
        opened.map(Vec::from).map_err(|error| error.to_string())
    }
}

/// A key ring that is replaced while the cache runs: after a rotation, without a
/// restart.
#[derive(Debug)]
pub struct RotatingKeyRing(RwLock<Arc<KeyRing>>);

impl RotatingKeyRing {
    /// Begins with `ring`.
    pub fn new(ring: KeyRing) -> Self {
        Self(RwLock::new(Arc::new(ring)))
    }

    /// Goes on with another ring.
    pub fn replace(&self, ring: KeyRing) {
        *self.0.write() = Arc::new(ring);
    }

    /// The ring now.
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.0.read())
    }
}

impl Sealing for RotatingKeyRing {
    fn seal(&self, key: &str, blob: &[u8]) -> Result<Vec<u8>, String> {
        Sealing::seal(&*self.current(), key, blob)
    }

    fn open(&self, key: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        Sealing::open(&*self.current(), key, sealed)
    }
}
