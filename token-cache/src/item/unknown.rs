//! What other SDKs wrote, and this crate does not know.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Members that this crate does not know, as they were read: a JSON object.
/// `Debug` shows their names alone, since nobody can say which of them is a secret.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnknownMembers(Map<String, Value>);

impl UnknownMembers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Deref for UnknownMembers {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for UnknownMembers {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl fmt::Debug for UnknownMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}
