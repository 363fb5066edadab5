//! Both layers, and what each does when it is full.

use super::*;
use crate::item::AccessToken;
use crate::key::HomeAccountId;
use evicting::OVERHEAD_BYTES;

const BOTH: [L1Eviction; 2] = [L1Eviction::LeastUseful, L1Eviction::RejectNew];

fn key(number: usize) -> PartitionKey {
    PartitionKey::Account(HomeAccountId::new(format!("user{number}.tenant")))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn put(l1: &L1, number: usize, bytes: usize, now: Timestamp) {
    l1.put(&key(number), Arc::default(), None, bytes, now);
}

fn has(l1: &L1, number: usize, now: Timestamp) -> bool {
    l1.get(key(number).borrowed(), now).is_some()
}

#[test]
fn it_never_holds_more_bytes_than_its_limit_and_counts_what_it_lets_go() {
    let limit = 100 * OVERHEAD_BYTES;
    let l1 = L1::new(limit, L1Eviction::LeastUseful);
    for number in 0..1_000 {
        put(&l1, number, 0, at(0));
        assert!(l1.stats().bytes <= limit);
    }
    let stats = l1.stats();
    assert!(stats.entries > 50, "{stats:?}");
    assert_eq!(stats.entries + stats.evictions, 1_000);
}

#[test]
fn a_replaced_partition_is_no_eviction_and_one_too_heavy_is() {
    let l1 = L1::new(10 * OVERHEAD_BYTES, L1Eviction::LeastUseful);
    for _ in 0..5 {
        put(&l1, 0, 0, at(0));
    }
    assert_eq!((l1.stats().entries, l1.stats().evictions), (1, 0));
    let small = L1::new(OVERHEAD_BYTES - 1, L1Eviction::LeastUseful);
    put(&small, 0, 0, at(0));
    assert_eq!((small.stats().entries, small.stats().evictions), (0, 1));
}

#[test]
fn a8_msal_nets_l1_rejects_what_does_not_fit_and_compacts_to_95_percent() {
    let l1 = L1::new(1_000, L1Eviction::RejectNew);
    for number in 0..10 {
        put(&l1, number, 100, at(number.try_into().unwrap()));
    }
    assert_eq!(l1.stats().bytes, 1_000, "payload alone counts");
    assert!(has(&l1, 0, at(20)), "used again");
    put(&l1, 10, 100, at(30));
    assert!(
        !has(&l1, 10, at(30)),
        "the newest is the one that is rejected"
    );
    assert!(!has(&l1, 1, at(30)), "the least recently used made room");
    assert!(has(&l1, 0, at(30)));
    let stats = l1.stats();
    assert_eq!((stats.bytes, stats.rejected, stats.evictions), (900, 1, 2));
    put(&l1, 2, 2_000, at(40));
    assert!(!has(&l1, 2, at(40)), "what was under its key went as well");
}

#[test]
fn an_entry_is_gone_at_its_time_and_one_that_is_late_is_not_let_in() {
    for eviction in BOTH {
        let l1 = L1::new(1_000_000, eviction);
        let end = at(100);
        l1.put(&key(0), Arc::default(), Some(end), 10, at(0));
        assert!(has(&l1, 0, at(99)));
        assert!(!has(&l1, 0, end));
        let stats = l1.stats();
        assert_eq!((stats.entries, stats.bytes, stats.expired), (0, 0, 1));
        put(&l1, 0, 10, at(0));
        l1.put(&key(0), Arc::default(), Some(end), 10, end);
        assert!(!has(&l1, 0, at(0)), "nor is what it was to replace kept");
    }
}

#[test]
fn a_limit_of_nothing_holds_nothing() {
    for eviction in BOTH {
        let l1 = L1::new(1, eviction);
        put(&l1, 0, 10, at(0));
        assert!(!has(&l1, 0, at(0)), "{eviction:?}");
    }
}

#[test]
fn keys_that_look_alike_are_apart() {
    let application =
        |client: &str, tenant: &str, key_id: Option<&str>| PartitionKey::Application {
            client_id: client.into(),
            tenant_id: tenant.into(),
            key_id: key_id.map(Into::into),
            components: None,
        };
    let keys = [
        application("a_b", "c", None),
        application("a", "b_c", None),
        application("b", "c", Some("a_")),
        application("A_b", "c", None),
        PartitionKey::Assertion(crate::AssertionHash::of_session("x")),
        PartitionKey::Account(HomeAccountId::new("x")),
    ];
    for eviction in BOTH {
        let l1 = L1::new(1_000_000, eviction);
        for (number, key) in keys.iter().enumerate() {
            assert!(l1.get(key.borrowed(), at(0)).is_none(), "{key}");
            l1.put(key, Arc::default(), None, 1, at(0));
            assert_eq!(l1.stats().entries, number as u64 + 1);
        }
        l1.remove(&keys[0]);
        assert!(l1.get(keys[0].borrowed(), at(0)).is_none());
        assert!(l1.get(keys[1].borrowed(), at(0)).is_some());
    }
}

#[test]
fn the_same_operations_evict_the_same_entries() {
    let left = || -> Vec<usize> {
        let l1 = L1::new(50 * OVERHEAD_BYTES, L1Eviction::LeastUseful);
        for number in 0..500 {
            put(&l1, number % 173, 0, at(0));
            has(&l1, number % 7, at(0));
        }
        (0..173).filter(|&number| has(&l1, number, at(0))).collect()
    };
    assert_eq!(left(), left());
}

/// A partition with so many access tokens.
fn partition(tokens: usize) -> Arc<Partition> {
    let entry = |number| {
        format!(
            r#""{number}":{{"environment":"e","client_id":"c","secret":"s","realm":"t","target":"api{number}","cached_at":"1","expires_on":"2"}}"#
        )
    };
    let entries: Vec<_> = (0..tokens).map(entry).collect();
    let blob = format!(
        r#"{{"AccessToken":{{{}}},"AppMetadata":{{"k":{{"environment":"e","client_id":"c"}}}}}}"#,
        entries.join(",")
    );
    Arc::new(crate::schema::read(blob.as_bytes()).unwrap())
}

#[test]
fn kinds_are_counted_as_partitions_come_and_go_in_whatever_way() {
    for eviction in BOTH {
        let l1 = L1::new(40 * OVERHEAD_BYTES, eviction);
        for step in 0..1_000_usize {
            let (number, now) = (step * 7 % 60, at(step.try_into().unwrap()));
            let end = (step % 5 == 0).then(|| now.plus(std::time::Duration::from_secs(20)));
            let bytes = if step % 97 == 0 { 1_000_000 } else { 700 };
            l1.put(&key(number), partition(step % 4), end, bytes, now);
            if step % 6 == 0 {
                l1.remove(&key(step % 11));
            }
            has(&l1, step % 13, now);
            let mut expected = KindSizes::default();
            for held in l1.partitions() {
                let kinds = KindSizes::of(&held);
                for (sum, one) in [
                    (&mut expected.access_token, kinds.access_token),
                    (&mut expected.other, kinds.other),
                ] {
                    sum.entries += one.entries;
                    sum.bytes += one.bytes;
                }
            }
            assert_eq!(l1.kinds(), expected, "{eviction:?}, step {step}");
        }
        let stats = l1.stats();
        assert!(
            stats.evictions > 0 && stats.expired > 0 && stats.removed > 0 && stats.replaced > 0,
            "{stats:?}"
        );
    }
}

#[test]
fn an_l1_filled_with_what_another_held_answers_as_that_one_does() {
    let plain = PartitionKey::application("client", "tenant");
    let bound = |key_id: Option<&str>, components: Option<&str>| PartitionKey::Application {
        client_id: "client".into(),
        // As long as the mark of a part that is not there looks, were it a length.
        tenant_id: "t".repeat(255).into(),
        key_id: key_id.map(Into::into),
        components: components.map(Into::into),
    };
    let keys = [
        plain,
        bound(None, None),
        bound(Some("key"), None),
        bound(None, Some("components")),
        bound(Some("key"), Some("components")),
        bound(Some(&"k".repeat(255)), None),
        PartitionKey::Assertion(crate::key::AssertionHash::of("assertion")),
        key(7),
    ];
    for eviction in BOTH {
        let (first, second) = (L1::new(1_000_000, eviction), L1::new(1_000_000, eviction));
        for (key, bytes) in keys.iter().zip(100..) {
            first.put(key, Arc::default(), Some(at(50)), bytes, at(0));
        }
        first.put(&key(8), Arc::default(), Some(at(5)), 1, at(0));
        for entry in first.contents(at(10)) {
            second.put(
                &entry.key,
                entry.partition,
                entry.expires_at,
                entry.payload_bytes,
                at(10),
            );
        }
        for key in &keys {
            assert!(second.get(key.borrowed(), at(49)).is_some(), "{key:?}");
        }
        let stats = second.stats();
        assert_eq!(stats.entries, 8, "what had ended stayed behind");
        assert!(second.get(key(8).borrowed(), at(10)).is_none());
        assert!(second.get(keys[0].borrowed(), at(50)).is_none());
        let weighs: usize = first
            .contents(at(10))
            .iter()
            .map(|entry| entry.payload_bytes)
            .sum();
        assert_eq!(weighs, (100..108).sum::<usize>());
    }
}

/// What each of a million partitions is made of, apart from its text. The budget is
/// on the process's memory, which the bench of `token-client` measures; this says
/// at once which of them grew.
#[cfg(target_pointer_width = "64")]
#[test]
fn what_every_partition_is_made_of_does_not_grow_unnoticed() {
    let sizes = [
        ("slot", size_of::<Slot>(), 16),
        ("what a slot leads to", size_of::<Held>(), 216),
        ("partition", size_of::<Partition>(), 120),
        ("access token", size_of::<AccessToken>(), 256),
    ];
    for (what, bytes, most) in sizes {
        assert!(bytes <= most, "{what}: {bytes} bytes");
    }
}
