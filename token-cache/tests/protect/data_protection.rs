//! Entries of a farm that moves here from Microsoft.Identity.Web with `Encrypt`:
//! sealed by ASP.NET's Data Protection. Made here by what is written of the
//! format (`shared/reference/token-cache.md` §3.7), not by the crate's own code.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use token_cache::policy::Unreadable;
use token_cache::protect::{DataProtectionKey, DataProtectionReader, KeyRing, is_sealed};
use token_cache::store::{Expiration, MemoryStore, Store};
use token_cache::{CacheLevel, Clock, Partition, Policy, TokenCache, TokenCacheOptions, schema};

use crate::{PRESETS, app_blob, app_key, ring};

const APPLICATION: &str = "the-farm";
const MASTER: [u8; 64] = [0x5A; 64];

const KEY_ID: &str = "80732141-ec8f-4b80-af9c-c4d2d1ff8901";
/// The same, as .NET orders a GUID's bytes.
const KEY_ID_BYTES: [u8; 16] = [
    0x41, 0x21, 0x73, 0x80, 0x8F, 0xEC, 0x80, 0x4B, 0xAF, 0x9C, 0xC4, 0xD2, 0xD1, 0xFF, 0x89, 0x01,
];
const OTHER_KEY_ID: &str = "00000000-0000-0000-0000-000000000007";

/// Of AES-256-CBC with HMAC-SHA256, as the reference has it.
const CONTEXT_HEADER: &str = "0000 00000020 00000010 00000020 00000020 \
    EA10387AC9273B7FD5321177776F1530 \
    F946D3C71D60DD7B287366D81CB03FE5E5A701FA16F1554F1581FDDD576CE844";

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// `plaintext` as ASP.NET would have sealed it.
fn payload(plaintext: &[u8]) -> Bytes {
    let head = [&[0x09, 0xF0, 0xC9, 0xF0], &KEY_ID_BYTES[..]].concat();
    let mut authenticated = [&head[..], &2_u32.to_be_bytes()].concat();
    for purpose in [APPLICATION, "msal_cache"] {
        authenticated.push(u8::try_from(purpose.len()).unwrap());
        authenticated.extend(purpose.as_bytes());
    }
    let (modifier, iv) = ([3; 16], [4; 16]);
    let input = [
        &1_u32.to_be_bytes(),
        &authenticated[..],
        &[0],
        &from_hex(CONTEXT_HEADER),
        &modifier,
        &512_u32.to_be_bytes(),
    ]
    .concat();
    let keys = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, &MASTER), &input);
    let (encryption, validation) = keys.as_ref().split_at(32);
    let key = UnboundCipherKey::new(&AES_256, encryption).unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let mut ciphertext = plaintext.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut ciphertext, context).unwrap();
    let sealed = [&iv[..], &ciphertext].concat();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, validation), &sealed);
    [&head[..], &modifier, &sealed, mac.as_ref()]
        .concat()
        .into()
}

/// A ring of ours that reads what this key of Data Protection sealed.
fn ring_with(key_id: &str) -> KeyRing {
    let key = DataProtectionKey::from_xml_values(key_id, &STANDARD.encode(MASTER)).unwrap();
    ring().reading(DataProtectionReader::new([key], APPLICATION))
}

/// An instance over the store, with such a ring.
fn cache(store: &Arc<MemoryStore>, policy: Policy, ring: KeyRing) -> TokenCache {
    TokenCache::new(TokenCacheOptions {
        l2: Some(Arc::clone(store) as Arc<dyn Store>),
        sealing: Some(Arc::new(ring)),
        policy,
        ..TokenCacheOptions::default()
    })
}

async fn store_with(blob: Bytes) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(1_000_000, Clock::system()));
    let key = app_key().to_string();
    let set = store.set(&key, blob, Expiration::default());
    set.await.unwrap();
    store
}

#[tokio::test]
async fn a10_an_entry_of_data_protection_is_a_hit_and_the_next_write_leaves_our_own() {
    for policy in PRESETS {
        let store = store_with(payload(&app_blob())).await;
        let moved = cache(&store, policy, ring_with(KEY_ID));
        let read = moved.read(&app_key()).await.unwrap();
        assert_eq!(read.level, CacheLevel::L2, "{policy:?}");
        assert_eq!(read.partition.unwrap().access_token_count(), 1);

        moved.update(&app_key(), Partition::clone).await.unwrap();
        let written = store.get(&app_key().to_string()).await.unwrap().unwrap();
        assert!(is_sealed(&written), "in our envelope");
        assert!(!written.windows(9).any(|part| part == b"the-token"));
    }
}

#[tokio::test]
async fn a10_an_entry_of_an_unknown_data_protection_key_is_idw10802_or_a_miss_that_is_replaced() {
    for policy in PRESETS {
        let store = store_with(payload(&app_blob())).await;
        let stranger = cache(&store, policy, ring_with(OTHER_KEY_ID));
        let read = stranger.read(&app_key()).await;
        if policy.unreadable == Unreadable::Error {
            let error = read.unwrap_err().to_string();
            assert!(error.starts_with("IDW10802"), "{error}");
            assert!(error.contains(KEY_ID), "it names the key: {error}");
            continue;
        }
        assert!(read.unwrap().partition.is_none());
        let fresh = schema::read(&app_blob()).unwrap();
        let fresh = move |_: &Partition| fresh.clone();
        stranger.update(&app_key(), fresh).await.unwrap();
        let written = store.get(&app_key().to_string()).await.unwrap().unwrap();
        assert!(is_sealed(&written), "it was replaced");
    }
}
