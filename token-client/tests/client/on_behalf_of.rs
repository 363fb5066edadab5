//! Web APIs that act for their callers, also in long-running sessions.

use std::sync::Arc;
use std::time::Duration;

use token_cache::{Policy, Secret};
use token_client::{Flow, LongRunningSession, SearchInCache, UserAssertion};

use crate::lab::{
    HOUR, Lab, PRESETS, asking, begin, forced, how, in_session, on_behalf_of, silent,
};

#[tokio::test(start_paused = true)]
async fn k3_a_session_is_a_partition_and_an_empty_key_becomes_the_assertions_hash() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let named = begin("ann.1", "My Session", SearchInCache::No);
    assert_eq!(named.session().key(), "My Session");
    let result = client
        .acquire(&asking(Flow::InitiateLongRunning(named)))
        .await
        .unwrap();
    let hash = result.token.user_assertion_hash.as_ref().unwrap();
    assert_eq!(hash.as_str(), "My Session");
    let stored = token_cache::store::Store::get(&*lab.store, "My Session").await;
    assert!(stored.unwrap().is_some());
    let unnamed = begin("header.payload.signature", "", SearchInCache::No);
    assert_eq!(
        unnamed.session().key(),
        "JW0E205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y"
    );
}

#[tokio::test(start_paused = true)]
async fn r4_a_session_begins_without_a_look_at_the_cache_unless_it_is_to_search() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let error = client.acquire(&in_session("s")).await.unwrap_err();
        assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
        let first = asking(Flow::InitiateLongRunning(begin(
            "ann.1",
            "s",
            SearchInCache::No,
        )));
        // What is read is the save's own; what lies in the cache is not looked at.
        let of_save = match policy {
            Policy::MSAL_NET => ["get set", "refresh set"],
            _ => ["get set", "get set"],
        };
        for ops in of_save {
            lab.store.asked();
            let result = client.acquire(&first).await.unwrap();
            assert_eq!(how(&result), "idp not_applicable", "each time");
            assert_eq!(lab.store.asked(), ops, "{policy:?}");
        }
        let searching = asking(Flow::InitiateLongRunning(begin(
            "ann.1",
            "s",
            SearchInCache::Yes,
        )));
        let result = client.acquire(&searching).await.unwrap();
        assert_eq!(how(&result), "l1 not_applicable");
        let result = client.acquire(&in_session("s")).await.unwrap();
        assert_eq!(how(&result), "l1 not_applicable");
        assert_eq!(lab.provider.grants(), "on_behalf_of on_behalf_of");
        // Long after the assertion has ended, the refresh token goes on.
        tokio::time::advance(HOUR).await;
        let result = client.acquire(&in_session("s")).await.unwrap();
        assert_eq!(how(&result), "idp expired", "{policy:?}");
        let result = client.acquire(&forced(in_session("s"))).await.unwrap();
        assert_eq!(how(&result), "idp force_refresh_or_claims");
        assert_eq!(lab.provider.grants(), "refresh_token refresh_token");
        let session = LongRunningSession::new("s");
        assert!(client.stop_long_running(&session).await.unwrap());
        assert!(!client.stop_long_running(&session).await.unwrap());
        let error = client.acquire(&in_session("s")).await.unwrap_err();
        assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_plain_on_behalf_of_call_keeps_no_refresh_token_and_a_session_does() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    let hash = UserAssertion::new(Secret::new("ann.1")).hash().clone();
    let has = |text: String, what: &str| text.contains(what);
    let blob = |key: String| {
        let store = Arc::clone(&lab.store);
        async move {
            let blob = token_cache::store::Store::get(&*store, &key).await.unwrap();
            String::from_utf8(blob.unwrap().to_vec()).unwrap()
        }
    };
    assert!(has(
        blob(hash.as_str().to_owned()).await,
        r#""RefreshToken":{}"#
    ));
    let first = begin("ann.2", "s", SearchInCache::No);
    client
        .acquire(&asking(Flow::InitiateLongRunning(first)))
        .await
        .unwrap();
    assert!(has(
        blob("s".to_owned()).await,
        r#""credential_type":"RefreshToken""#
    ));
}

#[tokio::test(start_paused = true)]
async fn k8_each_assertion_has_tokens_of_its_own_and_no_refresh_token_is_kept() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let first = client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    assert_eq!(how(&first), "idp no_cached_access_token");
    assert_eq!(
        how(&client.acquire(&on_behalf_of("ann.1")).await.unwrap()),
        "l1 not_applicable"
    );
    let second = client.acquire(&on_behalf_of("ann.2")).await.unwrap();
    assert_eq!(how(&second), "idp no_cached_access_token");
    assert_ne!(first.token.secret, second.token.secret);
    assert_eq!(lab.provider.grants(), "on_behalf_of on_behalf_of");
    let error = client.acquire(&silent("ann.home")).await.unwrap_err();
    assert_eq!(error.code(), "no_tokens_found");
    // The hash is in no item's key: two in one blob would be one, the later.
    for (assertion, own, other) in [("ann.1", &first, &second), ("ann.2", &second, &first)] {
        let hash = UserAssertion::new(Secret::new(assertion)).hash().clone();
        let blob = token_cache::store::Store::get(&*lab.store, hash.as_str()).await;
        let blob = String::from_utf8(blob.unwrap().unwrap().to_vec()).unwrap();
        let has = |secret: &Secret| blob.contains(&format!("\"{}\"", secret.expose()));
        assert!(has(&own.token.secret), "{assertion}: {blob}");
        assert!(!has(&other.token.secret), "{assertion}: {blob}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_begins_a_session_does_not_share_the_failure_of_who_goes_on_in_it() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        let begins = begin("ann.1", "s", SearchInCache::Yes);
        let begins = asking(Flow::InitiateLongRunning(begins));
        let goes_on = in_session("s");
        // The first has looked and waits for L2 when the second comes.
        let (first, second) = tokio::join!(client.acquire(&goes_on), client.acquire(&begins));
        let error = first.unwrap_err();
        assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
        assert_eq!(
            how(&second.unwrap()),
            "idp no_cached_access_token",
            "{policy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_stopped_while_l2_is_down_is_gone_when_it_is_back() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let begins = begin("ann.1", "s", SearchInCache::No);
    let session = begins.session().clone();
    let begins = asking(Flow::InitiateLongRunning(begins));
    lab.instance().acquire(&begins).await.unwrap();
    *lab.store.down.lock() = true;
    let client = lab.instance();
    let was_seen = client.stop_long_running(&session).await.unwrap();
    assert!(!was_seen, "L2 does not say");
    tokio::time::sleep(HOUR / 60).await;
    *lab.store.down.lock() = false;
    assert_eq!(client.cache().flush().await, 0);
    let error = lab.instance().acquire(&in_session("s")).await.unwrap_err();
    assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
}
