//! Signed-in users: codes, silent calls, refresh tokens, signing out.

use token_cache::{HomeAccountId, PartitionKey, Policy, Scopes, Secret};
use token_client::{AcquireRequest, Flow};

use crate::lab::{HOUR, Lab, PRESETS, asking, by_code, forced, how, silent};

#[tokio::test(start_paused = true)]
async fn r4_a_code_is_redeemed_without_a_look_at_the_cache_and_silent_calls_hit() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let signed_in = client.acquire(&by_code("ann")).await.unwrap();
    assert_eq!(how(&signed_in), "idp not_applicable");
    let account = signed_in.account.unwrap();
    assert_eq!(account.home_account_id.as_str(), "ann.home");
    assert_eq!(&*account.username, "ann");
    let quiet = client.acquire(&silent("ann.home")).await.unwrap();
    assert_eq!(how(&quiet), "l1 not_applicable");
    assert_eq!(quiet.account.as_deref(), Some(&*account));
    assert!(quiet.id_token.is_some());
    let elsewhere = lab.instance();
    assert_eq!(
        how(&elsewhere.acquire(&silent("ann.home")).await.unwrap()),
        "l2 not_applicable"
    );
    let sent = lab.provider.requests.lock()[0].scopes.target().to_owned();
    assert_eq!(sent, "offline_access openid profile User.Read");
    assert_eq!(lab.provider.grants(), "authorization_code");
}

#[tokio::test(start_paused = true)]
async fn l10_silent_uses_the_refresh_token_and_without_one_asks_for_the_user() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let error = client.acquire(&silent("ann.home")).await.unwrap_err();
    assert_eq!(error.code(), "no_tokens_found");
    assert!(error.needs_user());
    assert_eq!(lab.provider.count(), 0);
    client.acquire(&by_code("ann")).await.unwrap();
    tokio::time::advance(HOUR).await;
    let renewed = client.acquire(&silent("ann.home")).await.unwrap();
    assert_eq!(how(&renewed), "idp expired");
    assert_eq!(lab.provider.grants(), "authorization_code refresh_token");
    let error = client.acquire(&silent("bob.home")).await.unwrap_err();
    assert_eq!(
        error.code(),
        "no_tokens_found",
        "another user's tokens are no help"
    );
}

#[tokio::test(start_paused = true)]
async fn l10_silent_that_names_nobody_is_user_null() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let error = lab.instance().acquire(&silent("")).await.unwrap_err();
    assert_eq!(error.code(), "user_null");
    assert!(error.needs_user());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_from_elsewhere_signs_its_user_in() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let request = asking(Flow::RefreshToken(Secret::new("ann")));
    let result = client.acquire(&request).await.unwrap();
    assert_eq!(how(&result), "idp not_applicable");
    let quiet = AcquireRequest {
        scopes: Scopes::parse("api://b/read"),
        ..silent("ann.home")
    };
    assert_eq!(
        how(&client.acquire(&quiet).await.unwrap()),
        "l1 not_applicable"
    );
    assert_eq!(lab.provider.grants(), "refresh_token");
}

#[tokio::test(start_paused = true)]
async fn l9_silent_at_common_means_the_home_tenant() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let at = |request: AcquireRequest, tenant: &str| AcquireRequest {
        tenant_id: tenant.into(),
        ..request
    };
    client.acquire(&at(by_code("ann"), "home")).await.unwrap();
    let result = client
        .acquire(&at(silent("ann.home"), "common"))
        .await
        .unwrap();
    assert_eq!(how(&result), "l1 not_applicable");
    let result = client
        .acquire(&at(silent("ann.home"), "guest"))
        .await
        .unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
}

#[tokio::test(start_paused = true)]
async fn s8_signing_out_leaves_nothing_to_serve() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        let ann = HomeAccountId::new("ann.home");
        client.remove_account(&ann).await.unwrap();
        let error = client.acquire(&silent("ann.home")).await.unwrap_err();
        assert_eq!(error.code(), "no_tokens_found");
        let key = PartitionKey::Account(ann);
        let left = token_cache::store::Store::get(&*lab.store, &key.to_string()).await;
        assert!(left.unwrap().is_none(), "{policy:?}");
    }
}

/// As in MSAL.NET, and as `docs/stores.md` says: an L2 without the session may as well
/// have been restarted.
#[tokio::test(start_paused = true)]
async fn a_sign_out_is_undone_by_another_instance_that_still_has_the_session() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let (one, other) = (lab.instance(), lab.instance());
        one.acquire(&by_code("ann")).await.unwrap();
        other.acquire(&silent("ann.home")).await.unwrap();
        let ann = HomeAccountId::new("ann.home");
        one.remove_account(&ann).await.unwrap();
        let served = other.acquire(&silent("ann.home")).await.unwrap();
        assert_eq!(how(&served), "l1 not_applicable", "{policy:?}");
        assert!(lab.instance().acquire(&silent("ann.home")).await.is_err());
        other.acquire(&forced(silent("ann.home"))).await.unwrap();
        assert!(lab.instance().acquire(&silent("ann.home")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn another_users_answer_to_a_silent_request_is_neither_served_nor_stored() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        *lab.provider.confused_with.lock() = Some("eve".to_owned());
        let error = client
            .acquire(&forced(silent("ann.home")))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "user_mismatch");
        let result = client.acquire(&silent("ann.home")).await.unwrap();
        assert_eq!(result.token.home_account_id.as_deref(), Some("ann.home"));
    }
}
