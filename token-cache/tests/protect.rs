//! Encryption at rest: what is sealed opens only whole, in its place and with
//! its key; every other outcome is a defined one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use token_cache::Clock;
use token_cache::protect::{
    KeyRing, OVERHEAD_BYTES, ProtectError, ProtectedStore, Unreadable, Unsealed, is_sealed,
};
use token_cache::store::{Expiration, MemoryStore, Store, Swap};

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

type Parts = (Arc<MemoryStore>, ProtectedStore);

fn protected(unsealed: Unsealed, unreadable: Unreadable) -> Parts {
    let below = Arc::new(MemoryStore::new(1_000_000, Clock::system()));
    let store = ProtectedStore::new(
        Arc::clone(&below) as Arc<dyn Store>,
        Arc::new(ring()),
        unsealed,
        unreadable,
    );
    (below, store)
}

#[tokio::test]
async fn a10_the_store_holds_ciphertext_and_the_reader_gets_plaintext() {
    let (below, store) = protected(Unsealed::Refused, Unreadable::Miss);
    let plain = Bytes::from_static(PLAIN);
    store
        .set(KEY, plain.clone(), Expiration::default())
        .await
        .unwrap();
    assert!(is_sealed(&below.get(KEY).await.unwrap().unwrap()));
    assert_eq!(store.get(KEY).await.unwrap(), Some(plain));
    store.remove(KEY).await.unwrap();
    assert_eq!(store.get(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn a10_an_entry_from_before_encryption_is_read_where_that_is_accepted() {
    for (unsealed, expected) in [(Unsealed::Accepted, PLAIN), (Unsealed::Refused, b"")] {
        let (below, store) = protected(unsealed, Unreadable::Miss);
        let plain = Bytes::from_static(PLAIN);
        below.set(KEY, plain, Expiration::default()).await.unwrap();
        assert_eq!(store.get(KEY).await.unwrap().as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a10_with_another_ring_an_entry_is_a_miss_or_its_bytes_as_they_are() {
    for unreadable in [Unreadable::Miss, Unreadable::AsIs] {
        let (below, store) = protected(Unsealed::Accepted, unreadable);
        let plain = Bytes::from_static(PLAIN);
        store.set(KEY, plain, Expiration::default()).await.unwrap();
        store.replace_ring(Arc::new(KeyRing::generate("other").unwrap()));
        let found = store.get(KEY).await.unwrap().unwrap();
        match unreadable {
            Unreadable::Miss => assert!(found.is_empty()),
            Unreadable::AsIs => assert_eq!(Some(found), below.get(KEY).await.unwrap()),
        }
        assert_eq!(store.unreadable_count(), 1);
    }
}

#[tokio::test]
async fn an_unreadable_entry_is_replaced_by_the_next_conditional_write() {
    let (_below, store) = protected(Unsealed::Refused, Unreadable::Miss);
    store
        .set(KEY, "old".into(), Expiration::default())
        .await
        .unwrap();
    store.replace_ring(Arc::new(KeyRing::generate("other").unwrap()));
    let cas = store.compare_and_set().unwrap();
    let found = cas.get_versioned(KEY).await.unwrap().unwrap();
    assert!(
        found.blob.is_empty(),
        "it counts as empty, and has a version"
    );
    let swap = cas.set_if(
        KEY,
        Some(&found.version),
        "new".into(),
        Expiration::default(),
    );
    assert_eq!(swap.await.unwrap(), Swap::Done);
    assert_eq!(store.get(KEY).await.unwrap().as_deref(), Some(&b"new"[..]));
    let found = cas.get_versioned(KEY).await.unwrap().unwrap();
    assert_eq!(
        cas.remove_if(KEY, &found.version).await.unwrap(),
        Swap::Done
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
