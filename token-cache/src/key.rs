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
use equivalent::Equivalent;
use serde::{Deserialize, Serialize};

use crate::scope::Scopes;

/// Which partition a request reads or a response is written to. Its `Display`
/// is the key of the external cache, MSAL's *suggested cache key*.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PartitionKey {
    /// An application's own tokens in one tenant:
    /// `{client_id}_{tenant_id}_AppTokenCache`.
    Application {
        /// The application.
        client_id: Arc<str>,
        /// The tenant that issues the tokens.
        tenant_id: Arc<str>,
    },
    /// Tokens got on behalf of the bearer of one assertion.
    Assertion(AssertionHash),
    /// A user's tokens.
    Account(HomeAccountId),
}

/// A borrowed [`PartitionKey`]: enough to look one up, without touching
/// reference counts that threads share.
///
/// It hashes as the owned key does: same variants in the same order, same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartitionKeyRef<'a> {
    /// See [`PartitionKey::Application`].
    Application {
        /// The application.
        client_id: &'a str,
        /// The tenant that issues the tokens.
        tenant_id: &'a str,
    },
    /// See [`PartitionKey::Assertion`].
    Assertion(&'a AssertionHash),
    /// See [`PartitionKey::Account`].
    Account(&'a HomeAccountId),
}

impl PartitionKey {
    /// The same key, borrowed.
    pub fn borrowed(&self) -> PartitionKeyRef<'_> {
        match self {
            Self::Application {
                client_id,
                tenant_id,
            } => PartitionKeyRef::Application {
                client_id,
                tenant_id,
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
            } => PartitionKey::Application {
                client_id: client_id.into(),
                tenant_id: tenant_id.into(),
            },
            Self::Assertion(hash) => PartitionKey::Assertion(hash.clone()),
            Self::Account(id) => PartitionKey::Account(id.clone()),
        }
    }
}

impl Equivalent<PartitionKey> for PartitionKeyRef<'_> {
    fn equivalent(&self, key: &PartitionKey) -> bool {
        *self == key.borrowed()
    }
}

impl fmt::Display for PartitionKeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application {
                client_id,
                tenant_id,
            } => write!(f, "{client_id}_{tenant_id}_AppTokenCache"),
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
        Self(BASE64_URL_SAFE_NO_PAD.encode(hash).into())
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

/// A cloud's login hosts: one is written to the cache, any is accepted from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Environment {
    preferred_cache: Arc<str>,
    aliases: Aliases,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Aliases {
    Known(&'static [&'static str]),
    OnlyItself,
}

/// Preferred cache host and aliases of the public and sovereign clouds, after
/// MSAL.NET's `KnownMetadataProvider`.
const CLOUDS: [(&str, &[&str]); 3] = [
    (
        "login.windows.net",
        &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    ),
    (
        "login.microsoftonline.us",
        &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    ),
    (
        "login.partner.microsoftonline.cn",
        &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    ),
];

impl Environment {
    /// The environment that `host` belongs to; an unknown host is its own.
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        for (preferred_cache, aliases) in CLOUDS {
            if aliases.contains(&host.as_str()) {
                return Self {
                    preferred_cache: preferred_cache.into(),
                    aliases: Aliases::Known(aliases),
                };
            }
        }
        Self {
            preferred_cache: host.into(),
            aliases: Aliases::OnlyItself,
        }
    }

    /// The host that is written to the cache.
    pub fn preferred_cache(&self) -> &Arc<str> {
        &self.preferred_cache
    }

    /// Whether an entry with this host is of this environment.
    pub fn contains(&self, host: &str) -> bool {
        self.preferred_cache.eq_ignore_ascii_case(host)
            || match self.aliases {
                Aliases::Known(hosts) => hosts.iter().any(|alias| alias.eq_ignore_ascii_case(host)),
                Aliases::OnlyItself => false,
            }
    }
}

/// Names an entry within its section of a partition.
pub type ItemKey = Arc<str>;

/// MSAL's credential key: fields joined with `-`, lower-cased as a whole.
fn credential_key(fields: [&str; 6]) -> ItemKey {
    fields.join("-").to_lowercase().into()
}

/// `{home_account_id}-{environment}-accesstoken-{client_id}-{realm}-{target}`
pub(crate) fn access_token_key(
    home_account_id: &str,
    environment: &str,
    client_id: &str,
    realm: &str,
    target: &Scopes,
) -> ItemKey {
    credential_key([
        home_account_id,
        environment,
        "accesstoken",
        client_id,
        realm,
        target.target(),
    ])
}

/// `{home_account_id}-{environment}-refreshtoken-{client_id or family_id}--`
pub(crate) fn refresh_token_key(
    home_account_id: &str,
    environment: &str,
    client_or_family: &str,
) -> ItemKey {
    credential_key([
        home_account_id,
        environment,
        "refreshtoken",
        client_or_family,
        "",
        "",
    ])
}

/// `{home_account_id}-{environment}-idtoken-{client_id}-{realm}-`
pub(crate) fn id_token_key(
    home_account_id: &str,
    environment: &str,
    client_id: &str,
    realm: &str,
) -> ItemKey {
    credential_key([
        home_account_id,
        environment,
        "idtoken",
        client_id,
        realm,
        "",
    ])
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
mod tests {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    use super::*;

    const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
    const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

    /// Checklist K1 and K2; the values were observed on MSAL.NET 4.83.3.
    #[test]
    fn partition_keys_are_those_of_msal() {
        let application = PartitionKey::Application {
            client_id: CLIENT.into(),
            tenant_id: TENANT.into(),
        };
        assert_eq!(
            application.to_string(),
            "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3_f645ad92-e38d-4d1a-b510-d1b09a74a8ca_AppTokenCache"
        );
        let assertion = PartitionKey::Assertion(AssertionHash::of("header.payload.signature"));
        assert_eq!(
            assertion.to_string(),
            "JW0E205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y"
        );
        assert_eq!(
            PartitionKey::Account(HomeAccountId::new("uid.utid")).to_string(),
            "uid.utid"
        );
    }

    #[test]
    fn a_borrowed_key_finds_what_the_owned_key_stored() {
        let keys = [
            PartitionKey::Application {
                client_id: CLIENT.into(),
                tenant_id: TENANT.into(),
            },
            PartitionKey::Assertion(AssertionHash::of("a")),
            PartitionKey::Account(HomeAccountId::new("uid.utid")),
        ];
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        for (one, key) in keys.iter().enumerate() {
            assert_eq!(
                hasher.hash_one(key),
                hasher.hash_one(key.borrowed()),
                "{key}"
            );
            assert_eq!(key.borrowed().to_owned(), *key);
            for (other, stored) in keys.iter().enumerate() {
                assert_eq!(key.borrowed().equivalent(stored), one == other);
            }
        }
    }

    #[test]
    fn partitions_of_two_tenants_never_meet() {
        let of_tenant = |tenant: &str| PartitionKey::Application {
            client_id: CLIENT.into(),
            tenant_id: tenant.into(),
        };
        assert_ne!(of_tenant("one"), of_tenant("two"));
        assert_ne!(of_tenant("one").to_string(), of_tenant("two").to_string());
        assert_ne!(of_tenant("one"), of_tenant("ONE"), "compared to the letter");
    }

    /// Checklist K7.
    #[test]
    fn item_keys_are_those_of_msal() {
        let target = Scopes::parse("User.Read");
        assert_eq!(
            &*access_token_key("Uid.Utid", "login.windows.net", CLIENT, TENANT, &target),
            format!("uid.utid-login.windows.net-accesstoken-{CLIENT}-{TENANT}-user.read")
        );
        assert_eq!(
            &*access_token_key("", "login.windows.net", "C", "T", &target),
            "-login.windows.net-accesstoken-c-t-user.read"
        );
        assert_eq!(&*refresh_token_key("U", "e", "C"), "u-e-refreshtoken-c--");
        assert_eq!(&*id_token_key("U", "e", "C", "T"), "u-e-idtoken-c-t-");
        assert_eq!(&*account_key("U.T", "e", "T"), "U.T-e-T");
        assert_eq!(&*app_metadata_key("E", "C"), "appmetadata-e-c");
    }

    #[test]
    fn an_environment_knows_its_aliases_and_what_it_writes() {
        let public = Environment::of_host("Login.MicrosoftOnline.com");
        assert_eq!(&**public.preferred_cache(), "login.windows.net");
        assert!(public.contains("sts.windows.net"));
        assert!(!public.contains("login.microsoftonline.us"));
        let own = Environment::of_host("127.0.0.1");
        assert_eq!(&**own.preferred_cache(), "127.0.0.1");
        assert!(!own.contains("login.windows.net"));
    }

    #[test]
    fn the_home_tenant_stands_behind_the_full_stop() {
        assert_eq!(HomeAccountId::new("uid.utid").tenant_id(), Some("utid"));
        assert_eq!(HomeAccountId::new("subject").tenant_id(), None);
    }
}
