//! What L2 missed, and how it gets there: by itself, each partition on its own, and
//! without undoing what others have stored meanwhile.

use std::sync::Arc;
use std::time::Duration;

use token_cache::policy::L2Write;
use token_cache::store::{MemoryStore, Store};
use token_cache::{
    HomeAccountId, Partition, PartitionKey, Policy, RefreshToken, Secret, TokenCache,
    TokenCacheOptions, TokenSet,
};

use crate::lab::{HOUR, Lab, key, save, tokens};

fn ann() -> PartitionKey {
    PartitionKey::Account(HomeAccountId::new("ann.home"))
}

/// What the provider answers ann: its `number`th access token and refresh token.
fn of_ann(lab: &Lab, scope: &str, number: u32) -> TokenSet {
    let TokenSet {
        access_token,
        app_metadata,
        ..
    } = lab.response(scope, HOUR);
    let mut access_token = Arc::unwrap_or_clone(access_token);
    access_token.home_account_id = Some("ann.home".into());
    access_token.secret = Secret::new(format!("at{number}"));
    let secret = Secret::new(format!("rt{number}"));
    let refresh_token = RefreshToken::new(
        "ann.home".into(),
        "login.windows.net".into(),
        "client".into(),
        None,
        secret,
    );
    TokenSet {
        access_token: Arc::new(access_token),
        refresh_token: Some(Arc::new(refresh_token)),
        id_token: None,
        account: None,
        app_metadata,
    }
}

async fn sign_out(cache: &TokenCache) {
    let change = |current: &Partition| current.remove_account(&HomeAccountId::new("ann.home"));
    cache
        .update(&ann(), change)
        .await
        .expect("a readable entry");
}

/// The secrets that L2 has of ann.
async fn in_l2(lab: &Lab) -> Vec<String> {
    let elsewhere = lab.instance(Policy::RECOMMENDED);
    let read = elsewhere.read(&ann()).await.expect("a readable entry");
    let Some(partition) = read.partition else {
        return Vec::new();
    };
    let access = partition.access_tokens().map(|token| &token.secret);
    let refresh = partition.refresh_tokens().map(|token| &token.secret);
    let secrets = access.chain(refresh);
    secrets.map(|secret| secret.expose().to_owned()).collect()
}

async fn later() {
    tokio::time::sleep(Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_late_gives_way_to_one_that_was_stored_since() {
    for (scope, left) in [
        ("api://a/read", vec!["at2", "rt2"]),
        // For other scopes both stay; the refresh token has been rotated since.
        ("api://b/read", vec!["at2", "at1", "rt2"]),
    ] {
        let lab = Lab::new();
        let [one, other] = [(); 2].map(|()| lab.instance(Policy::RECOMMENDED));
        *lab.store.down.lock() = true;
        save(&one, &ann(), of_ann(&lab, scope, 1)).await;
        *lab.store.down.lock() = false;
        later().await;
        save(&other, &ann(), of_ann(&lab, "api://a/read", 2)).await;
        assert_eq!(one.flush().await, 0);
        assert_eq!(in_l2(&lab).await, left, "{scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_late_replaces_one_that_was_stored_before_it() {
    let lab = Lab::new();
    let [one, other] = [(); 2].map(|()| lab.instance(Policy::RECOMMENDED));
    save(&other, &ann(), of_ann(&lab, "api://a/read", 1)).await;
    later().await;
    *lab.store.down.lock() = true;
    save(&one, &ann(), of_ann(&lab, "api://a/read", 2)).await;
    later().await;
    // Its own second one is put off as well, and is the newer of the two.
    save(&one, &ann(), of_ann(&lab, "api://b/read", 3)).await;
    *lab.store.down.lock() = false;
    later().await;
    assert_eq!(one.flush().await, 0);
    assert_eq!(in_l2(&lab).await, ["at2", "at3", "rt3"]);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_that_comes_late_spares_a_sign_in_since_and_nothing_else() {
    for signs_in_again in [true, false] {
        let lab = Lab::new();
        let [one, other] = [(); 2].map(|()| lab.instance(Policy::RECOMMENDED));
        save(&one, &ann(), of_ann(&lab, "api://a/read", 1)).await;
        save(&one, &ann(), of_ann(&lab, "api://b/read", 1)).await;
        later().await;
        *lab.store.down.lock() = true;
        sign_out(&one).await;
        *lab.store.down.lock() = false;
        later().await;
        if signs_in_again {
            save(&other, &ann(), of_ann(&lab, "api://a/read", 2)).await;
        }
        assert_eq!(one.flush().await, 0);
        let expected: &[&str] = if signs_in_again { &["at2", "rt2"] } else { &[] };
        assert_eq!(in_l2(&lab).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_l2_missed_follows_whatever_it_takes_next() {
    let detached = Policy {
        l2_write: L2Write::Detached,
        ..Policy::RECOMMENDED
    };
    for (policy, next) in [
        (Policy::RECOMMENDED, "read"),
        (Policy::RECOMMENDED, "write"),
        (detached, "write"),
        (Policy::RECOMMENDED, "removal"),
    ] {
        let lab = Lab::new();
        let cache = lab.instance(policy);
        save(&cache, &ann(), of_ann(&lab, "api://a/read", 1)).await;
        later().await;
        *lab.store.down.lock() = true;
        sign_out(&cache).await;
        later().await;
        *lab.store.down.lock() = false;
        assert!(!in_l2(&lab).await.is_empty(), "{next}: L2 missed it");
        match next {
            "read" => drop(cache.read(&key()).await),
            "write" => lab.put(&cache, "A", HOUR).await,
            _ => cache.remove(&key()).await,
        }
        later().await;
        assert_eq!(cache.unsaved_changes(), 0, "{next}");
        assert_eq!(in_l2(&lab).await, [""; 0], "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_given_up_while_others_have_their_turn_is_made_up_for() {
    for waits in 0..70 {
        let lab = Lab::new();
        let cache = lab.instance(Policy::RECOMMENDED);
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        let first = lab.put(&cache, "A", HOUR);
        let second = tokio::time::timeout(Duration::from_millis(waits), lab.put(&cache, "B", HOUR));
        // The second waits for the first, and is given up at each millisecond.
        let ((), _) = tokio::join!(first, second);
        assert_eq!(cache.flush().await, 0, "after {waits} ms");
        let count = tokens(&lab.instance(Policy::RECOMMENDED)).await.1;
        assert_eq!(count, 2, "after {waits} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_write_that_is_cancelled_before_it_begins_is_made_up_for() {
    let lab = Lab::new();
    let cache = lab.instance(Policy {
        l2_write: L2Write::Detached,
        ..Policy::RECOMMENDED
    });
    let updated = lab.change(&cache, "A", HOUR).await;
    updated.l2_write.expect("on its way").cancel();
    later().await;
    assert_eq!(cache.unsaved_changes(), 1);
    assert_eq!(cache.flush().await, 0);
    assert_eq!(tokens(&lab.instance(Policy::RECOMMENDED)).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_l2_never_takes_stops_no_other() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    *lab.store.refused.lock() = Some("AppTokenCache");
    *lab.store.down.lock() = true;
    // In the order of their keys the application's comes behind ann's and bob's and
    // before zoe's.
    lab.put(&cache, "A", HOUR).await;
    for name in ["ann", "bob", "zoe"] {
        let id = HomeAccountId::new(format!("{name}.home"));
        save(
            &cache,
            &PartitionKey::Account(id),
            of_ann(&lab, "api://a/read", 1),
        )
        .await;
    }
    *lab.store.down.lock() = false;
    // The breaker closes.
    later().await;
    assert_eq!(cache.unsaved_changes(), 4);
    for _ in 0..2 {
        assert_eq!(cache.flush().await, 1, "the one that is refused");
    }
    *lab.store.refused.lock() = None;
    assert_eq!(cache.flush().await, 0);
}

#[tokio::test(start_paused = true)]
async fn where_l2_takes_nothing_a_flush_that_nobody_asked_for_ends_soon_and_others_go_on() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    *lab.store.down.lock() = true;
    for number in 0..20 {
        let key = PartitionKey::application("client", format!("tenant{number:02}"));
        save(&cache, &key, lab.response("A", HOUR)).await;
    }
    later().await;
    *lab.store.down.lock() = false;
    *lab.store.refused.lock() = Some("tenant0");
    lab.store.asked();
    let _ = tokens(&cache).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let sets = lab.store.asked().matches("set").count();
    assert!(
        (4..=8).contains(&sets),
        "{sets}: four refused, each tried twice at most"
    );
    assert_eq!(cache.unsaved_changes(), 20);
    for _ in 0..3 {
        let _ = tokens(&cache).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(cache.unsaved_changes(), 10, "those that L2 takes are there");
}

#[tokio::test(start_paused = true)]
async fn what_a_full_store_did_not_take_is_not_forgotten_and_what_it_has_stays() {
    let lab = Lab::new();
    let size = async |scope: &str| {
        let measured = Arc::new(MemoryStore::new(1_000_000, lab.clock));
        let cache = over(&lab, &measured);
        save(&cache, &ann(), of_ann(&lab, scope, 1)).await;
        measured.stats().bytes
    };
    let (one, two) = (
        size("api://a/read").await,
        size(&"api://long/".repeat(200)).await,
    );
    let store = Arc::new(MemoryStore::new(one + two / 2, lab.clock));
    let cache = over(&lab, &store);
    save(&cache, &ann(), of_ann(&lab, "api://a/read", 1)).await;
    assert_eq!(cache.unsaved_changes(), 0);
    save(&cache, &ann(), of_ann(&lab, &"api://long/".repeat(200), 2)).await;
    assert_eq!(cache.unsaved_changes(), 1);
    let kept = over(&lab, &store).read(&ann()).await.unwrap().partition;
    assert_eq!(kept.unwrap().access_token_count(), 1);
    assert_eq!(cache.flush().await, 1);
}

fn over(lab: &Lab, store: &Arc<MemoryStore>) -> TokenCache {
    TokenCache::new(TokenCacheOptions {
        l2: Some(Arc::clone(store) as Arc<dyn Store>),
        ..lab.options(Policy::RECOMMENDED)
    })
}
