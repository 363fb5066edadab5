//! A refresh token: good for any resource, and for a long time.

use std::sync::Arc;

use serde::Serialize;

use super::members::read_members;
use super::{CredentialType, UnknownMembers, names_partition};
use crate::components::{ComponentHash, KeyComponents};
use crate::key::{AssertionHash, CredentialKey, ItemKey};
use crate::secret::Secret;

/// A refresh token in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RefreshToken {
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
    /// [`CredentialType::RefreshToken`], unless another SDK said otherwise.
    #[serde(skip_serializing_if = "CredentialType::is_other")]
    pub credential_type: CredentialType,
    /// The family of applications that share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_id: Option<Arc<str>>,
    /// The assertion whose session it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_assertion_hash: Option<AssertionHash>,
    /// What it is bound to, where components bind refresh tokens too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<KeyComponents>,
}

read_members!(RefreshToken {
    home_account_id: required,
    environment: required,
    client_info: text,
    client_id: required,
    secret: required,
    credential_type: (kind_or CredentialType::refresh_token),
    family_id: text,
    user_assertion_hash: optional,
    ext: optional,
});

impl RefreshToken {
    /// One of the application alone, of no family.
    pub fn new(
        home_account_id: Arc<str>,
        environment: Arc<str>,
        client_id: Arc<str>,
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
            credential_type: CredentialType::RefreshToken,
            family_id: None,
            user_assertion_hash: None,
            ext: None,
        }
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        let family = self.family_id.as_deref();
        CredentialKey {
            home_account_id: &self.home_account_id,
            environment: &self.environment,
            descriptor: "refreshtoken",
            client_id: family.unwrap_or(&self.client_id),
            extras: [None, self.ext.as_ref().map(|ext| &**ext.hash())],
            ..CredentialKey::default()
        }
        .build()
    }

    /// Settles what depends on how components are hashed, after reading.
    pub(crate) fn normalise(&mut self, hash: ComponentHash) {
        self.user_assertion_hash = self.user_assertion_hash.take().filter(names_partition);
        self.ext = self
            .ext
            .as_ref()
            .map(|ext| ext.hashed_by(hash).binding_refresh_tokens());
    }

    /// Bytes of payload: the secret and the text around it.
    pub fn size_bytes(&self) -> usize {
        self.secret.size_bytes()
            + self.home_account_id.len()
            + self.environment.len()
            + self.client_id.len()
            + self.client_info.as_deref().map_or(0, str::len)
    }
}
