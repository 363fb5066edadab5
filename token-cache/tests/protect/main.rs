//! Encryption at rest: what is sealed opens only whole, in its place and with
//! its key; every other outcome is a defined one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod data_protection;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use token_cache::policy::Plaintext;
use token_cache::protect::{KeyRing, OVERHEAD_BYTES, ProtectError, RotatingKeyRing, is_sealed};
use token_cache::store::{Expiration, MemoryStore, Store};
use token_cache::{
    CacheLevel, Clock, Partition, PartitionKey, Policy, Sealing, TokenCache, TokenCacheOptions,
    schema,
};

const KEY: &str = "uid.utid";
const PLAIN: &[u8] = br#"{"AccessToken":{}}"#;

fn ring() -> KeyRing {
    KeyRing::generate("k1").unwrap()
}

#[test]
fn an_entry_opens_with_its_ring_and_says_nothing_without() {
    let ring = ring();
    let sealed = ring.seal(KEY, PLAIN).unwrap();
    assert!(is_sealed(&sealed) && !is_sealed(PLAIN));
    assert_eq!(sealed.len(), PLAIN.len() + OVERHEAD_BYTES + "k1".len());
    let shows = sealed.windows(5).any(|part| part == b"Token");
    assert!(!shows, "the plaintext shines through");
    assert_eq!(ring.open(KEY, &sealed).unwrap(), PLAIN);
    assert_ne!(sealed, ring.seal(KEY, PLAIN).unwrap(), "a nonce of its own");
}

#[test]
fn an_entry_that_was_moved_to_another_key_does_not_open() {
    let ring = ring();
    let sealed = ring.seal("alice.utid", PLAIN).unwrap();
    assert_eq!(ring.open("bob.utid", &sealed), Err(ProtectError::Forged));
}

#[test]
fn an_entry_with_any_bit_changed_or_any_byte_missing_does_not_open() {
    let ring = ring();
    let sealed = ring.seal(KEY, PLAIN).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1 << bit;
            assert!(ring.open(KEY, &changed).is_err(), "byte {at}, bit {bit}");
        }
        assert!(ring.open(KEY, &sealed[..at]).is_err(), "{at} bytes");
    }
    let longer = [&sealed[..], &[0]].concat();
    assert_eq!(ring.open(KEY, &longer), Err(ProtectError::Forged));
    assert_eq!(ring.open(KEY, PLAIN), Err(ProtectError::NotSealed));
    assert_eq!(ring.open(KEY, b""), Err(ProtectError::NotSealed));
}

#[test]
fn old_keys_open_after_a_rotation_until_they_are_retired() {
    let mut ring = ring();
    let old = ring.seal(KEY, PLAIN).unwrap();
    ring.rotate("k2").unwrap();
    assert_eq!(ring.primary(), "k2");
    let new = ring.seal(KEY, PLAIN).unwrap();
    assert_eq!(ring.open(KEY, &old).unwrap(), PLAIN);
    assert_eq!(ring.open(KEY, &new).unwrap(), PLAIN);
    assert!(ring.rotate("k1").is_err(), "a name is taken once");
    assert!(ring.retire("k2").is_err(), "the primary key stays");
    ring.retire("k1").unwrap();
    assert!(ring.retire("k1").is_err());
    let unknown = ProtectError::UnknownKey {
        key_id: "k1".to_owned(),
    };
    assert_eq!(ring.open(KEY, &old), Err(unknown));
    assert_eq!(ring.open(KEY, &new).unwrap(), PLAIN);
    // Another ring's key of the same name is not the same key.
    let other = KeyRing::generate("k2").unwrap();
    assert_eq!(other.open(KEY, &new), Err(ProtectError::Forged));
}

#[test]
fn a_ring_comes_back_from_its_file_and_shows_no_key() {
    let mut ring = ring();
    ring.rotate("2026-11").unwrap();
    let sealed = ring.seal(KEY, PLAIN).unwrap();
    let text = ring.to_json();
    let again = KeyRing::from_json(text.expose().as_bytes()).unwrap();
    assert_eq!(again.primary(), "2026-11");
    assert_eq!(again.open(KEY, &sealed).unwrap(), PLAIN);
    let file: serde_json::Value = serde_json::from_str(text.expose()).unwrap();
    let key = file["keys"][0]["key"].as_str().unwrap();
    assert!(!format!("{ring:?} {text:?}").contains(key));
}

#[test]
fn a_file_that_is_no_ring_is_refused_with_the_reason_and_without_its_keys() {
    let key = "A".repeat(43);
    let cases = [
        ("{".to_owned(), "line 1"),
        (
            r#"{"version":2,"primary":"a","keys":[]}"#.to_owned(),
            "version 1",
        ),
        (
            r#"{"version":1,"primary":"a","keys":[]}"#.to_owned(),
            "primary",
        ),
        (
            format!(r#"{{"version":1,"primary":"a","keys":[{{"id":"a","key":"{key}="}}]}}"#),
            "base64url",
        ),
        (
            r#"{"version":1,"primary":"a","keys":[{"id":"a","key":"c2hvcnQ"}]}"#.to_owned(),
            "32 bytes",
        ),
        (
            format!(r#"{{"version":1,"primary":"a b","keys":[{{"id":"a b","key":"{key}"}}]}}"#),
            "name",
        ),
        (
            format!(
                r#"{{"version":1,"primary":"a","keys":[{{"id":"a","key":"{key}"}},{{"id":"a","key":"{key}"}}]}}"#
            ),
            "two keys",
        ),
        (
            format!(
                r#"{{"version":1,"primary":"a","more":1,"keys":[{{"id":"a","key":"{key}"}}]}}"#
            ),
            "line 1",
        ),
        (
            r#"{"version":1,"primary":"a","keys":[{"id":"a","key":5551234}]}"#.to_owned(),
            "line 1",
        ),
    ];
    for (text, expected) in cases {
        let error = KeyRing::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(
            !error.contains("AAAA") && !error.contains("5551234"),
            "{error}"
        );
    }
}

/// A cache over a store, both with the same ring, and what an app partition is.
struct Lab {
    store: Arc<MemoryStore>,
    ring: Arc<RotatingKeyRing>,
    opened: Arc<AtomicUsize>,
}

/// Counts what is opened.
#[derive(Debug)]
struct Counted(Arc<RotatingKeyRing>, Arc<AtomicUsize>);

impl Sealing for Counted {
    fn seal(&self, key: &str, blob: &[u8]) -> Result<Vec<u8>, String> {
        self.0.seal(key, blob)
    }

    fn open(&self, key: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.open(key, sealed)
    }
}

fn app_key() -> PartitionKey {
    PartitionKey::application("c", "t")
}

fn app_blob() -> Bytes {
    let expires = Clock::system().now().unix_seconds() + 3_600;
    let blob = serde_json::json!({
        "AccessToken": { "k": {
            "environment": "login.windows.net", "client_id": "c", "secret": "the-token",
            "credential_type": "AccessToken", "realm": "t", "target": "s",
            "cached_at": "1", "expires_on": expires.to_string(),
        } },
        "RefreshToken": {}, "IdToken": {}, "Account": {}, "AppMetadata": {},
    });
    blob.to_string().into()
}

impl Lab {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new(1_000_000, Clock::system())),
            ring: Arc::new(RotatingKeyRing::new(ring())),
            opened: Arc::default(),
        }
    }

    fn cache(&self, policy: Policy) -> TokenCache {
        let counted = Counted(Arc::clone(&self.ring), Arc::clone(&self.opened));
        TokenCache::new(TokenCacheOptions {
            l2: Some(Arc::clone(&self.store) as Arc<dyn Store>),
            sealing: Some(Arc::new(counted)),
            policy,
            ..TokenCacheOptions::default()
        })
    }

    async fn in_store(&self) -> Bytes {
        self.store
            .get(&app_key().to_string())
            .await
            .unwrap()
            .unwrap()
    }

    async fn put(&self, blob: Bytes) {
        let key = app_key().to_string();
        self.store
            .set(&key, blob, Expiration::default())
            .await
            .unwrap();
    }
}

const PRESETS: [Policy; 2] = [Policy::RECOMMENDED, Policy::MSAL_NET];

#[tokio::test]
async fn a10_l2_holds_ciphertext_and_an_l1_hit_opens_nothing() {
    for policy in PRESETS {
        let policy = Policy {
            plaintext: Plaintext::Accepted,
            ..policy
        };
        let lab = Lab::new();
        lab.put(app_blob()).await;
        let cache = lab.cache(policy);
        let plain = cache.read(&app_key()).await.unwrap();
        assert!(plain.partition.is_some(), "an entry from before encryption");
        cache.update(&app_key(), Partition::clone).await.unwrap();
        let sealed = lab.in_store().await;
        assert!(is_sealed(&sealed));
        assert!(!sealed.windows(9).any(|part| part == b"the-token"));

        let other = lab.cache(policy);
        let read = other.read(&app_key()).await.unwrap();
        assert_eq!(
            (read.level, read.partition.is_some()),
            (CacheLevel::L2, true)
        );
        let opened = lab.opened.load(Ordering::Relaxed);
        let read = other.read(&app_key()).await.unwrap();
        assert_eq!(
            (read.level, read.partition.is_some()),
            (CacheLevel::L1, true)
        );
        assert_eq!(lab.opened.load(Ordering::Relaxed), opened);
    }
}

#[tokio::test]
async fn a10_with_another_ring_an_entry_is_an_error_or_a_miss_that_is_replaced() {
    for policy in PRESETS {
        let lab = Lab::new();
        let key = app_key().to_string();
        lab.put(ring().seal(&key, &app_blob()).unwrap()).await;
        let cache = lab.cache(policy);
        let read = cache.read(&app_key()).await;
        if policy.unreadable == token_cache::policy::Unreadable::Error {
            let error = read.unwrap_err().to_string();
            assert!(error.starts_with("IDW10802"), "{error}");
            assert!(cache.read(&app_key()).await.is_err(), "until it is removed");
        } else {
            assert!(read.unwrap().partition.is_none());
            let fresh = schema::read(&app_blob()).unwrap();
            let fresh = move |_: &Partition| fresh.clone();
            cache.update(&app_key(), fresh).await.unwrap();
            let opened = lab.ring.current().open(&key, &lab.in_store().await);
            assert!(opened.is_ok(), "it was replaced");
        }
    }
}

#[tokio::test]
async fn a_rotation_while_the_cache_runs_loses_nothing() {
    let lab = Lab::new();
    let key = app_key().to_string();
    lab.put(lab.ring.current().seal(&key, &app_blob()).unwrap())
        .await;
    let mut next = KeyRing::from_json(lab.ring.current().to_json().expose().as_bytes()).unwrap();
    next.rotate("k2").unwrap();
    lab.ring.replace(next);
    let cache = lab.cache(Policy::RECOMMENDED);
    assert!(cache.read(&app_key()).await.unwrap().partition.is_some());
    cache.update(&app_key(), Partition::clone).await.unwrap();
    let sealed = lab.in_store().await;
    assert!(
        sealed.windows(2).any(|part| part == b"k2"),
        "sealed with the new key"
    );
}

proptest! {
    #[test]
    fn whatever_is_sealed_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..2_000), key in ".{0,40}") {
        let ring = ring();
        let sealed = ring.seal(&key, &plain).unwrap();
        prop_assert_eq!(ring.open(&key, &sealed).unwrap(), plain);
    }

    #[test]
    fn garbage_opens_never_and_is_no_panic(garbage in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ring().open(KEY, &garbage).is_err());
        let with_head = [b"TCE\x01\x02k1", &garbage[..]].concat();
        prop_assert!(ring().open(KEY, &with_head).is_err());
    }

    #[test]
    fn spoiling_a_sealed_entry_anywhere_keeps_it_shut(at in any::<prop::sample::Index>(), byte in 1_u8..) {
        let ring = ring();
        let mut sealed = ring.seal(KEY, PLAIN).unwrap().to_vec();
        let at = at.index(sealed.len());
        sealed[at] ^= byte;
        prop_assert!(ring.open(KEY, &sealed).is_err());
    }
}
