//! What is known of an application, apart from its tokens.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::UnknownMembers;
use super::members::read_members;
use crate::key::{ItemKey, app_metadata_key};

/// An application's metadata in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppMetadata {
    /// Members this crate does not know.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
    environment: Arc<str>,
    client_id: Arc<str>,
    /// The family whose refresh tokens it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_id: Option<Arc<str>>,
    /// Made once: every partition of an application has the same metadata, and a
    /// key each would weigh more than all the rest of it.
    #[serde(skip)]
    key: ItemKey,
}

/// As it is stored.
struct Stored {
    unknown: UnknownMembers,
    environment: Arc<str>,
    client_id: Arc<str>,
    family_id: Option<Arc<str>>,
}

read_members!(Stored {
    environment: required,
    client_id: required,
    family_id: text,
});

impl<'de> Deserialize<'de> for AppMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Ok(Self {
            unknown: stored.unknown,
            family_id: stored.family_id,
            ..Self::new(stored.environment, stored.client_id)
        })
    }
}

impl AppMetadata {
    /// An application of no family.
    pub fn new(environment: Arc<str>, client_id: Arc<str>) -> Self {
        Self {
            unknown: UnknownMembers::new(),
            key: app_metadata_key(&environment, &client_id),
            environment,
            client_id,
            family_id: None,
        }
    }

    /// The cloud's preferred cache host.
    pub fn environment(&self) -> &Arc<str> {
        &self.environment
    }

    /// The application.
    pub fn client_id(&self) -> &Arc<str> {
        &self.client_id
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        Arc::clone(&self.key)
    }

    /// Bytes of payload.
    pub fn size_bytes(&self) -> usize {
        self.environment.len() + self.client_id.len()
    }
}
