//! Reading a blob.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::components::ComponentHash;
use crate::error::CacheError;
use crate::item::{AccessToken, Account, AppMetadata, IdToken, RefreshToken, UnknownMembers};
use crate::key::{AssertionHash, ItemKey};
use crate::partition::Partition;
use crate::section::Section;

/// A blob larger than this is not read: a partition of a thousand tokens has
/// some 3 MB.
pub const MAX_BLOB_BYTES: usize = 256 * 1024 * 1024;

/// What to make of what SDKs write differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Which timestamps are accepted.
    pub timestamps: Timestamps,
    /// How extra components of tokens are hashed.
    pub components: ComponentHash,
    /// Whether other SDKs' names for a member are understood: MSAL Node's
    /// `userAssertionHash`, so that its on-behalf-of tokens can be found.
    pub understand_aliases: bool,
}

/// Which timestamps are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Timestamps {
    /// Decimal strings, which are the format, and numbers, as MSAL Java, Go
    /// and Python and MSAL.NET's Newtonsoft build read them.
    #[default]
    Lenient,
    /// Decimal strings alone: one number and the whole blob is refused, as in
    /// MSAL.NET's .NET 8 build.
    Strict,
}

/// Reads a blob; an empty one is an empty partition.
///
/// # Errors
///
/// [`CacheError::Malformed`] when it is not JSON, not in the schema or larger
/// than [`MAX_BLOB_BYTES`].
pub fn read(blob: &[u8]) -> Result<Partition, CacheError> {
    read_with(blob, ReadOptions::default())
}

/// [`read`], with other options than the default ones.
///
/// # Errors
///
/// As [`read`].
pub fn read_with(blob: &[u8], options: ReadOptions) -> Result<Partition, CacheError> {
    if blob.is_empty() {
        return Ok(Partition::default());
    }
    if blob.len() > MAX_BLOB_BYTES {
        return Err(CacheError::Malformed {
            reason: format!("{} bytes are more than {MAX_BLOB_BYTES}", blob.len()),
        });
    }
    if options.timestamps == Timestamps::Strict {
        let _: Dated = parse(blob)?;
    }
    let blob: Blob = parse(blob)?;
    let mut partition = Partition::default();
    partition.access_tokens = keyed(blob.access_tokens, AccessToken::key, |token| {
        token.normalise(options.components);
        if options.understand_aliases && token.user_assertion_hash.is_none() {
            token.user_assertion_hash = alias(&token.unknown);
        }
    });
    partition.refresh_tokens = keyed(blob.refresh_tokens, RefreshToken::key, |token| {
        token.normalise(options.components);
        if options.understand_aliases && token.user_assertion_hash.is_none() {
            token.user_assertion_hash = alias(&token.unknown);
        }
    });
    partition.id_tokens = keyed(blob.id_tokens, IdToken::key, |_| {});
    partition.accounts = keyed(blob.accounts, Account::key, |_| {});
    partition.app_metadata = keyed(blob.app_metadata, AppMetadata::key, |_| {});
    partition.unknown = blob.unknown;
    partition.index();
    Ok(partition)
}

/// The assertion's hash under MSAL Node's name.
fn alias(unknown: &UnknownMembers) -> Option<AssertionHash> {
    let hash = unknown.get("userAssertionHash")?.as_str()?;
    Some(AssertionHash::of_session(hash))
}

/// The items of a section; entries that are `null` are left out.
type Items<T> = Vec<T>;

#[derive(Default)]
struct Blob {
    access_tokens: Items<AccessToken>,
    refresh_tokens: Items<RefreshToken>,
    id_tokens: Items<IdToken>,
    accounts: Items<Account>,
    app_metadata: Items<AppMetadata>,
    unknown: UnknownMembers,
}

/// Section names are matched without regard to case, as MSAL.NET does.
impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Root;
        impl<'de> Visitor<'de> for Root {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token cache")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Blob, A::Error> {
                let mut blob = Blob::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "accesstoken" => blob.access_tokens = map.next_value::<Entries<_>>()?.0,
                        "refreshtoken" => blob.refresh_tokens = map.next_value::<Entries<_>>()?.0,
                        "idtoken" => blob.id_tokens = map.next_value::<Entries<_>>()?.0,
                        "account" => blob.accounts = map.next_value::<Entries<_>>()?.0,
                        "appmetadata" => blob.app_metadata = map.next_value::<Entries<_>>()?.0,
                        _ => {
                            blob.unknown.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(blob)
            }
        }
        deserializer.deserialize_map(Root)
    }
}

/// A section: an object whose keys do not matter, or `null`.
struct Entries<T>(Items<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Sections<T> {
            type Value = Items<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of cache entries")
            }
            fn visit_unit<E>(self) -> Result<Items<T>, E> {
                Ok(Vec::new())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::new();
                while let Some((_, item)) = map.next_entry::<IgnoredAny, Option<T>>()? {
                    items.extend(item);
                }
                Ok(items)
            }
        }
        let items = deserializer.deserialize_any(Sections(std::marker::PhantomData))?;
        Ok(Self(items))
    }
}

/// What strict reading looks at: every timestamp is text, in whichever section the
/// reader above takes for that of access tokens.
struct Dated;

impl<'de> Deserialize<'de> for Dated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Root;
        impl<'de> Visitor<'de> for Root {
            type Value = Dated;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token cache")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dated, A::Error> {
                while let Some(name) = map.next_key::<String>()? {
                    if name.eq_ignore_ascii_case("AccessToken") {
                        map.next_value::<Entries<Times>>()?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Dated)
            }
        }
        deserializer.deserialize_map(Root)
    }
}

#[derive(Deserialize)]
struct Times {
    #[serde(default, rename = "cached_at")]
    _cached_at: Option<String>,
    #[serde(default, rename = "expires_on")]
    _expires_on: Option<String>,
    #[serde(default, rename = "extended_expires_on")]
    _extended_expires_on: Option<String>,
    #[serde(default, rename = "ext_expires_on")]
    _ext_expires_on: Option<String>,
    #[serde(default, rename = "refresh_on")]
    _refresh_on: Option<String>,
}

fn keyed<T>(items: Items<T>, key: impl Fn(&T) -> ItemKey, settle: impl Fn(&mut T)) -> Section<T> {
    let settled = items.into_iter().map(|mut item| {
        settle(&mut item);
        (key(&item), Arc::new(item))
    });
    settled.collect()
}

/// JSON, in which MSAL.NET also allows a comma before a closing bracket.
fn parse<T: DeserializeOwned>(blob: &[u8]) -> Result<T, CacheError> {
    let error = match serde_json::from_slice(blob) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    if error.is_syntax()
        && let Some(mended) = without_trailing_commas(blob)
        && let Ok(parsed) = serde_json::from_slice(&mended)
    {
        return Ok(parsed);
    }
    Err(CacheError::Malformed {
        reason: describe(&error),
    })
}

/// The blob without commas that stand before a closing bracket; `None` when it
/// has none.
fn without_trailing_commas(blob: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(blob.len());
    let (mut in_string, mut escaped) = (false, false);
    // The last byte that is no white space: a comma ends an entry or nothing.
    let mut last = b'{';
    let mut comma_at = None;
    for &byte in blob {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else if byte == b',' {
            comma_at = (!b"{[,".contains(&last)).then_some(mended.len());
        } else if matches!(byte, b'}' | b']') {
            if let Some(at) = comma_at.take() {
                mended.remove(at);
            }
        } else if !byte.is_ascii_whitespace() {
            in_string = byte == b'"';
            comma_at = None;
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
        mended.push(byte);
    }
    (mended.len() < blob.len()).then_some(mended)
}

/// The kind of mistake and its place. `serde_json`'s own text can quote what
/// it found, which may be a secret.
fn describe(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or of the wrong type",
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no valid JSON",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}
