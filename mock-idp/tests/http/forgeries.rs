//! Tokens that are wrong on purpose.

use http::Method;
use mock_idp::Forgery;
use serde_json::{Value, json};

use crate::admin::admin;
use crate::support::{Door, InProcess, claims, client_credentials, header_of};

async fn forge(idp: &impl Door, forgery: Forgery) {
    let rule = json!({ "name": "forged", "fault": { "kind": "forged_token", "forgery": forgery } });
    let answer = admin(idp, Method::PUT, "/admin/faults", Some(json!([rule]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn every_forgery_reaches_the_client() {
    let idp = InProcess::new(mock_idp::Config::default());
    for forgery in Forgery::ALL {
        forge(&idp, forgery).await;
        let answer = idp.token(&client_credentials("api://x/.default")).await;
        assert_eq!(answer.status, 200, "{forgery:?}");
        let token = answer.member("access_token");
        let segments = token.split('.').count();
        if forgery == Forgery::Malformed {
            assert_eq!(segments, 2);
            continue;
        }
        assert_eq!(segments, 3, "{forgery:?}");
        let (header, claims) = (header_of(&token), claims(&token));
        match forgery {
            Forgery::AlgNone => assert!(token.ends_with('.') && header["alg"] == "none"),
            Forgery::MissingTenant => assert!(claims.get("tid").is_none()),
            Forgery::WrongAudience => assert_ne!(claims["aud"], "api://x"),
            Forgery::Oversized => assert!(token.len() > 64 * 1024),
            _ => assert_eq!(header["alg"], "RS256"),
        }
    }
    let ledger = idp.idp.ledger();
    assert_eq!(ledger.faults_injected, Forgery::ALL.len() as u64);
}

#[tokio::test]
async fn a_cache_that_turns_a_forged_token_down_is_not_blamed_for_asking_again() {
    let idp = InProcess::new(mock_idp::Config::default());
    let ask = client_credentials("api://x/.default");
    forge(&idp, Forgery::WrongTenant).await;
    idp.token(&ask).await;
    idp.token(&ask).await;
    assert_eq!(idp.idp.ledger().redundant_token_requests, 0);
    forge(&idp, Forgery::ReorderedScopes).await;
    idp.token(&ask).await;
    assert_eq!(idp.idp.ledger().redundant_token_requests, 0);
    idp.token(&ask).await;
    assert_eq!(
        idp.idp.ledger().redundant_token_requests,
        1,
        "nothing is wrong with those"
    );
}

#[tokio::test]
async fn a_users_forged_answer_is_wrong_in_all_its_parts() {
    let idp = InProcess::new(mock_idp::Config::default());
    let right = idp
        .sign_in("alice@contoso.com", "api://x/read api://x/write")
        .await;
    forge(&idp, Forgery::WrongSubject).await;
    let wrong = idp
        .sign_in("alice@contoso.com", "api://x/read api://x/write")
        .await;
    for member in ["access_token", "id_token"] {
        let (right, wrong) = (claims(&right.member(member)), claims(&wrong.member(member)));
        assert_ne!(right["sub"], wrong["sub"], "{member}");
        assert_eq!(right["tid"], wrong["tid"], "{member}");
    }
    assert_ne!(right.member("client_info"), wrong.member("client_info"));
    forge(&idp, Forgery::ReorderedScopes).await;
    let other = idp
        .sign_in("alice@contoso.com", "api://x/read api://x/write")
        .await;
    let sorted = |scopes: String| {
        let mut scopes: Vec<_> = scopes.split(' ').map(str::to_owned).collect();
        scopes.sort();
        scopes
    };
    assert_ne!(other.member("scope"), right.member("scope"));
    assert_eq!(sorted(other.member("scope")), sorted(right.member("scope")));
    assert_eq!(claims(&other.member("access_token"))["scp"], "write read");
}

#[tokio::test]
async fn only_tokens_can_be_forged() {
    let idp = InProcess::new(mock_idp::Config::default());
    for fault in [
        json!({ "kind": "forged_token", "forgery": "signature" }),
        json!({ "kind": "forged_token" }),
    ] {
        let rule: Value = json!({ "name": "a", "fault": fault });
        assert_eq!(
            admin(&idp, Method::POST, "/admin/faults", Some(rule))
                .await
                .status,
            400
        );
    }
    let rule = json!({ "name": "a", "match": { "endpoint": "jwks" },
        "fault": { "kind": "forged_token", "forgery": "expired" } });
    assert_eq!(
        admin(&idp, Method::POST, "/admin/faults", Some(rule))
            .await
            .status,
        400
    );
}
