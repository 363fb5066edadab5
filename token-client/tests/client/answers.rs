//! What an answer of the provider is stored as: MSAL's rules of a save, section 1.6 of
//! `shared/reference/token-cache.md`.

use token_cache::store::Store;
use token_cache::{HomeAccountId, PartitionKey, Policy, Scopes};
use token_client::{AcquireRequest, Client};

use crate::lab::{HOUR, Lab, PRESETS, by_code, forced, how, silent};

/// A silent request for another API.
fn for_other(request: AcquireRequest) -> AcquireRequest {
    AcquireRequest {
        scopes: Scopes::parse("api://other/read"),
        ..request
    }
}

fn at(tenant: &str, request: AcquireRequest) -> AcquireRequest {
    AcquireRequest {
        tenant_id: tenant.into(),
        ..request
    }
}

async fn outcome(client: &Client, request: &AcquireRequest) -> String {
    match client.acquire(request).await {
        Ok(result) => how(&result),
        Err(error) => error.code().to_owned(),
    }
}

/// Whether the store has anything of an account.
async fn is_stored(lab: &Lab, account: &str) -> bool {
    let key = PartitionKey::Account(HomeAccountId::new(account)).to_string();
    lab.store.get(&key).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn at_common_a_token_is_of_the_tenant_that_the_id_token_names() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        *lab.provider.claims.lock() = Some(r#"{"sub":"s","oid":"o","tid":"contoso"}"#);
        let result = client.acquire(&at("common", by_code("ann"))).await.unwrap();
        assert_eq!(&*result.token.realm, "contoso");
        let account = result.account.unwrap();
        assert_eq!(&*account.realm, "contoso");
        assert_eq!(account.local_account_id.as_deref(), Some("o"));
        assert_eq!(&*result.id_token.unwrap().realm, "contoso");
        let quiet = at("contoso", silent("ann.home"));
        assert_eq!(outcome(&client, &quiet).await, "l1 not_applicable");
        // A tenant that was named is not overruled.
        let result = client.acquire(&at("named", by_code("bob"))).await.unwrap();
        assert_eq!(&*result.token.realm, "named");
    }
}

#[tokio::test(start_paused = true)]
async fn without_client_info_an_account_is_called_by_its_subject() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        *lab.provider.tells_who.lock() = false;
        *lab.provider.claims.lock() = Some(r#"{"sub":"subject-of-ann"}"#);
        let result = client.acquire(&by_code("ann")).await.unwrap();
        let account = result.account.unwrap();
        assert_eq!(account.home_account_id.as_str(), "subject-of-ann");
        assert_eq!(account.client_info, None);
        assert!(is_stored(&lab, "subject-of-ann").await);
        let quiet = silent("subject-of-ann");
        assert_eq!(outcome(&client, &quiet).await, "l1 not_applicable");
        assert_eq!(
            outcome(&client, &forced(quiet)).await,
            "idp force_refresh_or_claims"
        );
        assert_eq!(
            outcome(&client, &silent("ann.home")).await,
            "no_tokens_found"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s1_scopes_that_were_granted_take_the_place_of_those_asked_for() {
    for (echoes, again) in [
        (false, "l1 not_applicable"),
        (true, "idp no_cached_access_token"),
    ] {
        let lab = Lab::new(Policy::MSAL_NET);
        *lab.provider.echoes_scope.lock() = echoes;
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        let first = silent("ann.home");
        let other = for_other(silent("ann.home"));
        let result = client.acquire(&other).await.unwrap();
        let target = if echoes {
            "api://other/read offline_access openid profile"
        } else {
            "api://other/read"
        };
        assert_eq!(result.token.target.target(), target);
        assert_eq!(outcome(&client, &other).await, "l1 not_applicable");
        assert_eq!(outcome(&client, &first).await, again, "echo: {echoes}");
    }
}

#[tokio::test(start_paused = true)]
async fn l11_a_refresh_answer_without_a_refresh_token_keeps_the_one_there_was() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        *lab.provider.gives_refresh_tokens.lock() = false;
        for _ in 0..2 {
            tokio::time::advance(HOUR).await;
            assert_eq!(outcome(&client, &silent("ann.home")).await, "idp expired");
        }
        assert_eq!(
            lab.provider.grants(),
            "authorization_code refresh_token refresh_token"
        );
    }
}

/// What an ID token says where `client_info` is missing, of whom it is asked for,
/// and what becomes of it. `ann.home` is an object id in her home tenant.
const WITHOUT_CLIENT_INFO: [(&str, &str, &str); 6] = [
    // Her own.
    (r#"{"oid":"ann","tid":"home"}"#, "ann.home", "served"),
    (
        r#"{"sub":"s","oid":"ANN","tid":"home"}"#,
        "ann.home",
        "served",
    ),
    // Another's.
    (
        r#"{"sub":"s","oid":"eve","tid":"home"}"#,
        "ann.home",
        "user_mismatch",
    ),
    (
        r#"{"sub":"subject-of-eve"}"#,
        "subject-of-ann",
        "user_mismatch",
    ),
    // As a guest she has another object id, and a subject is no object id.
    (
        r#"{"sub":"s","oid":"guest","tid":"other"}"#,
        "ann.home",
        "served",
    ),
    (r#"{"sub":"s"}"#, "ann.home", "served"),
];

#[tokio::test(start_paused = true)]
async fn without_client_info_a_silent_answer_that_names_another_is_neither_served_nor_stored() {
    for policy in PRESETS {
        for (claims, account, expected) in WITHOUT_CLIENT_INFO {
            let lab = Lab::new(policy);
            let client = lab.instance();
            if account == "subject-of-ann" {
                *lab.provider.tells_who.lock() = false;
                *lab.provider.claims.lock() = Some(r#"{"sub":"subject-of-ann"}"#);
            }
            client.acquire(&by_code("ann")).await.unwrap();
            *lab.provider.tells_who.lock() = false;
            *lab.provider.claims.lock() = Some(claims);
            let said = match client.acquire(&forced(silent(account))).await {
                Ok(_) => "served".to_owned(),
                Err(error) => error.code().to_owned(),
            };
            assert_eq!(said, expected, "{claims} for {account}");
            // Whatever it was, her own partition has what it had, or her own new token.
            let result = client.acquire(&silent(account)).await.unwrap();
            assert_eq!(how(&result), "l1 not_applicable", "{claims} for {account}");
            let owner = result.token.home_account_id.as_deref();
            assert_eq!(owner, Some(account), "{claims}");
            assert!(!is_stored(&lab, "subject-of-eve").await);
            // MSAL calls an account by its subject then: that is another partition.
            let is_renamed = claims.contains(r#""s""#) && expected == "served";
            assert_eq!(is_stored(&lab, "s").await, is_renamed, "{claims}");
        }
    }
}
