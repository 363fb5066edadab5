//! Text that must not be seen: tokens, client secrets, assertions.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A secret. `Debug` prints stars; [`Secret::expose`] is the one way in.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: to send or to store, never to log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in bytes.
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_stars() {
        let secret = Secret::new("eyJ0eXAi");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
    }
}
