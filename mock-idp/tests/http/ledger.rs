//! The ledger agrees with what was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_idp::{ClientSku, Config, GrantType, LedgerSnapshot, RequestFilter};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::admin::ask_as_python;
use crate::promtool;
use crate::support::{self, Door as _, SERVICE, TENANT, TestServer, client_credentials};

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
        redundant_by_grant: BTreeMap::from([(GrantType::ClientCredentials, 1)]),
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
        herd_sizes: 9,
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
    let idp = TestServer::with(Config {
        imds: Some(([127, 0, 0, 1], 0).into()),
        ..Config::default()
    })
    .await;
    let form = client_credentials("api://x/.default");
    idp.token(&form).await;
    let token = idp.token(&form).await;
    idp.token(&[]).await;
    idp.sign_in("alice@contoso.com", "api://x/read").await;
    idp.post(
        &format!("/{TENANT}/oauth2/v2.0/devicecode"),
        &[("client_id", SERVICE), ("scope", "api://x/read")],
    )
    .await;
    ask_as_python(&idp, "4|730,3|").await;
    let machine = http::Request::get(format!(
        "http://{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://x",
        idp.server.imds_addr().unwrap()
    ));
    let machine = machine.header("metadata", "true");
    let machine = idp.send(machine.body(String::new().into()).unwrap()).await;
    assert_eq!(machine.status, 200, "{}", machine.text());
    // What the last request at the token endpoint brought and took, to the byte.
    let recorded = idp.server.idp().requests(&RequestFilter {
        limit: Some(1),
        since: Some(1),
        grant: Some(GrantType::ClientCredentials),
        sku: Some(ClientSku::None),
        ..RequestFilter::default()
    });
    let recorded = &recorded.requests[0];
    assert_eq!(
        (recorded.request_bytes, recorded.response_bytes),
        (support::form(&form).len() as u64, token.body.len() as u64)
    );
    let answer = idp.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        r#"mockidp_token_requests_total{grant_type="client_credentials"} 3"#,
        r#"mockidp_token_requests_total{grant_type="managed_identity"} 1"#,
        r#"mockidp_token_requests_total{grant_type="other"} 1"#,
        r#"mockidp_requests_total{endpoint="token",grant_type="client_credentials",code="200"} 3"#,
        r#"mockidp_requests_total{endpoint="token",grant_type="other",code="400"} 1"#,
        r#"mockidp_requests_total{endpoint="managed_identity",grant_type="managed_identity",code="200"} 1"#,
        r#"mockidp_requests_total{endpoint="device_code",grant_type="none",code="200"} 1"#,
        r#"mockidp_requests_total{endpoint="authorize",grant_type="none",code="302"} 1"#,
        r#"mockidp_request_duration_seconds_count{endpoint="token"} 5"#,
        r#"mockidp_client_token_requests_total{client_sku="msal_python"} 1"#,
        r#"mockidp_client_token_requests_total{client_sku="none"} 5"#,
        r#"mockidp_cache_misses_total{cache_refresh_reason="expired"} 1"#,
        r#"mockidp_cache_misses_total{cache_refresh_reason="not_said"} 5"#,
        r#"mockidp_herd_size_bucket{le="1"} 6"#,
        "mockidp_herd_size_sum 6",
        r#"mockidp_redundant_token_requests_total{grant_type="client_credentials"} 2"#,
        r#"mockidp_redundant_token_requests_total{grant_type="authorization_code"} 0"#,
        r#"mockidp_tokens_issued_total{kind="app_access_token"} 4"#,
        r#"mockidp_tokens_issued_total{kind="user_access_token"} 1"#,
        r#"mockidp_tokens_issued_total{kind="id_token"} 1"#,
        r#"mockidp_issued_token_size_bytes_bucket{kind="app_access_token",le="1024"} 0"#,
        r#"mockidp_issued_token_size_bytes_bucket{kind="app_access_token",le="1536"} 4"#,
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

#[tokio::test]
async fn open_connections_are_those_that_clients_hold() {
    let idp = TestServer::start().await;
    let open = async || {
        let metrics = idp.get("/metrics").await;
        let mut lines = metrics.text().lines();
        let value = lines.find_map(|line| line.strip_prefix("mockidp_open_connections "));
        value.unwrap().parse::<usize>().unwrap()
    };
    let become_open = async |expected: usize| {
        for _ in 0..500 {
            if open().await == expected {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are open, not {expected}", open().await);
    };
    let before = open().await;
    let address = idp.server.http_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    become_open(before + 3).await;
    held.pop();
    become_open(before + 2).await;
    drop(held);
    become_open(before).await;
}
