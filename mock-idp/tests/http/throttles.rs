//! How much clients may ask for, and what they are told beyond.

use std::time::Duration;

use http::Method;
use mock_idp::{Config, Latencies, Latency, Matcher, ThrottleKind, ThrottlePolicy};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::admin::admin;
use crate::support::{Door as _, InProcess, TestServer, client_credentials};

fn throttled_by(policies: impl Into<Vec<ThrottlePolicy>>) -> Config {
    Config {
        throttles: policies.into(),
        ..Config::default()
    }
}

fn policy(policy: Value) -> ThrottlePolicy {
    serde_json::from_value(policy).unwrap()
}

#[tokio::test(start_paused = true)]
async fn above_the_rate_clients_are_told_when_to_come_again() {
    let idp = InProcess::new(throttled_by([policy(json!({
        "name": "a", "per": "tenant_and_client",
        "limit": { "rate": { "per_second": 0.25, "burst": 1 } }
    }))]));
    let form = client_credentials("api://x/.default");
    assert_eq!(idp.token(&form).await.status, 200);
    let refused = idp.token(&form).await;
    assert_eq!(
        refused.refusal(),
        (429, "temporarily_unavailable".to_owned(), 90_055)
    );
    assert_eq!(refused.header("retry-after"), Some("4"));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(idp.token(&form).await.header("retry-after"), Some("1"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(idp.token(&form).await.status, 200);
    let ledger = idp.idp.ledger();
    assert_eq!((ledger.by_status[&200], ledger.by_status[&429]), (2, 2));
    assert_eq!(ledger.throttled[&ThrottleKind::Rate], 2);
    assert_eq!(ledger.faults_injected, 0);
}

#[tokio::test(start_paused = true)]
async fn the_imds_profile_counts_requests_that_are_open() {
    let idp = InProcess::new(Config {
        latency: Latencies {
            token: Latency::Fixed(Duration::from_secs(2)),
            ..Latencies::default()
        },
        ..throttled_by(ThrottlePolicy::imds(&Matcher::default()))
    });
    let form = client_credentials("api://x/.default");
    let answers = futures_util::future::join_all((0..8).map(|_| idp.token(&form))).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(refused, 3);
    assert_eq!(idp.idp.ledger().throttled[&ThrottleKind::Concurrency], 3);
    assert_eq!(
        idp.token(&form).await.status,
        200,
        "once they are answered there is room"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_round_in_circles_is_stopped() {
    let loops = ThrottlePolicy::loop_detection(3, Duration::from_mins(5));
    let idp = InProcess::new(throttled_by([loops]));
    let (one, other) = (
        client_credentials("api://x/.default"),
        client_credentials("api://y/.default"),
    );
    for _ in 0..3 {
        assert_eq!(idp.token(&one).await.status, 200);
    }
    let stopped = idp.token(&one).await;
    assert_eq!(stopped.refusal(), (400, "invalid_grant".to_owned(), 50_196));
    assert_eq!(stopped.header("retry-after"), None);
    assert_eq!(idp.token(&other).await.status, 200);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(idp.token(&one).await.status, 200);
}

#[tokio::test]
async fn who_is_throttled_waits_on_the_servers_clock() {
    let idp = InProcess::new(throttled_by([policy(json!({
        "name": "a", "per": "everyone",
        "limit": { "rate": { "per_second": 0.25, "burst": 1 } }
    }))]));
    let form = client_credentials("api://x/.default");
    let clock = async |change: Value| {
        let changed = admin(&idp, Method::POST, "/admin/clock", Some(change)).await;
        assert_eq!(changed.status, 200);
    };
    // Frozen, so that nothing but the clock's own moves count.
    clock(json!({ "frozen": true })).await;
    assert_eq!(idp.token(&form).await.status, 200);
    assert_eq!(idp.token(&form).await.header("retry-after"), Some("4"));
    clock(json!({ "advance": "3s" })).await;
    assert_eq!(idp.token(&form).await.header("retry-after"), Some("1"));
    clock(json!({ "advance": "1s" })).await;
    assert_eq!(idp.token(&form).await.status, 200);
}

#[tokio::test]
async fn policies_change_while_the_server_runs() {
    let idp = TestServer::start().await;
    let form = client_credentials("api://x/.default");
    let one_at_all = json!({
        "name": "one", "per": "ip", "limit": { "rate": { "per_second": 0.001, "burst": 1 } },
        "retry_after": { "seconds": 9 }
    });
    let send = |method, path, body| admin(&idp, method, path, body);
    let set = send(Method::POST, "/admin/throttles", Some(one_at_all.clone())).await;
    assert_eq!(
        set.json(),
        json!([{
            "name": "one", "match": {}, "per": "ip",
            "limit": { "rate": { "per_second": 0.001, "burst": 1 } }, "retry_after": { "seconds": 9 }
        }])
    );
    assert_eq!(idp.token(&form).await.status, 200);
    let refused = idp.token(&form).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (429, Some("9"))
    );
    let metrics = idp.get("/metrics").await;
    let line = r#"mockidp_throttled_requests_total{policy="rate"} 1"#;
    assert!(
        metrics.text().lines().any(|known| known == line),
        "{}",
        metrics.text()
    );
    let twice = json!([one_at_all, one_at_all]);
    assert_eq!(
        send(Method::PUT, "/admin/throttles", Some(twice))
            .await
            .status,
        400
    );
    assert_eq!(
        idp.token(&form).await.status,
        429,
        "a bad list changes nothing"
    );
    assert_eq!(
        send(Method::DELETE, "/admin/throttles/one", None)
            .await
            .json(),
        json!([])
    );
    assert_eq!(idp.token(&form).await.status, 200);
}
