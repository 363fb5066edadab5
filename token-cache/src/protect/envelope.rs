//! The sealed form of an entry.
//!
//! ```text
//! 0   "TCE"                       what it is
//! 3   1                           version: AES-256-GCM
//! 4   length of the key's name    1..=32
//! 5   name of the key
//!     nonce                       12 bytes, random
//!     ciphertext
//!     tag                         16 bytes
//! ```
//!
//! Authenticated beside the plaintext: everything before the nonce, and the
//! cache key.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bytes::Bytes;

use super::ProtectError;
use super::key_ring::LONGEST_KEY_ID;

const MAGIC: &[u8; 3] = b"TCE";
const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

/// What sealing adds to an entry, the name of the key not counted.
pub const OVERHEAD_BYTES: usize = MAGIC.len() + 2 + NONCE_LEN + TAG_LEN;

/// Whether `entry` has the sealed form, whatever its version. MSAL's JSON never
/// has: it begins with a brace.
pub fn is_sealed(entry: &[u8]) -> bool {
    entry.starts_with(MAGIC)
}

/// Seals `plaintext` for the cache key.
pub(super) fn seal(
    key_id: &str,
    key: &RandomizedNonceKey,
    cache_key: &str,
    plaintext: &[u8],
) -> Result<Vec<u8>, ProtectError> {
    let mut head = Vec::with_capacity(MAGIC.len() + 2 + key_id.len());
    head.extend(MAGIC);
    head.push(VERSION);
    // Key rings take no longer names.
    head.push(u8::try_from(key_id.len()).unwrap_or(0));
    head.extend(key_id.as_bytes());

    let mut sealed = Vec::with_capacity(OVERHEAD_BYTES + key_id.len() + plaintext.len());
    sealed.extend(&head);
    let body = sealed.len() + NONCE_LEN;
    sealed.resize(body, 0);
    sealed.extend(plaintext);
    let aad = Aad::from(authenticated(&head, cache_key));
    let (nonce, tag) = key
        .seal_in_place_separate_tag(aad, &mut sealed[body..])
        .map_err(|_| ProtectError::Forged)?;
    sealed[body - NONCE_LEN..body].copy_from_slice(nonce.as_ref());
    sealed.extend(tag.as_ref());
    Ok(sealed)
}

/// A sealed entry in its parts.
pub(super) struct Envelope<'e> {
    pub(super) key_id: &'e str,
    head: &'e [u8],
    nonce: [u8; NONCE_LEN],
    body: &'e [u8],
}

impl<'e> Envelope<'e> {
    /// Takes a sealed entry apart.
    pub(super) fn parse(entry: &'e [u8]) -> Result<Self, ProtectError> {
        let malformed = |what| ProtectError::Malformed { what };
        let rest = entry.strip_prefix(MAGIC).ok_or(ProtectError::NotSealed)?;
        let (&version, rest) = rest.split_first().ok_or(malformed("it ends in its head"))?;
        if version != VERSION {
            return Err(malformed("its version is not known"));
        }
        let (&length, rest) = rest.split_first().ok_or(malformed("it ends in its head"))?;
        let length = usize::from(length);
        if !(1..=LONGEST_KEY_ID).contains(&length) {
            return Err(malformed(
                "the name of its key has no length that names have",
            ));
        }
        let too_short = malformed("it is too short");
        let (key_id, rest) = rest.split_at_checked(length).ok_or(too_short.clone())?;
        let key_id =
            str::from_utf8(key_id).map_err(|_| malformed("the name of its key is no text"))?;
        let (nonce, body) = rest.split_first_chunk().ok_or(too_short.clone())?;
        if body.len() < TAG_LEN {
            return Err(too_short);
        }
        Ok(Self {
            key_id,
            head: &entry[..MAGIC.len() + 2 + length],
            nonce: *nonce,
            body,
        })
    }

    /// The plaintext, if nothing was changed and the cache key is the same.
    pub(super) fn open(
        &self,
        key: &RandomizedNonceKey,
        cache_key: &str,
    ) -> Result<Bytes, ProtectError> {
        let mut body = self.body.to_vec();
        let aad = Aad::from(authenticated(self.head, cache_key));
        let nonce = Nonce::from(&self.nonce);
        let length = key
            .open_in_place(nonce, aad, &mut body)
            .map_err(|_| ProtectError::Forged)?
            .len();
        body.truncate(length);
        Ok(body.into())
    }
}

/// The head's length is in the head, so the border to the cache key is clear.
fn authenticated(head: &[u8], cache_key: &str) -> Vec<u8> {
    [head, cache_key.as_bytes()].concat()
}
