//! Extra cache-key components: what decides, beside client, tenant and scopes,
//! which cached token answers a request. MSAL's `fmi_path`, `client_claims`,
//! `WithCachePartitionKey` and their like.
//!
//! Their hash goes into partition keys and item keys. How it is made differs
//! between SDKs and versions, so it can be chosen.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Components that MSAL never counts: who called, not what for.
const NOT_COUNTED: [&str; 2] = ["caller-sdk-id", "caller-sdk-ver"];

/// How components become a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ComponentHash {
    /// Each name and value behind its length in bytes, so that `{a: bc}` and
    /// `{ab: c}` differ: MSAL Go 1.9, Python 1.39, Node 7.
    #[default]
    LengthPrefixed,
    /// Names and values run together, as MSAL.NET up to 4.87 does.
    DotNet487,
}

impl ComponentHash {
    /// base64url of the SHA-256 over `parts`, in the order of their names.
    fn of(self, parts: &BTreeMap<Box<str>, Box<str>>) -> Arc<str> {
        let mut text = String::new();
        for (name, value) in parts {
            match self {
                Self::LengthPrefixed => {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{}:{name}{}:{value}", name.len(), value.len());
                }
                Self::DotNet487 => text.extend([&**name, &**value]),
            }
        }
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash).into()
    }
}

/// One or more components and their hash. Cheap to clone, and one pointer in the
/// many tokens that have none.
#[derive(Clone)]
pub struct KeyComponents(Arc<Hashed>);

#[derive(Clone)]
struct Hashed {
    parts: BTreeMap<Box<str>, Box<str>>,
    hash: Arc<str>,
    binds_refresh_tokens: bool,
}

impl KeyComponents {
    /// Takes names and values; later ones replace earlier ones of their name.
    /// `None` when nothing that counts is among them.
    pub fn new<'a>(
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
        hash: ComponentHash,
    ) -> Option<Self> {
        let parts: BTreeMap<Box<str>, Box<str>> = parts
            .into_iter()
            .filter(|(name, _)| !NOT_COUNTED.contains(name))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        (!parts.is_empty()).then(|| Self::of(parts, hash, false))
    }

    fn of(
        parts: BTreeMap<Box<str>, Box<str>>,
        hash: ComponentHash,
        binds_refresh_tokens: bool,
    ) -> Self {
        Self(Arc::new(Hashed {
            hash: hash.of(&parts),
            parts,
            binds_refresh_tokens,
        }))
    }

    /// The same, kept apart in refresh tokens as well (MSAL's
    /// `partitionRefreshToken`).
    #[must_use]
    pub fn binding_refresh_tokens(mut self) -> Self {
        Arc::make_mut(&mut self.0).binds_refresh_tokens = true;
        self
    }

    /// Whether refresh tokens are kept apart as well.
    pub fn binds_refresh_tokens(&self) -> bool {
        self.0.binds_refresh_tokens
    }

    /// The hash, in the case it has in partition keys.
    pub fn hash(&self) -> &Arc<str> {
        &self.0.hash
    }

    /// The same components with a hash of this kind.
    pub(crate) fn hashed_by(&self, hash: ComponentHash) -> Self {
        Self::of(self.0.parts.clone(), hash, self.0.binds_refresh_tokens)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let parts = self.0.parts.iter();
        self.0.hash.len()
            + parts
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
    }
}

/// The same names with the same values, whatever their hash.
impl PartialEq for KeyComponents {
    fn eq(&self, other: &Self) -> bool {
        self.0.parts == other.0.parts
    }
}

impl Eq for KeyComponents {}

impl std::hash::Hash for KeyComponents {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.parts.hash(state);
    }
}

/// Names and hash; a value can be a claim about a person.
impl fmt::Debug for KeyComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyComponents")
            .field("names", &self.0.parts.keys().collect::<Vec<_>>())
            .field("hash", &self.0.hash)
            .finish_non_exhaustive()
    }
}

impl Serialize for KeyComponents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyComponents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = BTreeMap::<Box<str>, Box<str>>::deserialize(deserializer)?;
        Ok(Self::of(parts, ComponentHash::default(), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values observed on MSAL.NET 4.83.3 and on MSAL Go, Python and Node.
    #[test]
    fn k6_components_hash_as_the_chosen_sdk_does() {
        let pairs = [("key2", "value2"), ("key1", "value1")];
        let hash = |kind| KeyComponents::new(pairs, kind).unwrap().hash().to_string();
        assert_eq!(
            hash(ComponentHash::DotNet487),
            "bNs2ytmX5hxKH4FnfIxrIdMezPBBAYhnmuh6t4bbgHI"
        );
        assert_eq!(
            hash(ComponentHash::LengthPrefixed).to_lowercase(),
            "latlwkpewb_a0rcsmjvkecqt0_huumkw4sflzociike"
        );
        let one = |name, value, kind| {
            let components = KeyComponents::new([(name, value)], kind).unwrap();
            components.hash().to_string()
        };
        assert_ne!(
            one("a", "bc", ComponentHash::LengthPrefixed),
            one("ab", "c", ComponentHash::LengthPrefixed)
        );
        assert_eq!(
            one("a", "bc", ComponentHash::DotNet487),
            one("ab", "c", ComponentHash::DotNet487),
            "the ambiguity that the newer hash removes"
        );
    }

    #[test]
    fn who_called_is_no_component() {
        let pairs = [("caller-sdk-id", "x"), ("caller-sdk-ver", "y")];
        assert!(KeyComponents::new(pairs, ComponentHash::default()).is_none());
    }
}
