//! Which keys sign, which are published, and how they follow each other.

use std::time::Duration;

use http::Method;
use mock_idp::{Config, KeySchedule, SigningAlgorithm};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::admin::admin;
use crate::support::{Door, InProcess, TestServer, client_credentials, header_of};

const HOUR: Duration = Duration::from_hours(1);

fn with(keys: KeySchedule) -> InProcess {
    InProcess::new(Config {
        keys,
        seed: 7,
        ..Config::default()
    })
}

/// The `kid`s in the document that validators read.
async fn published(idp: &impl Door) -> Vec<String> {
    let document = idp.get("/organizations/discovery/v2.0/keys").await.json();
    let keys = document["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// The header of a fresh token.
async fn fresh(idp: &impl Door) -> Value {
    let answer = idp.token(&client_credentials("api://x/.default")).await;
    header_of(&answer.member("access_token"))
}

async fn signing(idp: &impl Door) -> String {
    fresh(idp).await["kid"].as_str().unwrap().to_owned()
}

async fn roll(idp: &impl Door, body: Value) -> Value {
    let answer = admin(idp, Method::POST, "/admin/keys/rollover", Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn tokens_and_documents_name_the_algorithm_chosen() {
    for (algorithm, alg, kty) in [
        (SigningAlgorithm::Rs256, "RS256", "RSA"),
        (SigningAlgorithm::Ps256, "PS256", "RSA"),
        (SigningAlgorithm::Es256, "ES256", "EC"),
    ] {
        let idp = with(KeySchedule {
            algorithm,
            ..KeySchedule::default()
        });
        let header = fresh(&idp).await;
        assert_eq!(header["alg"], alg);
        let document = idp.get("/organizations/discovery/v2.0/keys").await.json();
        let key = &document["keys"][0];
        assert_eq!((&key["kid"], &key["kty"]), (&header["kid"], &json!(kty)));
        assert!(key.get("alg").is_none(), "Entra's keys name none");
        for path in ["/common/v2.0", "/common"] {
            let path = format!("{path}/.well-known/openid-configuration");
            let document = idp.get(&path).await.json();
            let algorithms = &document["id_token_signing_alg_values_supported"];
            assert_eq!(algorithms, &json!([alg]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_follow_each_other_on_the_servers_clock() {
    let idp = with(KeySchedule {
        algorithm: SigningAlgorithm::Es256,
        rollover_every: Some(HOUR * 4),
        publish_ahead: Some(HOUR),
        retire_after: Some(HOUR * 2),
        ..KeySchedule::default()
    });
    let first = signing(&idp).await;
    assert_eq!(published(&idp).await, std::slice::from_ref(&first));
    sleep(HOUR * 3).await;
    let announced = published(&idp).await;
    assert_eq!((announced.len(), &announced[0]), (2, &first));
    assert_eq!(signing(&idp).await, first, "announced, not yet signing");
    sleep(HOUR).await;
    assert_eq!(signing(&idp).await, announced[1]);
    assert_eq!(
        published(&idp).await,
        announced,
        "the old key stays a while"
    );
    admin(
        &idp,
        Method::POST,
        "/admin/clock",
        Some(json!({ "advance": "2h" })),
    )
    .await;
    assert_eq!(published(&idp).await, announced[1..]);
}

#[tokio::test]
async fn an_emergency_rollover_ends_what_the_old_key_signed() {
    let idp = with(KeySchedule {
        algorithm: SigningAlgorithm::Es256,
        ..KeySchedule::default()
    });
    let scope = format!("api://{}/read", crate::support::SERVICE);
    let assertion = idp.sign_in("alice@contoso.com", &scope).await;
    let assertion = assertion.member("access_token");
    assert_eq!(
        idp.on_behalf_of(&assertion, "api://x/read").await.status,
        200
    );
    let before = signing(&idp).await;

    let listed = roll(&idp, json!({ "publish_ahead": "0s", "retire_after": "1h" })).await;
    assert_eq!(listed["keys"][0]["standing"], "leaving");
    assert_eq!(published(&idp).await.len(), 2);
    assert_eq!(
        idp.on_behalf_of(&assertion, "api://x/read").await.status,
        200
    );

    let listed = roll(&idp, json!({ "emergency": true })).await;
    let standings: Vec<_> = listed["keys"].as_array().unwrap().iter().collect();
    assert_eq!(standings.last().unwrap()["standing"], "signing");
    let now = signing(&idp).await;
    assert_ne!(now, before);
    assert_eq!(published(&idp).await, [now]);
    let refused = idp.on_behalf_of(&assertion, "api://x/read").await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned(), 50_013));
}

#[tokio::test]
async fn replicas_disagree_while_a_rollover_goes_on() {
    let idp = TestServer::start().await;
    let schedule = json!({ "algorithm": "es256", "flapping": 0.5 });
    let answer = admin(&idp, Method::PUT, "/admin/keys", Some(schedule)).await;
    assert_eq!(answer.json()["schedule"]["flapping"], 0.5);
    for _ in 0..3 {
        assert_eq!(published(&idp).await.len(), 1, "there is only one");
    }
    roll(&idp, json!({})).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        seen.insert(published(&idp).await);
    }
    assert_eq!(seen.len(), 3, "either, or both, never none: {seen:?}");
    for body in [
        json!({ "flapping": 1.5 }),
        json!({ "rollover_every": "1ms" }),
        json!({ "x": 1 }),
    ] {
        let answer = admin(&idp, Method::PUT, "/admin/keys", Some(body)).await;
        assert_eq!(answer.status, 400);
    }
}
