//! Callers at once: who fetches, who waits, and what they share.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use token_cache::policy::HttpRetry;
use token_cache::{Policy, Scopes, TokenCache, TokenCacheOptions};
use token_client::{AcquireRequest, TokenSource};

use crate::lab::{LATENCY, Lab, for_client, how, on_behalf_of, unheard};

#[tokio::test(start_paused = true)]
async fn p6_cold_callers_share_one_fetch_where_the_policy_says_so() {
    for (policy, requests) in [(Policy::RECOMMENDED, 1), (Policy::MSAL_NET, 50)] {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let request = for_client("t");
        let results = join_all((0..50).map(|_| client.acquire(&request))).await;
        assert_eq!(lab.provider.count(), requests, "{policy:?}");
        let (mut accounted, mut from_provider, mut coalesced) = (0, 0, 0);
        for result in results {
            let metadata = result.unwrap().metadata;
            accounted += metadata.token_requests.answered as usize;
            from_provider += usize::from(metadata.token_source == TokenSource::IdentityProvider);
            coalesced += usize::from(metadata.coalesced);
            assert!(metadata.duration_total >= LATENCY);
        }
        assert_eq!(
            accounted, requests,
            "the results account for each request once"
        );
        assert_eq!(from_provider, requests);
        assert_eq!(coalesced, 50 - requests);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_whom_the_same_token_serves_share_a_fetch_whatever_their_words() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let plain = on_behalf_of("ann.1");
    let worded = AcquireRequest {
        scopes: plain.scopes.with(&Scopes::parse("openid Profile")),
        ..plain.clone()
    };
    let (first, second) = tokio::join!(client.acquire(&plain), client.acquire(&worded));
    assert_eq!(lab.provider.count(), 1);
    assert!(!first.unwrap().metadata.coalesced);
    assert!(second.unwrap().metadata.coalesced);
}

#[tokio::test(start_paused = true)]
async fn who_waited_is_served_from_the_cache_only_if_the_cache_holds_the_token() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let options = TokenCacheOptions {
        l1_size_limit_bytes: None,
        l2: None,
        ..lab.options()
    };
    let client = lab.client("client", options, unheard());
    let request = for_client("t");
    let results = join_all((0..10).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 1);
    let mut accounted = 0;
    for result in results {
        let result = result.unwrap();
        assert_eq!(
            how(&result),
            "idp no_cached_access_token",
            "no cache, no hit"
        );
        accounted += result.metadata.token_requests.answered;
    }
    assert_eq!(accounted, 1);
}

#[tokio::test(start_paused = true)]
async fn one_failure_is_one_request_for_all_who_waited() {
    let lab = Lab::new(Policy {
        http_retry: HttpRetry::Off,
        ..Policy::RECOMMENDED
    });
    lab.provider.fail(503, None);
    let client = lab.instance();
    let request = for_client("t");
    let results = join_all((0..20).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 1);
    let mut accounted = 0;
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "temporarily_unavailable");
        accounted += error.metadata().token_requests.answered;
    }
    assert_eq!(accounted, 1);
    *lab.provider.failing.lock() = None;
    assert!(
        client.acquire(&request).await.is_ok(),
        "a failure is not cached"
    );
}

/// As web applications have one for each session.
#[tokio::test(start_paused = true)]
async fn with_another_cache_a_client_fetches_for_itself_and_leaves_the_provider_alone_as_told() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let one = lab.instance();
    let other = one.with_cache(Arc::new(TokenCache::new(lab.options())));
    let request = for_client("t");
    let (first, second) = tokio::join!(one.acquire(&request), other.acquire(&request));
    assert_eq!(lab.provider.count(), 2);
    assert!(!first.unwrap().metadata.coalesced && !second.unwrap().metadata.coalesced);

    lab.provider.fail(429, Some(Duration::from_secs(60)));
    let request = for_client("u");
    one.acquire(&request).await.unwrap_err();
    other.acquire(&request).await.unwrap_err();
    assert_eq!(lab.provider.count(), 3, "the other knows when to come back");
}
