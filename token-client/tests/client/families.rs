//! Public clients of a family share refresh tokens; nobody else does.

use std::sync::Arc;

use token_cache::{HomeAccountId, PartitionKey, Policy, Scopes, Secret};
use token_client::{AcquireRequest, Application, Client};

use crate::lab::{Lab, PRESETS, by_code, how, silent};

/// An application without a secret of its own, over the lab's store.
fn public(lab: &Lab, client_id: &str) -> Client {
    lab.application(Application {
        client_id: client_id.into(),
        client_secret: None,
    })
}

fn other_resource() -> AcquireRequest {
    AcquireRequest {
        scopes: Scopes::parse("api://other/read"),
        ..silent("ann.home")
    }
}

/// The refresh token each request brought, in order.
fn brought(lab: &Lab) -> Vec<(String, String)> {
    let requests = lab.provider.requests.lock();
    let brought = requests.iter().filter_map(|request| match &request.grant {
        token_client::Grant::RefreshToken { refresh_token } => Some((
            request.client_id.to_string(),
            refresh_token.expose().to_owned(),
        )),
        _ => None,
    });
    brought.collect()
}

#[tokio::test(start_paused = true)]
async fn a_public_client_signs_a_user_in_with_its_familys_refresh_token() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        *lab.provider.family_id.lock() = Some("1".into());
        public(&lab, "word").acquire(&by_code("ann")).await.unwrap();
        // Nothing is known of the other one yet: it tries.
        let result = public(&lab, "excel").acquire(&other_resource()).await;
        assert_eq!(how(&result.unwrap()), "idp no_cached_access_token");
        assert_eq!(brought(&lab), [("excel".to_owned(), "ann".to_owned())]);
        let key = PartitionKey::Account(HomeAccountId::new("ann.home")).to_string();
        let blob = token_cache::store::Store::get(&*lab.store, &key).await;
        let text = String::from_utf8(blob.unwrap().unwrap().to_vec()).unwrap();
        assert!(
            text.contains("\"ann.home-login.windows.net-refreshtoken-1--\""),
            "{text}"
        );
        let families = text.matches("\"family_id\":\"1\"").count();
        assert_eq!(families, 3, "of the refresh token and of both applications");
    }
}

#[tokio::test(start_paused = true)]
async fn a_confidential_client_takes_no_familys_refresh_token() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.family_id.lock() = Some("1".into());
    public(&lab, "word").acquire(&by_code("ann")).await.unwrap();
    let web = lab.application(Application {
        client_id: "web".into(),
        client_secret: Some(Secret::new("hush")),
    });
    let error = web.acquire(&other_resource()).await.unwrap_err();
    assert_eq!(error.code(), "no_tokens_found");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_of_no_family_goes_on_with_its_own_refresh_token() {
    let lab = Lab::new(Policy::RECOMMENDED);
    // Its own sign-in, before it was known to be of no family.
    let own = public(&lab, "own");
    own.acquire(&by_code("ann")).await.unwrap();
    let known = own.acquire(&other_resource()).await.unwrap();
    assert_eq!(how(&known), "idp no_cached_access_token");
    assert_eq!(brought(&lab).len(), 1, "known to be of none, it asks once");

    // One of which nothing is known, with a refresh token of its own by MSAL
    // Python, which writes no metadata of clients outside families.
    *lab.provider.family_id.lock() = Some("1".into());
    public(&lab, "word").acquire(&by_code("ann")).await.unwrap();
    let key = PartitionKey::Account(HomeAccountId::new("ann.home"));
    let cache = own.cache();
    let blob = token_cache::store::Store::get(&*lab.store, &key.to_string()).await;
    let mut blob: serde_json::Value = serde_json::from_slice(&blob.unwrap().unwrap()).unwrap();
    blob["AppMetadata"]
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !key.ends_with("-own"));
    let blob = serde_json::to_vec(&blob).unwrap();
    let partition = token_cache::schema::read(&blob).unwrap();
    cache
        .update(&key, move |_: &token_cache::Partition| partition.clone())
        .await
        .unwrap();
    lab.provider.requests.lock().clear();
    *lab.provider.mismatched.lock() = Some(Arc::from("own"));
    let request = AcquireRequest {
        scopes: Scopes::parse("api://third/read"),
        ..silent("ann.home")
    };
    let result = own.acquire(&request).await.unwrap();
    assert_eq!(result.metadata.token_requests.answered, 2);
    assert_eq!(brought(&lab).len(), 2, "the family's, then its own");
}
