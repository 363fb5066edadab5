//! An access token and what is known of it.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::members::read_members;
use super::{CREDENTIAL_TYPE, CredentialType, UnknownMembers, names_partition};
use crate::clock::Timestamp;
use crate::components::{ComponentHash, KeyComponents};
use crate::key::{AssertionHash, CredentialKey, ItemKey};
use crate::scope::Scopes;
use crate::secret::Secret;

/// An access token in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessToken {
    /// Members this crate does not know.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
    /// Whose it is; `None` for an application's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_account_id: Option<Arc<str>>,
    /// The cloud's preferred cache host.
    pub environment: Arc<str>,
    /// The application it was issued to.
    pub client_id: Arc<str>,
    /// The token itself.
    pub secret: Secret,
    /// Plain, or bound to extra key components.
    #[serde(skip_serializing_if = "CredentialType::is_other")]
    pub credential_type: CredentialType,
    /// The tenant that issued it; empty where there is none (ADFS).
    #[serde(skip_serializing_if = "str::is_empty")]
    pub realm: Arc<str>,
    /// The scopes it covers.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub target: Scopes,
    /// The assertion it was got on behalf of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_assertion_hash: Option<AssertionHash>,
    /// When it was stored.
    pub cached_at: Timestamp,
    /// When it ends.
    pub expires_on: Timestamp,
    /// Until when it may serve while the provider is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_expires_on: Option<Timestamp>,
    /// The key it is bound to; bearer tokens have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<Arc<str>>,
    /// How it is presented; left out for bearer tokens.
    #[serde(skip_serializing_if = "TokenType::is_bearer")]
    pub token_type: TokenType,
    /// When the provider advises to replace it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_on: Option<Timestamp>,
    /// The same as `extended_expires_on`, under the name older readers know;
    /// writers keep the two equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext_expires_on: Option<Timestamp>,
    /// What it is bound to beside client, tenant and scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<KeyComponents>,
    /// What MSAL.NET's extensions keep beside a token; few have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persisted_cache_parameters: Option<Box<UnknownMembers>>,
}

read_members!(AccessToken {
    home_account_id: text,
    environment: required,
    client_id: required,
    secret: required,
    credential_type: (kind_or CredentialType::access_token),
    realm: (or Arc::default),
    target: (or Scopes::default),
    user_assertion_hash: optional,
    cached_at: (or Timestamp::default),
    expires_on: required,
    extended_expires_on: optional,
    kid: text,
    token_type: (or TokenType::default),
    refresh_on: optional,
    ext_expires_on: optional,
    ext: optional,
    persisted_cache_parameters: optional,
});

/// How a token is presented to the resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// Whoever bears it may use it.
    #[default]
    Bearer,
    /// Any other scheme, such as `pop`, in lower case.
    Other(Arc<str>),
}

impl TokenType {
    /// From the wire or a blob, without regard to case.
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("bearer") || text.is_empty() {
            Self::Bearer
        } else {
            Self::Other(text.to_ascii_lowercase().into())
        }
    }

    /// Its name as RFC 6749 spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bearer => "Bearer",
            Self::Other(name) => name,
        }
    }

    fn is_bearer(&self) -> bool {
        *self == Self::Bearer
    }
}

impl Serialize for TokenType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TokenType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<Arc<str>>::deserialize(deserializer)?;
        Ok(Self::parse(text.as_deref().unwrap_or_default()))
    }
}

impl AccessToken {
    /// A bearer token with nothing but what every token has; the rest is
    /// filled in by whoever knows more.
    pub fn bearer(
        environment: Arc<str>,
        client_id: Arc<str>,
        realm: Arc<str>,
        target: Scopes,
        secret: Secret,
        cached_at: Timestamp,
        expires_on: Timestamp,
    ) -> Self {
        Self {
            unknown: UnknownMembers::new(),
            home_account_id: None,
            environment,
            client_id,
            secret,
            credential_type: CredentialType::AccessToken,
            realm,
            target,
            user_assertion_hash: None,
            cached_at,
            expires_on,
            extended_expires_on: None,
            kid: None,
            token_type: TokenType::Bearer,
            refresh_on: None,
            ext_expires_on: None,
            ext: None,
            persisted_cache_parameters: None,
        }
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        // MSAL.NET files the certificates of SSH with bearer tokens; what another
        // SDK told apart stays apart.
        let other = self.other_type();
        let scheme = match &self.token_type {
            TokenType::Other(name) if **name != *"ssh-cert" || other.is_some() => Some(&**name),
            TokenType::Bearer | TokenType::Other(_) => None,
        };
        let descriptor = match (other, &self.ext, scheme) {
            (Some(name), _, _) => name,
            (None, Some(_), _) => "atext",
            (None, None, Some(_)) => "accesstoken_with_authscheme",
            (None, None, None) => "accesstoken",
        };
        let key = CredentialKey {
            home_account_id: self.home_account_id.as_deref().unwrap_or_default(),
            environment: &self.environment,
            descriptor,
            client_id: &self.client_id,
            realm: &self.realm,
            target: self.target.target(),
            extras: [scheme, self.ext.as_ref().map(|ext| &**ext.hash())],
        }
        .build();
        if defect!(SaveKeepsAll) {
            return format!("{key}-{}", self.expires_on.unix_seconds()).into();
        }
        key
    }

    /// Whether it is bound to no components, ours or another SDK's: MSAL Python
    /// and Go write their hash alone, Node names the member otherwise.
    pub(crate) fn is_plain(&self) -> bool {
        let plain_type = match self.credential_type {
            CredentialType::AccessToken => true,
            CredentialType::Other => !self.token_type.is_bearer(),
            _ => false,
        };
        self.ext.is_none()
            && plain_type
            && (self.unknown.is_empty()
                || ["ext_cache_key", "additionalCacheKeyComponents"]
                    .iter()
                    .all(|name| !self.unknown.contains_key(*name)))
    }

    /// Whether it is presented like this. Of a credential type that is unknown here
    /// nobody can say that bearing it is enough: Python and Node call every token a
    /// bearer token that is no other, whatever else it is bound to.
    pub(crate) fn is_presented_as(&self, token_type: &TokenType) -> bool {
        self.token_type == *token_type
            && !(token_type.is_bearer() && self.credential_type == CredentialType::Other)
    }

    /// The name of its credential type, if it is unknown here.
    fn other_type(&self) -> Option<&str> {
        let is_other = self.credential_type == CredentialType::Other;
        let name = is_other.then(|| self.unknown.get(CREDENTIAL_TYPE))?;
        name.and_then(serde_json::Value::as_str)
    }

    /// Bytes of payload: the secret and the text around it.
    pub fn size_bytes(&self) -> usize {
        self.secret.size_bytes()
            + self.home_account_id.as_deref().map_or(0, str::len)
            + self.environment.len()
            + self.client_id.len()
            + self.realm.len()
            + self.target.target().len()
            + self.ext.as_ref().map_or(0, KeyComponents::size_bytes)
    }

    /// Settles what two names say about one thing after reading.
    pub(crate) fn normalise(&mut self, hash: ComponentHash) {
        self.extended_expires_on = self.extended_expires_on.or(self.ext_expires_on);
        self.ext_expires_on = self.extended_expires_on;
        self.user_assertion_hash = self.user_assertion_hash.take().filter(names_partition);
        self.ext = self.ext.as_ref().map(|ext| ext.hashed_by(hash));
    }
}
