//! What results say of how they came about.

use std::time::Duration;

use token_cache::policy::ExtendedLifetime;
use token_cache::{Policy, Scopes};
use token_client::{AcquireRequest, Flow, SearchInCache};

use crate::lab::{
    HOUR, Lab, asking, begin, by_code, for_client, forced, how, on_behalf_of, silent,
};

#[tokio::test(start_paused = true)]
async fn r6_the_result_names_the_endpoint_and_the_provider_hears_how_it_came_to_be_asked() {
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    let cold = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(cold.token_endpoint.as_deref(), Some("https://idp/t"));
    let warm = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(warm.token_endpoint, None);
    client.acquire(&by_code("ann")).await.unwrap();
    client.acquire(&forced(silent("ann.home"))).await.unwrap();
    client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    let first = begin("ann.1", "s", SearchInCache::No);
    client
        .acquire(&asking(Flow::InitiateLongRunning(first)))
        .await
        .unwrap();
    let requests = lab.provider.requests.lock();
    let headers: Vec<_> = requests
        .iter()
        .map(|sent| sent.telemetry.as_str())
        .collect();
    assert_eq!(headers[0], "5|1004,2,,,|1,0,1,,,");
    let begins: Vec<_> = headers.iter().map(|header| &header[..9]).collect();
    assert_eq!(
        begins,
        [
            "5|1004,2,",
            "5|1000,0,",
            "5|1007,1,",
            "5|1006,2,",
            "5|1017,0,"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_result_tells_of_advice_expiry_and_the_partition() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    let client = lab.instance();
    for scope in ["a", "b"] {
        let request = AcquireRequest {
            scopes: Scopes::parse(scope),
            ..for_client("t")
        };
        client.acquire(&request).await.unwrap();
    }
    let request = AcquireRequest {
        scopes: Scopes::parse("b"),
        ..for_client("t")
    };
    let metadata = client.acquire(&request).await.unwrap().metadata;
    assert_eq!(metadata.cached_access_token_count, 2);
    assert!(metadata.refresh_on.is_some() && metadata.expires_on.is_some());
    assert_eq!(metadata.api_id.map(|api| api as u16), Some(1004));
    assert!(!metadata.is_extended_lifetime);
}

#[tokio::test(start_paused = true)]
async fn l2_a_token_past_its_time_serves_up_to_its_extended_expiry_where_that_is_honoured() {
    for (extended_lifetime, expected) in [
        (ExtendedLifetime::Ignored, "idp expired"),
        (ExtendedLifetime::Honoured, "l1 not_applicable"),
    ] {
        let policy = Policy {
            extended_lifetime,
            ..Policy::RECOMMENDED
        };
        let lab = Lab::new(policy);
        *lab.provider.ext_expires_in.lock() = Some(2 * HOUR);
        let client = lab.instance();
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(Duration::from_secs(3_590)).await;
        let result = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&result), expected);
        let honoured = extended_lifetime == ExtendedLifetime::Honoured;
        assert_eq!(result.metadata.is_extended_lifetime, honoured);
    }
}
