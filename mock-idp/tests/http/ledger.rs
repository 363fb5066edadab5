//! The ledger agrees with what was asked.

use std::collections::BTreeMap;

use mock_idp::{ClientSku, GrantType, LedgerSnapshot};

use crate::promtool;
use crate::support::{Door as _, SERVICE, TENANT, TestServer, client_credentials};

#[tokio::test]
async fn every_request_is_counted_once_whatever_becomes_of_it() {
    let idp = TestServer::start().await;
    let token_path = format!("/{TENANT}/oauth2/v2.0/token");
    let cc = client_credentials("api://x/.default");
    idp.token(&cc).await;
    idp.token(&cc).await;
    idp.token(&client_credentials("api://y/.default")).await;
    let signed_in = idp
        .sign_in("alice@contoso.com", &format!("api://{SERVICE}/read"))
        .await;
    let assertion = signed_in.member("access_token");
    idp.on_behalf_of(&assertion, "api://z/.default").await;
    idp.on_behalf_of("not.a.token", "api://z/.default").await;
    idp.token(&[("grant_type", "magic")]).await;
    idp.get(&token_path).await;
    let oversized = "x".repeat(70_000);
    idp.token(&[("grant_type", "client_credentials"), ("scope", &oversized)])
        .await;
    // None of these is a token request.
    idp.get("/healthz").await;
    idp.get("/common/discovery/v2.0/keys").await;

    let expected = LedgerSnapshot {
        token_requests: 9,
        redundant_token_requests: 1,
        by_grant: BTreeMap::from([
            (GrantType::ClientCredentials, 3),
            (GrantType::AuthorizationCode, 1),
            (GrantType::OnBehalfOf, 2),
            (GrantType::Other, 3),
        ]),
        by_status: BTreeMap::from([(200, 5), (400, 2), (405, 1), (413, 1)]),
        faults_injected: 0,
        tokens_issued: 5,
        tokens_repeated: 0,
        tokens_forgotten: 0,
        by_sku: BTreeMap::from([(ClientSku::None, 9)]),
        by_cache_refresh_reason: BTreeMap::new(),
        largest_herd: 1,
        herds: BTreeMap::from([(1, 9)]),
        by_fault: BTreeMap::new(),
        throttled: BTreeMap::new(),
    };
    assert_eq!(idp.server.ledger(), expected);
    let served: LedgerSnapshot =
        serde_json::from_slice(&idp.get("/admin/ledger").await.body).unwrap();
    assert_eq!(served, expected);
}

#[tokio::test]
async fn a_herd_makes_all_but_one_request_redundant() {
    let idp = TestServer::start().await;
    let form = client_credentials("api://x/.default");
    tokio::join!(
        idp.token(&form),
        idp.token(&form),
        idp.token(&form),
        idp.token(&form)
    );
    assert_eq!(idp.server.ledger().redundant_token_requests, 3);
}

#[tokio::test]
async fn a_claims_challenge_excuses_a_request() {
    let idp = TestServer::start().await;
    let challenge = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    let about_the_id_token = r#"{"id_token":{"login_hint":{"essential":false}}}"#;
    let mut form = client_credentials("api://x/.default");
    idp.token(&form).await;
    form.push(("claims", challenge));
    idp.token(&form).await;
    assert_eq!(idp.server.ledger().redundant_token_requests, 0);
    form.pop();
    form.push(("claims", about_the_id_token));
    idp.token(&form).await;
    assert_eq!(idp.server.ledger().redundant_token_requests, 1);
}

#[tokio::test]
async fn on_behalf_of_another_call_is_another_token() {
    let idp = TestServer::start().await;
    let scope = format!("api://{SERVICE}/read");
    let one = idp
        .sign_in("alice@contoso.com", &scope)
        .await
        .member("access_token");
    let two = idp
        .sign_in("alice@contoso.com", &scope)
        .await
        .member("access_token");
    for assertion in [&one, &two] {
        idp.on_behalf_of(assertion, "api://z/.default").await;
    }
    assert_eq!(idp.server.ledger().redundant_token_requests, 0);
    idp.on_behalf_of(&one, "api://z/.default").await;
    assert_eq!(idp.server.ledger().redundant_token_requests, 1);
}

#[tokio::test]
async fn metrics_and_ledger_agree() {
    let idp = TestServer::start().await;
    let form = client_credentials("api://x/.default");
    idp.token(&form).await;
    idp.token(&form).await;
    idp.token(&[]).await;
    let answer = idp.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        r#"mockidp_token_requests_total{grant_type="client_credentials"} 2"#,
        r#"mockidp_token_requests_total{grant_type="other"} 1"#,
        r#"mockidp_requests_total{endpoint="token",code="2xx"} 2"#,
        r#"mockidp_requests_total{endpoint="token",code="4xx"} 1"#,
        r#"mockidp_request_duration_seconds_count{endpoint="token"} 3"#,
        "mockidp_redundant_token_requests_total 1",
        "mockidp_tokens_issued_total 2",
        "mockidp_in_flight_requests 1",
    ] {
        assert!(
            answer.text().lines().any(|known| known == line),
            "{line}\n{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn prometheus_own_linter_has_nothing_to_say() {
    let idp = TestServer::start().await;
    idp.token(&client_credentials("api://x/.default")).await;
    let answer = idp.get("/metrics").await;
    assert_eq!(promtool::lint(&answer.body), "", "{}", answer.text());
    assert!(answer.body.len() < 200_000, "{} bytes", answer.body.len());
}
