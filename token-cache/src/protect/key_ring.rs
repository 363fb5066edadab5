//! The keys that entries are sealed with.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::data_protection::DataProtectionReader;
use super::envelope::{Envelope, seal};
use super::{KeyRingError, ProtectError};
use crate::secret::Secret;

/// The longest name of a key, in bytes. Names are letters, digits, `-`, `_` and
/// `.`; they stand in every sealed entry and in errors.
pub const LONGEST_KEY_ID: usize = 32;

const KEY_LEN: usize = 32;

/// Keys by name, one of them the primary, with which is sealed.
///
/// A nonce is drawn at random for each entry, so replace the primary key before
/// it has sealed some four billion.
pub struct KeyRing {
    primary: String,
    keys: BTreeMap<String, Key>,
    data_protection: Option<DataProtectionReader>,
}

struct Key {
    /// Base64url, for the file.
    text: Secret,
    cipher: RandomizedNonceKey,
}

/// A ring as a file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    primary: String,
    keys: Vec<FileKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    id: String,
    /// 32 bytes in base64url without padding.
    key: Secret,
}

impl Key {
    fn try_new(id: &str, text: Secret) -> Result<Self, KeyRingError> {
        let wrong = |what: &str| KeyRingError::new(format!("the key `{id}` {what}"));
        let bytes = URL_SAFE_NO_PAD
            .decode(text.expose())
            .map_err(|_| wrong("is not base64url without padding"))?;
        if bytes.len() != KEY_LEN {
            return Err(wrong("is not 32 bytes long"));
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| wrong("is not taken by AES-256-GCM"))?;
        Ok(Self { text, cipher })
    }
}

fn checked_id(id: &str) -> Result<&str, KeyRingError> {
    let letters = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if (1..=LONGEST_KEY_ID).contains(&id.len()) && letters {
        Ok(id)
    } else {
        Err(KeyRingError::new(format!(
            "a key's name is 1 to {LONGEST_KEY_ID} letters, digits, `-`, `_` and `.`"
        )))
    }
}

impl KeyRing {
    /// A ring of one key, drawn at random.
    ///
    /// # Errors
    ///
    /// When the name is none, or the system has no random numbers.
    pub fn generate(id: &str) -> Result<Self, KeyRingError> {
        let mut ring = Self {
            primary: String::new(),
            keys: BTreeMap::new(),
            data_protection: None,
        };
        ring.rotate(id)?;
        Ok(ring)
    }

    /// Adds a key, drawn at random, and makes it the primary one. What the
    /// others have sealed still opens.
    ///
    /// # Errors
    ///
    /// When the name is none or taken, or the system has no random numbers.
    pub fn rotate(&mut self, id: &str) -> Result<(), KeyRingError> {
        if self.keys.contains_key(checked_id(id)?) {
            return Err(KeyRingError::new(format!("there is a key `{id}` already")));
        }
        let mut bytes = [0; KEY_LEN];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| KeyRingError::new("the system has no random numbers"))?;
        let key = Key::try_new(id, Secret::new(URL_SAFE_NO_PAD.encode(bytes)))?;
        self.keys.insert(id.to_owned(), key);
        id.clone_into(&mut self.primary);
        Ok(())
    }

    /// Takes a key out: what it has sealed opens no more.
    ///
    /// # Errors
    ///
    /// When there is no such key, or it is the primary one.
    pub fn retire(&mut self, id: &str) -> Result<(), KeyRingError> {
        if id == self.primary {
            return Err(KeyRingError::new(format!("`{id}` is the primary key")));
        }
        match self.keys.remove(id) {
            Some(_) => Ok(()),
            None => Err(KeyRingError::new(format!("there is no key `{id}`"))),
        }
    }

    /// Opens entries that ASP.NET Data Protection sealed as well.
    #[must_use]
    pub fn reading(mut self, data_protection: DataProtectionReader) -> Self {
        self.data_protection = Some(data_protection);
        self
    }

    /// Reads a ring from its JSON form:
    /// `{"version": 1, "primary": "k2", "keys": [{"id": "k1", "key": ".."}, ..]}`,
    /// each key 32 bytes in base64url.
    ///
    /// # Errors
    ///
    /// When the text is not of that form, a name occurs twice, a key is not 32
    /// bytes long or the primary key is missing.
    pub fn from_json(text: &[u8]) -> Result<Self, KeyRingError> {
        // Serde's message can quote a value; place and kind are enough.
        let file: File = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            KeyRingError::new(format!("not a key ring at line {line}, column {column}"))
        })?;
        if file.version != 1 {
            return Err(KeyRingError::new("only version 1 is known"));
        }
        let mut keys = BTreeMap::new();
        for FileKey { id, key } in file.keys {
            let key = Key::try_new(checked_id(&id)?, key)?;
            if keys.insert(id.clone(), key).is_some() {
                return Err(KeyRingError::new(format!("two keys are called `{id}`")));
            }
        }
        if !keys.contains_key(&file.primary) {
            return Err(KeyRingError::new("its primary key is not among its keys"));
        }
        Ok(Self {
            primary: file.primary,
            keys,
            data_protection: None,
        })
    }

    /// The ring's JSON form, keys and all: to be kept where only its users can
    /// read it.
    pub fn to_json(&self) -> Secret {
        let keys = self.keys.iter().map(|(id, key)| FileKey {
            id: id.clone(),
            key: key.text.clone(),
        });
        let file = File {
            version: 1,
            primary: self.primary.clone(),
            keys: keys.collect(),
        };
        // Strings and numbers only: this form cannot fail to be written.
        Secret::new(serde_json::to_string_pretty(&file).unwrap_or_default())
    }

    /// The name of the key with which is sealed.
    pub fn primary(&self) -> &str {
        &self.primary
    }

    /// Seals `plaintext` for the place `cache_key`.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn seal(&self, cache_key: &str, plaintext: &[u8]) -> Result<Bytes, ProtectError> {
        let key = self.key(&self.primary)?;
        seal(&self.primary, &key.cipher, cache_key, plaintext).map(Bytes::from)
    }

    /// Opens what stands under `cache_key`.
    ///
    /// # Errors
    ///
    /// [`ProtectError`] by the reason; [`ProtectError::NotSealed`] for plaintext.
    pub fn open(&self, cache_key: &str, entry: &[u8]) -> Result<Bytes, ProtectError> {
        if let Some(reader) = &self.data_protection
            && reader.is_payload(entry)
        {
            return reader.open(entry);
        }
        let envelope = Envelope::parse(entry)?;
        let key = self.key(envelope.key_id)?;
        envelope.open(&key.cipher, cache_key)
    }

    fn key(&self, id: &str) -> Result<&Key, ProtectError> {
        self.keys.get(id).ok_or_else(|| ProtectError::UnknownKey {
            key_id: id.escape_default().to_string(),
        })
    }
}

/// Shows names, not keys.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("primary", &self.primary)
            .field("keys", &self.keys.keys().collect::<Vec<_>>())
            .field("data_protection", &self.data_protection)
            .finish()
    }
}
