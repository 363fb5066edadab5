//! What is known of an application, apart from its tokens.

use std::sync::Arc;

use serde::Serialize;

use super::UnknownMembers;
use super::members::read_members;
use crate::key::{ItemKey, app_metadata_key};

/// An application's metadata in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppMetadata {
    /// Members this crate does not know.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
    /// The cloud's preferred cache host.
    pub environment: Arc<str>,
    /// The application.
    pub client_id: Arc<str>,
    /// The family whose refresh tokens it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_id: Option<Arc<str>>,
}

read_members!(AppMetadata {
    environment: required,
    client_id: required,
    family_id: text,
});

impl AppMetadata {
    /// An application of no family.
    pub fn new(environment: Arc<str>, client_id: Arc<str>) -> Self {
        Self {
            unknown: UnknownMembers::new(),
            environment,
            client_id,
            family_id: None,
        }
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        app_metadata_key(&self.environment, &self.client_id)
    }

    /// Bytes of payload.
    pub fn size_bytes(&self) -> usize {
        self.environment.len() + self.client_id.len()
    }
}
