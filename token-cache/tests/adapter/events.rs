//! What the adapter itself tells its listener, when things go well and when they
//! do not.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use token_cache::events::{BlobDirection, Operation};
use token_cache::policy::L2Guard;
use token_cache::store::{Expiration, Store};
use token_cache::{
    CacheError, CacheEvents, L2Operation, Policy, StoreError, TokenCache, TokenCacheOptions,
};

use crate::lab::{HOUR, Lab, key, tokens};

/// Keeps every event as words.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn note(&self, words: impl Into<String>) {
        self.0.lock().push(words.into());
    }

    /// What was heard since the last time, but for what L1 says.
    fn of_l2(&self) -> Vec<String> {
        let mut heard = std::mem::take(&mut *self.0.lock());
        heard.retain(|words| !words.starts_with("l1"));
        heard
    }
}

impl CacheEvents for Heard {
    fn operation(&self, operation: Operation) {
        let Operation {
            level,
            operation,
            outcome,
            ..
        } = operation;
        let words = [level.as_str(), operation.as_str(), outcome.as_str()];
        self.note(words.join(" "));
    }
    fn blob(&self, direction: BlobDirection, bytes: usize) {
        assert!(bytes > 0);
        self.note(direction.as_str());
    }
    fn l2_failed(&self, operation: L2Operation, error: &StoreError) {
        self.note(format!("failed {} {:?}", operation.as_str(), error.kind));
    }
    fn l2_rests(&self, rests: bool) {
        self.note(if rests { "rests" } else { "asked again" });
    }
    fn l2_write_deferred(&self) {
        self.note("deferred");
    }
    fn l2_write_settled(&self) {
        self.note("settled");
    }
    fn l2_write_lost(&self) {
        self.note("lost");
    }
    fn undecodable(&self, error: &CacheError) {
        let text = error.to_string();
        let code = text.split(':').next().unwrap_or_default();
        self.note(format!("undecodable {code}"));
    }
}

fn listened(lab: &Lab, policy: Policy) -> (TokenCache, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let cache = TokenCache::new(TokenCacheOptions {
        events: Arc::clone(&heard) as _,
        ..lab.options(policy)
    });
    (cache, heard)
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_operations_and_blobs() {
    let lab = Lab::new();
    let (cache, heard) = listened(&lab, Policy::RECOMMENDED);
    tokens(&cache).await;
    lab.put(&cache, "A", HOUR).await;
    tokens(&cache).await;
    cache.remove(&key()).await;
    assert_eq!(
        *heard.0.lock(),
        [
            "l1 get miss",
            "l2 get miss",
            "l2 get miss",
            "l1 set ok",
            "write",
            "l2 set ok",
            "l1 get hit",
            "l1 remove ok",
            "l2 remove ok"
        ]
    );
    let stats = cache.l1_stats().unwrap();
    assert_eq!(
        (stats.removed, stats.capacity_bytes),
        (1, 500 * 1024 * 1024)
    );
    lab.put(&cache, "A", HOUR).await;
    let kinds = cache.l1_kinds();
    assert_eq!((kinds.access_token.entries, kinds.other.entries), (1, 1));
    assert!(kinds.access_token.bytes > 0);
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_of_each_try_that_failed() {
    let table: [(Policy, &[&str]); 2] = [
        (Policy::MSAL_NET, &["l2 get error", "failed get Failed"]),
        (
            Policy::RECOMMENDED,
            &[
                "l2 get error",
                "failed get Failed",
                "l2 get error",
                "failed get Failed",
            ],
        ),
    ];
    for (policy, expected) in table {
        let lab = Lab::new();
        let (cache, heard) = listened(&lab, policy);
        *lab.store.down.lock() = true;
        tokens(&cache).await;
        assert_eq!(heard.of_l2(), expected, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_that_l2_took_too_long_is_left_alone_and_is_asked_again() {
    let L2Guard::TimeoutAndBreaker { failures, rest, .. } = Policy::RECOMMENDED.l2_guard else {
        panic!("recommended guards L2");
    };
    let lab = Lab::new();
    let (cache, heard) = listened(&lab, Policy::RECOMMENDED);
    *lab.store.round_trip.lock() = Duration::from_secs(60);
    let timed_out = ["l2 get timeout", "failed get TimedOut"];
    for _ in 1..failures {
        tokens(&cache).await;
        assert_eq!(heard.of_l2(), timed_out);
    }
    tokens(&cache).await;
    assert_eq!(heard.of_l2(), [&timed_out[..], &["rests"]].concat());
    tokens(&cache).await;
    // No operation: nothing was asked.
    assert_eq!(heard.of_l2(), ["failed get NotAsked"]);
    *lab.store.round_trip.lock() = Duration::ZERO;
    tokio::time::advance(rest).await;
    tokens(&cache).await;
    assert_eq!(heard.of_l2(), ["l2 get miss", "asked again"]);
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_of_a_write_that_comes_late_and_of_its_arrival() {
    let lab = Lab::new();
    let (cache, heard) = listened(&lab, Policy::RECOMMENDED);
    *lab.store.down.lock() = true;
    lab.put(&cache, "A", HOUR).await;
    assert_eq!(heard.of_l2().last().unwrap(), "deferred");
    *lab.store.down.lock() = false;
    assert_eq!(cache.flush().await, 0);
    assert_eq!(
        heard.of_l2(),
        ["l2 get miss", "write", "l2 set ok", "settled"]
    );
    // One that arrives at once was never deferred.
    lab.put(&cache, "B", HOUR).await;
    assert_eq!(heard.of_l2(), ["l2 get hit", "read", "write", "l2 set ok"]);
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_of_changes_given_up_where_l2_misses_too_many() {
    let lab = Lab::new();
    let (cache, heard) = listened(&lab, Policy::RECOMMENDED);
    *lab.store.down.lock() = true;
    for _ in 0..1_026 {
        lab.put(&cache, "A", HOUR).await;
    }
    let heard = heard.of_l2();
    let count = |wanted: &str| heard.iter().filter(|words| *words == wanted).count();
    assert_eq!((count("deferred"), count("lost")), (1_026, 2));
    assert_eq!(cache.unsaved_changes(), 1_024);
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_that_another_writer_came_between_and_of_the_next_try() {
    let lab = Lab::new();
    let (cache, heard) = listened(&lab, Policy::RECOMMENDED);
    let (other, _) = listened(&lab, Policy::RECOMMENDED);
    *lab.store.round_trip.lock() = Duration::from_millis(10);
    // The other one has read before and writes first.
    let late = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        lab.put(&cache, "B", HOUR).await;
    };
    futures_util::future::join(lab.put(&other, "A", HOUR), late).await;
    assert_eq!(
        heard.of_l2(),
        [
            "l2 get miss",
            "write",
            "l2 set conflict",
            "l2 get hit",
            "read",
            "write",
            "l2 set ok"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_listener_hears_of_a_blob_that_cannot_be_read_in_both_presets() {
    for policy in [Policy::MSAL_NET, Policy::RECOMMENDED] {
        let lab = Lab::new();
        let name = "client_tenant_AppTokenCache";
        let garbage = b"garbage".to_vec().into();
        let set = lab.store.store.set(name, garbage, Expiration::default());
        set.await.unwrap();
        let (cache, heard) = listened(&lab, policy);
        let read = cache.read(&key()).await;
        assert_eq!(read.is_err(), policy == Policy::MSAL_NET);
        assert_eq!(
            heard.of_l2(),
            ["l2 get hit", "read", "undecodable json_parse_failed"]
        );
    }
}
