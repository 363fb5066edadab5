//! Tokens replaced behind their callers' backs.

use std::time::Duration;

use futures_util::future::join_all;
use token_cache::Policy;
use token_cache::policy::HttpRetry;
use token_client::result::TokenRequests;
use tokio::time::sleep;

use crate::lab::{HOUR, LATENCY, Lab, for_client, how};

/// The provider's advice is to refresh after half an hour.
fn advising(policy: Policy) -> Lab {
    let lab = Lab::new(policy);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    lab
}

#[tokio::test(start_paused = true)]
async fn p2_past_the_advice_the_old_token_is_served_and_the_next_call_has_the_new_one() {
    for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
        let lab = advising(policy);
        let client = lab.instance();
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(Duration::from_secs(1_499)).await;
        assert_eq!(
            how(&client.acquire(&for_client("t")).await.unwrap()),
            "l1 not_applicable"
        );
        // Five minutes after the advice, every jitter has passed.
        tokio::time::advance(Duration::from_secs(602)).await;
        let served = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&served), "l1 proactively_refreshed", "{policy:?}");
        assert_eq!(served.token.secret.expose(), "token 1");
        assert_eq!(served.metadata.token_requests, TokenRequests::default());
        sleep(LATENCY * 2).await;
        let next = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&next), "l1 not_applicable");
        assert_eq!(next.token.secret.expose(), "token 2");
        assert_eq!(lab.provider.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_failed_refresh_does_not_touch_the_caller() {
    let lab = advising(Policy {
        http_retry: HttpRetry::Off,
        ..Policy::RECOMMENDED
    });
    let client = lab.instance();
    client.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    lab.provider.fail(503, None);
    for _ in 0..3 {
        let served = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&served), "l1 proactively_refreshed");
        sleep(LATENCY * 2).await;
    }
    assert_eq!(lab.provider.count(), 4, "each try is a request of its own");
}

#[tokio::test(start_paused = true)]
async fn p4_callers_who_notice_at_once_refresh_once_where_the_policy_says_so() {
    for (policy, refreshes) in [(Policy::RECOMMENDED, 1), (Policy::MSAL_NET, 50)] {
        let lab = advising(policy);
        let client = lab.instance();
        let request = for_client("t");
        client.acquire(&request).await.unwrap();
        tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
        let results = join_all((0..50).map(|_| client.acquire(&request))).await;
        assert!(
            results
                .iter()
                .all(|result| how(result.as_ref().unwrap()) == "l1 proactively_refreshed")
        );
        sleep(LATENCY * 2).await;
        assert_eq!(lab.provider.count(), 1 + refreshes, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_would_refresh_takes_the_token_another_has_just_got() {
    let lab = advising(Policy::RECOMMENDED);
    let (one, two) = (lab.instance(), lab.instance());
    one.acquire(&for_client("t")).await.unwrap();
    two.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    one.acquire(&for_client("t")).await.unwrap();
    sleep(LATENCY * 2).await;
    assert_eq!(
        how(&two.acquire(&for_client("t")).await.unwrap()),
        "l1 proactively_refreshed"
    );
    sleep(LATENCY * 2).await;
    let next = two.acquire(&for_client("t")).await.unwrap();
    assert_eq!(next.token.secret.expose(), "token 2");
    assert_eq!(lab.provider.count(), 2, "one refresh for both");
}

/// Checklist P1, on the clock: the share of calls that refresh.
#[tokio::test(start_paused = true)]
async fn p1_msal_net_draws_at_every_call_and_recommended_once_for_a_token() {
    let lab = advising(Policy::MSAL_NET);
    *lab.provider.failing.lock() = None;
    let client = lab.instance();
    let request = for_client("t");
    client.acquire(&request).await.unwrap();
    lab.provider.fail(503, None);
    tokio::time::advance(HOUR / 2).await;
    let mut refreshed = 0;
    for _ in 0..1_000 {
        refreshed +=
            u32::from(how(&client.acquire(&request).await.unwrap()) == "l1 proactively_refreshed");
    }
    assert!(
        (400..600).contains(&refreshed),
        "half of them at the advice: {refreshed}"
    );

    let lab = advising(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&request).await.unwrap();
    lab.provider.fail(503, None);
    tokio::time::advance(HOUR / 2).await;
    let first = how(&client.acquire(&request).await.unwrap());
    for _ in 0..50 {
        assert_eq!(how(&client.acquire(&request).await.unwrap()), first);
    }
}
