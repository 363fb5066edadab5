//! Reading what ASP.NET's Data Protection sealed, as Microsoft.Identity.Web does
//! with `Encrypt`: entries of a farm that moves here still open.
//!
//! ```text
//! 09F0C9F0 | key id (16, a GUID as .NET orders it) | key modifier (16)
//!          | IV (16) | AES-256-CBC ciphertext | HMAC-SHA256 (32) over IV and ciphertext
//! ```
//!
//! The two keys of a payload are derived from the ring's master key with
//! SP800-108 in counter mode over HMAC-SHA512. Only the default algorithms
//! (AES-256-CBC with HMAC-SHA256) are read; nothing is written in this form.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{KeyRingError, ProtectError};

const MAGIC: [u8; 4] = [0x09, 0xF0, 0xC9, 0xF0];
const MODIFIER_LEN: usize = 16;
const IV_LEN: usize = 16;
const MAC_LEN: usize = 32;

/// What stands for AES-256-CBC with HMAC-SHA256 in the derivation: lengths of
/// key, block, MAC key and MAC, then a ciphertext and a MAC of nothing.
const CONTEXT_HEADER: [u8; 66] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00,
    0x00, 0x20, 0xEA, 0x10, 0x38, 0x7A, 0xC9, 0x27, 0x3B, 0x7F, 0xD5, 0x32, 0x11, 0x77, 0x77, 0x6F,
    0x15, 0x30, 0xF9, 0x46, 0xD3, 0xC7, 0x1D, 0x60, 0xDD, 0x7B, 0x28, 0x73, 0x66, 0xD8, 0x1C, 0xB0,
    0x3F, 0xE5, 0xE5, 0xA7, 0x01, 0xFA, 0x16, 0xF1, 0x55, 0x4F, 0x15, 0x81, 0xFD, 0xDD, 0x57, 0x6C,
    0xE8, 0x44,
];

/// A key of a Data Protection ring.
#[derive(Clone)]
pub struct DataProtectionKey {
    id: [u8; 16],
    master: Vec<u8>,
}

impl DataProtectionKey {
    /// From the key's XML: the `id` of the element `key`, a GUID, and the text of
    /// `masterKey/value`, base64.
    ///
    /// # Errors
    ///
    /// When either is not what it should be.
    pub fn from_xml_values(id: &str, master_key: &str) -> Result<Self, KeyRingError> {
        let hex: String = id.chars().filter(|letter| *letter != '-').collect();
        let id = u128::from_str_radix(&hex, 16)
            .ok()
            .filter(|_| hex.len() == 32)
            .ok_or_else(|| KeyRingError::new("a Data Protection key's id is no GUID"))?;
        let mut id = id.to_be_bytes();
        // .NET writes the first three groups of a GUID with the low byte first.
        id[..4].reverse();
        id[4..6].reverse();
        id[6..8].reverse();
        let master = STANDARD
            .decode(master_key.trim())
            .map_err(|_| KeyRingError::new("a Data Protection master key is not base64"))?;
        Ok(Self { id, master })
    }
}

/// Opens payloads of Data Protection.
pub struct DataProtectionReader {
    keys: BTreeMap<[u8; 16], Vec<u8>>,
    purposes: Vec<String>,
}

impl DataProtectionReader {
    /// With the ring's keys, for the application whose discriminator
    /// (`SetApplicationName`; else the path of its content) this is. The purpose
    /// is Microsoft.Identity.Web's, `msal_cache`.
    pub fn new(keys: impl IntoIterator<Item = DataProtectionKey>, application: &str) -> Self {
        Self::with_purposes(keys, &[application, "msal_cache"])
    }

    /// With the ring's keys, for this chain of purposes, the application's
    /// discriminator first.
    pub fn with_purposes(
        keys: impl IntoIterator<Item = DataProtectionKey>,
        purposes: &[&str],
    ) -> Self {
        Self {
            keys: keys.into_iter().map(|key| (key.id, key.master)).collect(),
            purposes: purposes.iter().map(|&purpose| purpose.to_owned()).collect(),
        }
    }

    /// Whether `entry` has the form of Data Protection.
    pub fn is_payload(&self, entry: &[u8]) -> bool {
        entry.starts_with(&MAGIC)
    }

    /// The plaintext.
    ///
    /// # Errors
    ///
    /// [`ProtectError`] by the reason.
    pub fn open(&self, payload: &[u8]) -> Result<Bytes, ProtectError> {
        let too_short = ProtectError::Malformed {
            what: "it is too short",
        };
        let rest = payload
            .strip_prefix(&MAGIC)
            .ok_or(ProtectError::NotSealed)?;
        let (id, sealed) = rest.split_first_chunk::<16>().ok_or(too_short)?;
        let master = self.keys.get(id).ok_or_else(|| ProtectError::UnknownKey {
            key_id: guid_text(*id),
        })?;
        decrypt(master, &self.authenticated(id), sealed)
    }

    /// What the derivation takes as its label: the head and every purpose.
    fn authenticated(&self, id: &[u8; 16]) -> Vec<u8> {
        let mut data = [&MAGIC[..], id].concat();
        let count = u32::try_from(self.purposes.len()).unwrap_or(u32::MAX);
        data.extend(count.to_be_bytes());
        for purpose in &self.purposes {
            let mut length = purpose.len();
            // Seven bits a byte, the low ones first; the top bit says "more".
            while length >= 0x80 {
                data.push(u8::try_from(length & 0x7F).unwrap_or(0) | 0x80);
                length >>= 7;
            }
            data.push(u8::try_from(length).unwrap_or(0));
            data.extend(purpose.as_bytes());
        }
        data
    }
}

/// Opens what follows the key id.
fn decrypt(master: &[u8], authenticated: &[u8], sealed: &[u8]) -> Result<Bytes, ProtectError> {
    let too_short = || ProtectError::Malformed {
        what: "it is too short",
    };
    let (modifier, rest) = sealed
        .split_at_checked(MODIFIER_LEN)
        .ok_or_else(too_short)?;
    let split = rest.len().checked_sub(MAC_LEN).ok_or_else(too_short)?;
    let (iv_and_ciphertext, mac) = rest.split_at(split);
    let (iv, ciphertext) = iv_and_ciphertext
        .split_first_chunk::<IV_LEN>()
        .ok_or_else(too_short)?;

    let keys = derive(master, authenticated, modifier);
    let (encryption, validation) = keys.as_ref().split_at(32);
    let validation = hmac::Key::new(hmac::HMAC_SHA256, validation);
    hmac::verify(&validation, iv_and_ciphertext, mac).map_err(|_| ProtectError::Forged)?;

    let forged = |_| ProtectError::Forged;
    let key = UnboundCipherKey::new(&AES_256, encryption).map_err(forged)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(forged)?;
    let mut plaintext = ciphertext.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let length = key.decrypt(&mut plaintext, context).map_err(forged)?.len();
    plaintext.truncate(length);
    Ok(plaintext.into())
}

/// SP800-108 in counter mode: one block of HMAC-SHA512 is the encryption key and
/// the validation key.
fn derive(master: &[u8], label: &[u8], modifier: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA512, master);
    let mut context = hmac::Context::with_key(&key);
    context.update(&1_u32.to_be_bytes());
    context.update(label);
    context.update(&[0]);
    context.update(&CONTEXT_HEADER);
    context.update(modifier);
    context.update(&512_u32.to_be_bytes());
    context.sign()
}

/// A key id as the ring's XML writes it.
fn guid_text(mut id: [u8; 16]) -> String {
    id[..4].reverse();
    id[4..6].reverse();
    id[6..8].reverse();
    let hex = format!("{:032x}", u128::from_be_bytes(id));
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// Shows which keys it has, not the keys.
impl fmt::Debug for DataProtectionReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.keys.keys().map(|id| guid_text(*id)).collect();
        f.debug_struct("DataProtectionReader")
            .field("keys", &ids)
            .field("purposes", &self.purposes)
            .finish()
    }
}

impl fmt::Debug for DataProtectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataProtectionKey")
            .field(&guid_text(self.id))
            .finish()
    }
}

#[cfg(test)]
mod tests;
