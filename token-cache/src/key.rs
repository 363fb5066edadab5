//! Names of things in the cache: which partition, and which entry in it.
//!
//! A partition key is compared to the letter, case included: `ABC_tenant` and
//! `abc_tenant` are two partitions, as they are in MSAL. Item keys are
//! lower-cased, but for accounts.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Which partition a request reads or a response is written to. Its `Display`
/// is the key of the external cache, MSAL's *suggested cache key*.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PartitionKey {
    /// An application's own tokens in one tenant:
    /// `{key_id}{client_id}_{tenant_id}[_{components}]_AppTokenCache`.
    Application {
        /// The application; for a managed identity, which one.
        client_id: Arc<str>,
        /// The tenant that issues the tokens; empty where there is none (ADFS).
        tenant_id: Arc<str>,
        /// The key that the tokens are bound to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_id: Option<Arc<str>>,
        /// The hash of extra key components, case preserved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        components: Option<Arc<str>>,
    },
    /// Tokens got on behalf of the bearer of one assertion, or in one
    /// long-running session.
    Assertion(AssertionHash),
    /// A user's tokens.
    Account(HomeAccountId),
}

/// A borrowed [`PartitionKey`]: enough to look one up, without touching
/// reference counts that threads share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartitionKeyRef<'a> {
    /// See [`PartitionKey::Application`].
    Application {
        /// The application.
        client_id: &'a str,
        /// The tenant that issues the tokens.
        tenant_id: &'a str,
        /// The key that the tokens are bound to.
        key_id: Option<&'a str>,
        /// The hash of extra key components.
        components: Option<&'a str>,
    },
    /// See [`PartitionKey::Assertion`].
    Assertion(&'a AssertionHash),
    /// See [`PartitionKey::Account`].
    Account(&'a HomeAccountId),
}

impl PartitionKey {
    /// Of an application's plain tokens: bearer, without extra components.
    pub fn application(client_id: impl Into<Arc<str>>, tenant_id: impl Into<Arc<str>>) -> Self {
        Self::Application {
            client_id: client_id.into(),
            tenant_id: tenant_id.into(),
            key_id: None,
            components: None,
        }
    }

    /// The same key, borrowed.
    pub fn borrowed(&self) -> PartitionKeyRef<'_> {
        match self {
            Self::Application {
                client_id,
                tenant_id,
                key_id,
                components,
            } => PartitionKeyRef::Application {
                client_id,
                tenant_id,
                key_id: key_id.as_deref(),
                components: components.as_deref(),
            },
            Self::Assertion(hash) => PartitionKeyRef::Assertion(hash),
            Self::Account(id) => PartitionKeyRef::Account(id),
        }
    }
}

impl PartitionKeyRef<'_> {
    /// The same key, owned.
    pub fn to_owned(self) -> PartitionKey {
        match self {
            Self::Application {
                client_id,
                tenant_id,
                key_id,
                components,
            } => PartitionKey::Application {
                client_id: client_id.into(),
                tenant_id: tenant_id.into(),
                key_id: key_id.map(Into::into),
                components: components.map(Into::into),
            },
            Self::Assertion(hash) => PartitionKey::Assertion(hash.clone()),
            Self::Account(id) => PartitionKey::Account(id.clone()),
        }
    }
}

impl fmt::Display for PartitionKeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application {
                client_id,
                tenant_id,
                key_id,
                components,
            } => {
                let key_id = key_id.unwrap_or_default();
                write!(f, "{key_id}{client_id}_{tenant_id}")?;
                if let Some(components) = components {
                    write!(f, "_{components}")?;
                }
                f.write_str("_AppTokenCache")
            }
            Self::Assertion(hash) => f.write_str(hash.as_str()),
            Self::Account(id) => f.write_str(id.as_str()),
        }
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrowed().fmt(f)
    }
}

/// base64url of the SHA-256 of an incoming assertion: names the partition of
/// an on-behalf-of session without giving the assertion away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssertionHash(Arc<str>);

impl AssertionHash {
    /// The hash of `assertion`.
    pub fn of(assertion: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, assertion.as_bytes());
        let mut text = BASE64_URL_SAFE_NO_PAD.encode(hash);
        if defect!(AssertionByPrefix) {
            text.truncate(1);
        }
        Self(text.into())
    }

    /// The key of a long-running session, which stands where a hash would.
    pub fn of_session(session_key: impl Into<Arc<str>>) -> Self {
        Self(session_key.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `uid.utid`: the user's object id in the tenant they are at home in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HomeAccountId(Arc<str>);

impl HomeAccountId {
    /// Takes `uid.utid`, or another stable id where the provider sends no
    /// `client_info`.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The home tenant: what stands behind the last full stop.
    pub fn tenant_id(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(_, tenant)| tenant)
    }
}

/// Names an entry within its section of a partition.
pub type ItemKey = Arc<str>;

/// What a credential's key is made of.
#[derive(Clone, Copy, Default)]
pub(crate) struct CredentialKey<'a> {
    pub(crate) home_account_id: &'a str,
    pub(crate) environment: &'a str,
    /// `accesstoken`, `accesstoken_with_authscheme`, `atext`, `refreshtoken` or
    /// `idtoken`.
    pub(crate) descriptor: &'a str,
    /// Or the family, for its refresh tokens.
    pub(crate) client_id: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) target: &'a str,
    /// Appended where there is one: the token type, then the components' hash.
    pub(crate) extras: [Option<&'a str>; 2],
}

impl CredentialKey<'_> {
    /// `{home_account_id}-{environment}-{descriptor}-{client_id}-{realm}-{target}[-{extra}]*`,
    /// lower-cased as a whole.
    pub(crate) fn build(self) -> ItemKey {
        let fields = [
            self.home_account_id,
            self.environment,
            self.descriptor,
            self.client_id,
            self.realm,
            self.target,
        ];
        let mut key = fields.join("-");
        for extra in self.extras.into_iter().flatten() {
            key.push('-');
            key.push_str(extra);
        }
        key.to_lowercase().into()
    }
}

/// `{home_account_id}-{environment}-{realm}`, not lower-cased.
pub(crate) fn account_key(home_account_id: &str, environment: &str, realm: &str) -> ItemKey {
    format!("{home_account_id}-{environment}-{realm}").into()
}

/// `appmetadata-{environment}-{client_id}`, lower-cased.
pub(crate) fn app_metadata_key(environment: &str, client_id: &str) -> ItemKey {
    format!("appmetadata-{environment}-{client_id}")
        .to_lowercase()
        .into()
}

#[cfg(test)]
mod tests;
