//! Managed identities, whose provider is in this process.

use std::time::Duration;

use futures_util::future::join_all;
use token_cache::{Policy, Scopes};
use token_client::{AcquireRequest, Flow, ManagedIdentityId, TokenSource};

use crate::lab::{HOUR, LATENCY, Lab, PRESETS, forced, how, sha256};

pub(crate) fn machine(id: ManagedIdentityId) -> AcquireRequest {
    AcquireRequest::new(
        Flow::ManagedIdentity(id),
        "".into(),
        Scopes::parse("https://vault.azure.net"),
    )
}

#[tokio::test(start_paused = true)]
async fn k1_a_managed_identity_has_a_partition_whatever_the_tenant() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client
        .acquire(&machine(ManagedIdentityId::SystemAssigned))
        .await
        .unwrap();
    let user_assigned = ManagedIdentityId::ClientId("7a2e".into());
    client.acquire(&machine(user_assigned)).await.unwrap();
    for key in [
        "system_assigned_managed_identity_managed_identity_AppTokenCache",
        "7a2e_managed_identity_AppTokenCache",
    ] {
        let blob = token_cache::store::Store::get(&*lab.store, key)
            .await
            .unwrap();
        assert!(blob.is_some(), "{key}");
    }
    assert_eq!(lab.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn p5_a_managed_identitys_token_without_advice_is_refreshed_at_half_its_life() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.expires_in.lock() = 24 * HOUR;
    let client = lab.instance();
    let request = machine(ManagedIdentityId::SystemAssigned);
    let result = client.acquire(&request).await.unwrap();
    let advice = result.metadata.refresh_on.unwrap();
    let life = advice.since(lab.clock.now());
    let half = 12 * HOUR;
    let rounded = half.saturating_sub(Duration::from_secs(2))..=half;
    assert!(rounded.contains(&life), "{life:?}");
    *lab.provider.expires_in.lock() = 2 * HOUR;
    let result = client.acquire(&forced(request)).await.unwrap();
    assert_eq!(result.metadata.refresh_on, None);
}

#[tokio::test(start_paused = true)]
async fn p6_managed_identities_take_turns_and_who_finds_a_token_takes_it() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let request = machine(ManagedIdentityId::SystemAssigned);
        let results = join_all((0..10).map(|_| client.acquire(&request))).await;
        assert_eq!(lab.provider.count(), 1, "{policy:?}");
        let from_cache = results
            .iter()
            .filter(|result| result.as_ref().unwrap().metadata.token_source == TokenSource::Cache);
        assert_eq!(from_cache.count(), 9);
    }
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    let request = forced(machine(ManagedIdentityId::SystemAssigned));
    let began = tokio::time::Instant::now();
    join_all((0..10).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 10, "forced, each asks");
    assert_eq!(began.elapsed(), LATENCY * 10, "one after the other");
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_managed_identity_share_a_fetch_whatever_tenant_they_name() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let named = ["contoso.com", "fabrikam.com", ""].map(|tenant| AcquireRequest {
        tenant_id: tenant.into(),
        ..machine(ManagedIdentityId::SystemAssigned)
    });
    let results = join_all(named.iter().map(|request| client.acquire(request))).await;
    assert_eq!(lab.provider.count(), 1);
    let coalesced = results
        .iter()
        .filter(|result| result.as_ref().unwrap().metadata.coalesced);
    assert_eq!(coalesced.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_managed_identity_is_told_which_token_a_resource_refused() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let request = machine(ManagedIdentityId::SystemAssigned);
    let first = client.acquire(&request).await.unwrap();
    let claims = AcquireRequest {
        claims: Some("{}".into()),
        ..request
    };
    // Claims pass over the cached token, which is read only to be named.
    let result = client.acquire(&claims).await.unwrap();
    assert_eq!(how(&result), "idp force_refresh_or_claims");
    let named = lab.provider.requests.lock()[1].token_to_refresh.clone();
    assert_eq!(
        named.as_deref(),
        Some(&*sha256(first.token.secret.expose()))
    );
}
