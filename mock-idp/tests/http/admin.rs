//! What the admin API tells, and to whom.

use std::time::Duration;

use http::{Method, StatusCode};
use mock_idp::{AdminToken, Config, Latencies, Latency, Limits, RecordedRequests};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{APP, Answer, Door, InProcess, TENANT, TestServer, client_credentials, form};

pub(crate) async fn admin(
    idp: &impl Door,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let request = idp
        .request(method, path)
        .header("content-type", "application/json");
    let body = body.map_or_else(String::new, |body| body.to_string());
    idp.send(request.body(body.into()).unwrap()).await
}

/// A token request as msal for Python sends it.
pub(crate) async fn ask_as_python(idp: &impl Door, telemetry: &str) -> Answer {
    let request = idp
        .request(Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-client-sku", "MSAL.Python")
        .header("x-client-ver", "1.39.0")
        .header("x-client-current-telemetry", telemetry)
        .header("client-request-id", "aaaaaaaa-0000-0000-0000-000000000000");
    let body = form(&client_credentials("api://x/.default"));
    idp.send(request.body(body.into()).unwrap()).await
}

async fn found(idp: &impl Door, query: &str) -> RecordedRequests {
    let answer = idp.get(&format!("/admin/requests{query}")).await;
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

#[tokio::test]
async fn every_token_request_is_recorded_with_what_it_said() {
    let idp = TestServer::start().await;
    ask_as_python(&idp, "4|730,2|").await;
    ask_as_python(&idp, "4|730,4|").await;
    idp.token(&[("grant_type", "magic")]).await;

    let all = found(&idp, "").await;
    assert_eq!((all.count, all.forgotten), (3, 0));
    let first = serde_json::to_value(&all.requests[0]).unwrap();
    for (member, expected) in [
        ("number", json!(1)),
        ("tenant", json!(TENANT)),
        ("client", json!(APP)),
        ("grant", json!("client_credentials")),
        ("sku", json!("msal_python")),
        ("client_version", json!("1.39.0")),
        ("api", json!("client_credentials")),
        ("cache_refresh_reason", json!("no_cached_access_token")),
        (
            "correlation_id",
            json!("aaaaaaaa-0000-0000-0000-000000000000"),
        ),
        ("status", json!(200)),
    ] {
        assert_eq!(first[member], expected, "{member}");
    }
    for (query, count) in [
        ("?grant=client_credentials", 2),
        ("?grant=client_credentials&reason=proactively_refreshed", 1),
        (&format!("?tenant={TENANT}&client={APP}"), 2),
        ("?status=400&limit=1", 1),
        ("?sku=none", 1),
        ("?since=2", 1),
    ] {
        assert_eq!(found(&idp, query).await.count, count, "{query}");
    }
    assert_eq!(idp.get("/admin/requests?grnat=x").await.status, 400);
    assert_eq!(idp.get("/admin/requests?grant=x").await.status, 400);

    let ledger = idp.server.ledger();
    let by_sku = serde_json::to_value(&ledger.by_sku).unwrap();
    assert_eq!(by_sku, json!({ "msal_python": 2, "none": 1 }));
    let by_reason = serde_json::to_value(&ledger.by_cache_refresh_reason).unwrap();
    assert_eq!(
        by_reason,
        json!({ "no_cached_access_token": 1, "proactively_refreshed": 1 })
    );
}

#[tokio::test]
async fn a_verification_passes_only_on_the_exact_number() {
    let idp = TestServer::start().await;
    ask_as_python(&idp, "4|730,2|").await;
    ask_as_python(&idp, "4|730,2|").await;
    for (body, status, difference) in [
        (json!({ "expect": 2 }), 200, 0),
        (json!({ "expect": 3 }), 409, -1),
        (
            json!({ "expect": 0, "matching": { "client": "other" } }),
            200,
            0,
        ),
        (
            json!({ "expect": 1, "matching": { "sku": "msal_python" } }),
            409,
            1,
        ),
    ] {
        let answer = admin(&idp, Method::POST, "/admin/verify", Some(body.clone())).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.json()["difference"], difference, "{body}");
    }
    for body in [
        json!({}),
        json!({ "expects": 1 }),
        json!({ "expect": 1, "matching": { "a": 1 } }),
    ] {
        let answer = admin(&idp, Method::POST, "/admin/verify", Some(body)).await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn nothing_is_verified_once_requests_were_forgotten() {
    let limits = Limits {
        recorded_requests: 1,
        ..Limits::default()
    };
    let idp = TestServer::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    ask_as_python(&idp, "").await;
    ask_as_python(&idp, "").await;
    let verify = |body| admin(&idp, Method::POST, "/admin/verify", Some(body));
    let answer = verify(json!({ "expect": 1 })).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["forgotten"].as_u64()),
        (409, Some(1))
    );
    let answer = verify(json!({ "expect": 1, "matching": { "since": 1 } })).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_reset_starts_counting_anew() {
    let idp = TestServer::start().await;
    ask_as_python(&idp, "").await;
    assert_eq!(
        admin(&idp, Method::DELETE, "/admin/ledger", None)
            .await
            .status,
        200
    );
    assert_eq!(idp.server.ledger(), mock_idp::LedgerSnapshot::default());
    assert_eq!(found(&idp, "").await.count, 0);
    ask_as_python(&idp, "").await;
    assert_eq!(idp.server.ledger().redundant_token_requests, 0);
}

#[tokio::test]
async fn an_admin_token_is_asked_for_when_there_is_one() {
    let idp = TestServer::with(Config {
        admin_token: AdminToken::new("open-sesame"),
        ..Config::default()
    })
    .await;
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer open-sesam"), 401),
        (Some("Bearer open-sesame2"), 401),
        (Some("Basic open-sesame"), 401),
        (Some("Bearer open-sesame"), 200),
    ] {
        let mut request = idp.request(Method::GET, "/admin/ledger");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = idp
            .send(request.body(http_body_util::Full::default()).unwrap())
            .await;
        assert_eq!(answer.status, status, "{authorization:?}");
    }
    assert_eq!(idp.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_foreign_page_cannot_post() {
    let idp = TestServer::start().await;
    let answer = idp.post("/admin/verify", &[]).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(start_paused = true)]
async fn a_herd_is_as_large_as_what_overlaps() {
    let idp = InProcess::new(Config {
        latency: Latencies {
            token: Latency::Fixed(Duration::from_millis(100)),
            ..Latencies::default()
        },
        ..Config::default()
    });
    let (same, other) = (
        client_credentials("api://x/.default"),
        client_credentials("api://y/.default"),
    );
    let late = async {
        sleep(Duration::from_millis(50)).await;
        idp.token(&same).await
    };
    tokio::join!(idp.token(&same), idp.token(&same), late, idp.token(&other));
    idp.token(&same).await;
    let ledger = idp.idp.ledger();
    assert_eq!(ledger.largest_herd, 3);
    assert_eq!(
        serde_json::to_value(&ledger.herds).unwrap(),
        json!({ "1": 2, "2": 1 })
    );
}

#[tokio::test]
async fn the_clock_decides_what_has_expired() {
    let idp = TestServer::start().await;
    let redeemed = idp.sign_in("alice@contoso.com", "api://x/read").await;
    let refresh_token = redeemed.member("refresh_token");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("refresh_token", &refresh_token),
    ];
    assert_eq!(idp.token(&refresh).await.status, 200);
    let change = |body| admin(&idp, Method::POST, "/admin/clock", Some(body));
    let before = idp.get("/admin/clock").await.json();
    let after = change(json!({ "advance": "2161h", "frozen": true }))
        .await
        .json();
    let moved = after["now_s"].as_u64().unwrap() - before["now_s"].as_u64().unwrap();
    assert!((2161 * 3600..2161 * 3600 + 60).contains(&moved), "{moved}");
    assert_eq!(
        (&after["offset"], &after["frozen"]),
        (&json!("2161h"), &json!(true))
    );
    let late = idp.token(&refresh).await;
    assert_eq!(late.refusal(), (400, "invalid_grant".to_owned(), 700_082));
    change(json!({ "offset": "0s", "frozen": false })).await;
    assert_eq!(idp.token(&refresh).await.status, 200);
    assert_eq!(change(json!({ "advance": 5 })).await.status, 400);
}

#[tokio::test]
async fn revoked_sessions_end_and_new_ones_begin() {
    let idp = TestServer::start().await;
    let mut sessions = Vec::new();
    for user in ["alice@contoso.com", "bob@contoso.com"] {
        let signed_in = idp.sign_in(user, "api://x/read").await;
        sessions.push(signed_in.member("refresh_token"));
    }
    let revoke = |user| {
        let body = json!({ "user": user });
        admin(&idp, Method::POST, "/admin/revoke", Some(body))
    };
    assert_eq!(revoke("alice").await.status, 400);
    let challenge = revoke("Alice@Contoso.com").await;
    let claims: Value = serde_json::from_str(&challenge.member("claims")).unwrap();
    assert!(
        claims["access_token"]["nbf"]["value"].is_string(),
        "{claims}"
    );
    let header = challenge.member("www_authenticate");
    assert!(
        header.contains(r#"error="insufficient_claims""#),
        "{header}"
    );
    let refresh = async |token: &str| {
        idp.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("refresh_token", token),
        ])
        .await
    };
    let refused = refresh(&sessions[0]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned(), 50_173));
    assert_eq!(refused.member("suberror"), "bad_token");
    assert_eq!(refresh(&sessions[1]).await.status, 200);
    let again = idp.sign_in("alice@contoso.com", "api://x/read").await;
    assert_eq!(refresh(&again.member("refresh_token")).await.status, 200);
}
