//! What goes wrong on request, as clients see it.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use http_body_util::Full;
use mock_idp::{Config, FaultKind, Rule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::admin;
use crate::support::{APP, Answer, Door, InProcess, TENANT, TestServer, client_credentials, form};

const SECOND: Duration = Duration::from_secs(1);

fn rule(rule: &Value) -> Rule {
    serde_json::from_value(rule.clone()).unwrap_or_else(|error| panic!("{rule}: {error}"))
}

fn config(rules: &[Value]) -> Config {
    Config {
        rules: rules.iter().map(rule).collect(),
        seed: 7,
        ..Config::default()
    }
}

/// A server where this always happens to token requests.
fn always(fault: &Value) -> Config {
    config(&[json!({ "name": "always", "fault": fault })])
}

async fn ask(idp: &impl Door) -> Answer {
    idp.token(&client_credentials("api://x/.default")).await
}

fn struck(idp: &TestServer, kind: FaultKind) -> u64 {
    let ledger = idp.server.ledger();
    assert_eq!(
        ledger.faults_injected,
        ledger.by_fault.values().sum::<u64>()
    );
    ledger.by_fault.get(&kind).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_error_of_entras_has_its_status_code_suberror_and_claims() {
    let claims = r#"{"access_token":{"capolids":{"essential":true,"values":["c1"]}}}"#;
    let idp = InProcess::new(always(&json!({
        "kind": "aadsts", "code": 50076, "claims": claims, "retry_after": { "seconds": 7 }
    })));
    let answer = ask(&idp).await;
    assert_eq!(
        answer.refusal(),
        (400, "interaction_required".to_owned(), 50_076)
    );
    assert_eq!(answer.member("suberror"), "basic_action");
    assert_eq!(answer.member("claims"), claims);
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache"));
    let ledger = idp.idp.ledger();
    assert_eq!((ledger.token_requests, ledger.tokens_issued), (1, 0));
    assert_eq!((ledger.by_status[&400], ledger.faults_injected), (1, 1));

    let idp = InProcess::new(always(
        &json!({ "kind": "aadsts", "code": 50173, "suberror": "other" }),
    ));
    assert_eq!(ask(&idp).await.member("suberror"), "other");
}

#[tokio::test]
async fn plain_statuses_pages_and_dates_are_answered() {
    let idp = InProcess::new(always(&json!({ "kind": "status", "status": 503 })));
    let answer = ask(&idp).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, None)
    );
    assert_eq!(answer.member("error"), "temporarily_unavailable");
    assert!(answer.json().get("error_codes").is_none());

    let idp = InProcess::new(always(
        &json!({ "kind": "status", "status": 429, "retry_after": { "date": 5 } }),
    ));
    let answer = ask(&idp).await;
    let date = answer.header("retry-after").unwrap();
    assert!(date.ends_with(" GMT") && date.contains(", "), "{date}");

    let idp = InProcess::new(always(&json!({ "kind": "html_page", "status": 503 })));
    let answer = ask(&idp).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        answer.text().contains("503 Service Unavailable"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn so_many_fail_and_then_all_succeed() {
    let idp = InProcess::new(config(&[json!({
        "name": "n", "trigger": { "when": { "first": 2 } }, "fault": { "kind": "status", "status": 503 }
    })]));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&idp).await.status.as_u16());
    }
    assert_eq!(statuses, [503, 503, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_and_ends_on_the_servers_clock() {
    let idp = InProcess::new(config(&[json!({
        "name": "outage",
        "trigger": { "from": "10s", "until": "20s" },
        "fault": { "kind": "aadsts", "code": 90033 }
    })]));
    let mut down = Vec::new();
    for second in 0..30 {
        if ask(&idp).await.status == 503 {
            down.push(second);
        }
        sleep(SECOND).await;
    }
    assert_eq!(down, (10..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rule_strikes_only_what_it_is_about() {
    let idp = InProcess::new(config(&[
        json!({ "name": "a", "match": { "client": "other" }, "fault": { "kind": "status", "status": 500 } }),
        json!({ "name": "b", "match": { "endpoint": "jwks" }, "fault": { "kind": "status", "status": 501 } }),
        json!({ "name": "c", "match": { "grant": "client_credentials", "scope": "api://y/.default" },
                "fault": { "kind": "status", "status": 502 } }),
    ]));
    assert_eq!(ask(&idp).await.status, 200);
    assert_eq!(
        idp.token(&client_credentials("api://y/.default"))
            .await
            .status,
        502
    );
    assert_eq!(idp.get("/common/discovery/v2.0/keys").await.status, 501);
    let discovery = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    assert_eq!(idp.get(&discovery).await.status, 200);
    assert_eq!(idp.get("/admin/ledger").await.status, 200);
}

#[tokio::test]
async fn a_truncated_body_is_the_beginning_of_the_right_one() {
    let idp = TestServer::with(always(&json!({ "kind": "truncated_body" }))).await;
    let answer = ask(&idp).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with(r#"{"token_type":"Bearer""#));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    assert_eq!(idp.server.ledger().tokens_issued, 1);
    assert_eq!(struck(&idp, FaultKind::TruncatedBody), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_takes_its_time_and_an_added_latency_adds() {
    let idp = InProcess::new(always(&json!({ "kind": "slow_body", "over": "5s" })));
    let started = Instant::now();
    let answer = ask(&idp).await;
    assert!(answer.member("access_token").len() > 100);
    assert!(started.elapsed().abs_diff(5 * SECOND) < Duration::from_millis(50));

    let idp = InProcess::new(always(&json!({ "kind": "latency", "add": "fixed:3s" })));
    let started = Instant::now();
    assert_eq!(ask(&idp).await.status, 200);
    assert_eq!(started.elapsed(), 3 * SECOND);
    assert_eq!(idp.idp.ledger().by_fault[&FaultKind::Latency], 1);
}

#[tokio::test(start_paused = true)]
async fn a_latency_is_of_one_tenant_or_one_grant() {
    let slow = |seconds: u64, of: Value| {
        json!({ "name": format!("s{seconds}"), "match": of,
                "fault": { "kind": "latency", "add": format!("fixed:{seconds}s") } })
    };
    let idp = InProcess::new(config(&[
        slow(1, json!({ "tenant": TENANT })),
        slow(2, json!({ "grant": "password" })),
    ]));
    let password = [
        ("grant_type", "password"),
        ("client_id", APP),
        ("username", "alice@contoso.com"),
        ("password", "pass"),
        ("scope", "api://x/read"),
    ];
    let secret = client_credentials("api://x/.default");
    for (tenant, form, expected) in [
        (TENANT, &secret[..], 1),
        (TENANT, &password, 3),
        ("fabrikam.com", &secret, 0),
        ("fabrikam.com", &password, 2),
    ] {
        let started = Instant::now();
        let answer = idp
            .post(&format!("/{tenant}/oauth2/v2.0/token"), form)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(started.elapsed(), expected * SECOND, "{tenant} {form:?}");
    }
}

/// Sends bytes over plain TCP and says how the connection ends.
async fn end_of(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, std::io::ErrorKind> {
    let conversation = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let ended: std::io::Result<_> = timeout(20 * SECOND, conversation).await.unwrap();
    ended.map_err(|error| error.kind())
}

fn token_request() -> Vec<u8> {
    let body = form(&client_credentials("api://x/.default"));
    let head = format!(
        "POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

#[tokio::test]
async fn a_connection_is_reset_after_its_request_was_read() {
    let idp = TestServer::with(always(&json!({ "kind": "reset_after_request" }))).await;
    let ended = end_of(idp.server.http_addr().unwrap(), &token_request()).await;
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
    let request = idp
        .request(Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
        .body(Full::from("client_id=a"))
        .unwrap();
    assert!(idp.client.request(request).await.is_err(), "over TLS too");
    assert_eq!(
        idp.server.ledger().by_status[&444],
        struck(&idp, FaultKind::ResetAfterRequest)
    );
    assert_eq!(idp.server.ledger().tokens_issued, 0);
    assert_eq!(
        idp.get("/healthz").await.status,
        200,
        "other connections live on"
    );
}

#[tokio::test]
async fn a_connection_is_reset_before_its_request_is_read() {
    let idp = TestServer::with(config(&[json!({
        "name": "r", "trigger": { "at_most": 1 }, "fault": { "kind": "reset_on_connect" }
    })]))
    .await;
    let address = idp.server.http_addr().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let read = timeout(20 * SECOND, stream.read(&mut [0])).await.unwrap();
    assert_eq!(
        read.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionReset)
    );
    assert_eq!(struck(&idp, FaultKind::ResetOnConnect), 1);
    assert_eq!(idp.server.ledger().token_requests, 0);
    assert_eq!(ask(&idp).await.status, 200);
}

#[tokio::test]
async fn a_tls_handshake_fails_or_stalls_and_plain_http_does_not() {
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    let idp = TestServer::with(config(&[
        json!({ "name": "f", "trigger": { "at_most": 2 }, "fault": { "kind": "tls_failure" } }),
        json!({ "name": "s", "trigger": { "at_most": 1 },
                "fault": { "kind": "tls_stall", "for": "300ms" } }),
    ]))
    .await;
    let plain = end_of(
        idp.server.http_addr().unwrap(),
        b"GET /healthz HTTP/1.0\r\n\r\n",
    )
    .await;
    assert!(plain.unwrap().ends_with(b"ok\n"));
    let https = idp.server.https_addr().unwrap();
    let alert = [0x15, 3, 3, 0, 2, 2, 0x28];
    assert_eq!(end_of(https, hello).await, Ok(alert.to_vec()));
    let request = idp.request(Method::GET, "/healthz").body(Full::default());
    let failed = idp.client.request(request.unwrap()).await.unwrap_err();
    assert!(
        format!("{failed:?}").contains("HandshakeFailure"),
        "{failed:?}"
    );
    let started = Instant::now();
    assert_eq!(end_of(https, hello).await, Ok(Vec::new()));
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(idp.get("/healthz").await.status, 200);
    assert_eq!(
        (
            struck(&idp, FaultKind::TlsFailure),
            struck(&idp, FaultKind::TlsStall)
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn rules_change_while_the_server_runs() {
    let idp = TestServer::start().await;
    let fault = |status: u16| json!({ "kind": "status", "status": status });
    let send = |method, path, body| admin(&idp, method, path, body);
    let added = send(
        Method::POST,
        "/admin/faults",
        Some(json!({ "name": "a", "fault": fault(503) })),
    )
    .await;
    assert_eq!(added.json()[0]["name"], "a", "{}", added.text());
    assert_eq!(ask(&idp).await.status, 503);
    let listed = idp.get("/admin/faults").await.json();
    assert_eq!(
        (&listed[0]["seen"], &listed[0]["struck"]),
        (&json!(1), &json!(1))
    );
    let rules = json!([{ "name": "b", "match": { "client": APP }, "fault": fault(500) }]);
    assert_eq!(
        send(Method::PUT, "/admin/faults", Some(rules)).await.status,
        200
    );
    assert_eq!(ask(&idp).await.status, 500);
    for bad in [
        json!({ "name": "b" }),
        json!({ "name": "B", "fault": fault(500) }),
        json!({ "name": "b", "fault": fault(200) }),
        json!({ "name": "b", "fault": fault(500), "typo": 1 }),
    ] {
        let answer = send(Method::POST, "/admin/faults", Some(bad)).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.member("error").is_empty());
    }
    assert_eq!(
        send(Method::DELETE, "/admin/faults/a", None).await.status,
        404
    );
    assert_eq!(
        send(Method::DELETE, "/admin/faults/b", None).await.json(),
        json!([])
    );
    assert_eq!(ask(&idp).await.status, 200);
    let metrics = idp.get("/metrics").await;
    let line = r#"mockidp_faults_injected_total{fault="status"} 2"#;
    assert!(
        metrics.text().lines().any(|known| known == line),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_server_does_not_start_with_a_rule_that_makes_no_sense() {
    let mut config = always(&json!({ "kind": "status", "status": 503 }));
    config.rules[0].name = "No Name".to_owned();
    let error = mock_idp::Idp::new(&config).unwrap_err();
    assert!(error.to_string().contains("`No Name`"), "{error}");
}
