//! An ID token: who signed in.

use std::sync::Arc;

use serde::Serialize;

use super::members::read_members;
use super::{CredentialType, UnknownMembers};
use crate::key::{CredentialKey, ItemKey};
use crate::secret::Secret;

/// An ID token in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdToken {
    /// Members this crate does not know.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
    /// Whose it is.
    pub home_account_id: Arc<str>,
    /// The cloud's preferred cache host.
    pub environment: Arc<str>,
    /// `client_info` as the provider sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Arc<str>>,
    /// The application it was issued to.
    pub client_id: Arc<str>,
    /// The token itself.
    pub secret: Secret,
    /// [`CredentialType::IdToken`], unless another SDK said otherwise.
    #[serde(skip_serializing_if = "CredentialType::is_other")]
    pub credential_type: CredentialType,
    /// The tenant that issued it; empty where there is none (ADFS).
    #[serde(skip_serializing_if = "str::is_empty")]
    pub realm: Arc<str>,
}

read_members!(IdToken {
    home_account_id: required,
    environment: required,
    client_info: text,
    client_id: required,
    secret: required,
    credential_type: (kind_or CredentialType::id_token),
    realm: (or Arc::default),
});

impl IdToken {
    /// Takes its parts.
    pub fn new(
        home_account_id: Arc<str>,
        environment: Arc<str>,
        client_id: Arc<str>,
        realm: Arc<str>,
        client_info: Option<Arc<str>>,
        secret: Secret,
    ) -> Self {
        Self {
            unknown: UnknownMembers::new(),
            home_account_id,
            environment,
            client_info,
            client_id,
            secret,
            credential_type: CredentialType::IdToken,
            realm,
        }
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        CredentialKey {
            home_account_id: &self.home_account_id,
            environment: &self.environment,
            descriptor: "idtoken",
            client_id: &self.client_id,
            realm: &self.realm,
            ..CredentialKey::default()
        }
        .build()
    }

    /// Bytes of payload: the secret and the text around it.
    pub fn size_bytes(&self) -> usize {
        self.secret.size_bytes()
            + self.home_account_id.len()
            + self.environment.len()
            + self.client_id.len()
            + self.realm.len()
            + self.client_info.as_deref().map_or(0, str::len)
    }
}
