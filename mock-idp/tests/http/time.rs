//! What time does to answers. The runtime's clock is paused, so these tests take none.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use mock_idp::{Config, Latencies, Latency, Lifetimes};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::admin::admin;
use crate::support::{
    APP, Door as _, InProcess, REDIRECT, SERVICE, TENANT, client_credentials, form,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn with_token_latency(token: Latency) -> InProcess {
    let latency = Latencies {
        token,
        ..Latencies::default()
    };
    InProcess::new(Config {
        latency,
        seed: 7,
        ..Config::default()
    })
}

/// How long a token request takes whose body arrives `late` after its headers.
async fn time_to_answer(idp: &InProcess, late: Duration) -> Duration {
    let body = form(&client_credentials("api://x/.default"));
    let body = stream::once(async move {
        sleep(late).await;
        Ok::<_, std::convert::Infallible>(body)
    });
    let request = Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from_stream(body))
        .unwrap();
    let started = Instant::now();
    let response = idp.call(request).await;
    assert_eq!(response.status(), 200);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn work_counts_towards_the_latency() {
    let idp = with_token_latency(Latency::Fixed(MS(500)));
    assert_eq!(time_to_answer(&idp, MS(0)).await, MS(500));
    assert_eq!(time_to_answer(&idp, MS(300)).await, MS(500));
    assert_eq!(time_to_answer(&idp, MS(700)).await, MS(700));
}

#[tokio::test(start_paused = true)]
async fn latencies_are_drawn_from_the_seed() {
    let latency = Latency::LogNormal {
        median: MS(40),
        p99: MS(250),
    };
    let draw = async || {
        let idp = with_token_latency(latency.clone());
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(time_to_answer(&idp, MS(0)).await);
        }
        times
    };
    let times = draw().await;
    assert_eq!(draw().await, times);
    assert_ne!(times[0], times[1]);
}

#[tokio::test(start_paused = true)]
async fn refusals_take_their_time_too_and_other_endpoints_do_not() {
    let idp = with_token_latency(Latency::Fixed(MS(500)));
    let started = Instant::now();
    assert_eq!(idp.token(&[]).await.status, 400);
    assert_eq!(started.elapsed(), MS(500));
    idp.get("/common/discovery/v2.0/keys").await;
    assert_eq!(started.elapsed(), MS(500));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_dawdles_is_refused_and_counted() {
    let idp = InProcess::new(Config::default());
    let body = stream::unfold((), async |()| {
        sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::convert::Infallible>("a"), ()))
    });
    let request = Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from_stream(body))
        .unwrap();
    assert_eq!(idp.call(request).await.status(), 408);
    assert_eq!(idp.idp.ledger().by_status[&408], 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_client_leaves_is_counted() {
    let idp = with_token_latency(Latency::Fixed(MS(500)));
    let form = client_credentials("api://x/.default");
    let answer = tokio::time::timeout(MS(100), idp.token(&form)).await;
    assert!(answer.is_err());
    let ledger = idp.idp.ledger();
    assert_eq!(ledger.by_status[&499], 1);
    assert_eq!(ledger.token_requests, 1);
    assert_eq!(ledger.by_grant[&mock_idp::GrantType::ClientCredentials], 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_frozen_clock_are_of_one_time() {
    let idp = InProcess::new(Config::default());
    let issued_at = async || {
        let answer = idp.token(&client_credentials("api://x/.default")).await;
        let claims = crate::support::claims(&answer.member("access_token"));
        let time = |name: &str| claims[name].as_u64().unwrap();
        assert!(time("nbf") <= time("iat") && time("iat") < time("exp"));
        time("iat")
    };
    let change = |change| admin(&idp, Method::POST, "/admin/clock", Some(change));
    change(json!({ "frozen": true })).await;
    let first = issued_at().await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(issued_at().await, first);
    change(json!({ "advance": "1h" })).await;
    assert_eq!(issued_at().await, first + 3600);
    change(json!({ "frozen": false })).await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(issued_at().await, first + 3600 + 300);
}

fn with_lifetimes() -> InProcess {
    InProcess::new(Config {
        lifetimes: Lifetimes {
            refresh_token: Duration::from_hours(24),
            ..Lifetimes::default()
        },
        ..Config::default()
    })
}

#[tokio::test(start_paused = true)]
async fn codes_refresh_tokens_and_assertions_expire() {
    let idp = with_lifetimes();
    let code = idp.authorize(&[("scope", "openid")]).await.redirect('?')["code"].clone();
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    sleep(Duration::from_mins(10)).await;
    assert_eq!(
        idp.token(&redeem).await.refusal(),
        (400, "invalid_grant".to_owned(), 70_008)
    );

    let signed_in = idp
        .sign_in("alice@contoso.com", &format!("api://{SERVICE}/read"))
        .await;
    let (assertion, refresh_token) = (
        signed_in.member("access_token"),
        signed_in.member("refresh_token"),
    );
    sleep(Duration::from_secs(3598)).await;
    assert_eq!(idp.on_behalf_of(&assertion, "api://z/x").await.status, 200);
    sleep(Duration::from_secs(2)).await;
    let late = idp.on_behalf_of(&assertion, "api://z/x").await;
    assert_eq!(late.refusal(), (400, "invalid_grant".to_owned(), 500_133));

    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("refresh_token", &refresh_token),
    ];
    sleep(Duration::from_hours(22)).await;
    assert_eq!(idp.token(&refresh).await.status, 200);
    sleep(Duration::from_hours(1)).await;
    let late = idp.token(&refresh).await;
    assert_eq!(late.refusal(), (400, "invalid_grant".to_owned(), 700_082));
    let says = late.member("error_description");
    assert!(says.contains("was inactive for 1.00:00:00."), "{says}");
}

#[tokio::test(start_paused = true)]
async fn a_single_page_application_has_its_user_sign_in_each_day() {
    let idp = InProcess::new(Config::default());
    let ask = async |more: &[(&str, &str)], site: Option<&str>| {
        let mut all = vec![("client_id", APP)];
        all.extend_from_slice(more);
        let mut request = idp
            .request(Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(site) = site {
            request = request.header("origin", site);
        }
        idp.send(request.body(form(&all).into()).unwrap()).await
    };
    for (site, later) in [(Some("https://app.example"), Some(700_084)), (None, None)] {
        let scope = ("scope", "User.Read openid offline_access");
        let challenge = ("code_challenge", "verifier");
        let redirect = idp.authorize(&[scope, challenge]).await.redirect('?');
        let code = [
            ("grant_type", "authorization_code"),
            ("code", &*redirect["code"]),
            ("redirect_uri", REDIRECT),
            ("code_verifier", "verifier"),
        ];
        let mut answer = ask(&code, site).await;
        for (hours, lives) in [(20, 86_400), (3, 4 * 3600)] {
            let said = &answer.json()["refresh_token_expires_in"];
            let expected = if site.is_some() {
                json!(lives)
            } else {
                Value::Null
            };
            assert_eq!(*said, expected);
            sleep(Duration::from_hours(hours)).await;
            let token = answer.member("refresh_token");
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &token)];
            answer = ask(&refresh, site).await;
        }
        sleep(Duration::from_hours(1)).await;
        let token = answer.member("refresh_token");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &token)];
        answer = ask(&refresh, site).await;
        match later {
            Some(code) => {
                let says = answer.member("error_description");
                assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned(), code));
                assert!(says.contains("limited lifetime of 1.00:00:00,"), "{says}");
            }
            None => assert_eq!(answer.status, 200, "{}", answer.text()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_renewed_inside_the_expiry_buffer_is_not_redundant() {
    let idp = with_lifetimes();
    let form = client_credentials("api://x/.default");
    idp.token(&form).await;
    sleep(Duration::from_secs(3300)).await;
    idp.token(&form).await;
    assert_eq!(idp.idp.ledger().redundant_token_requests, 0);
    idp.token(&form).await;
    assert_eq!(idp.idp.ledger().redundant_token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_ids() {
    let ids = async || {
        let idp = InProcess::new(Config {
            seed: 42,
            ..Config::default()
        });
        let token = idp.token(&client_credentials("api://x/.default")).await;
        crate::support::claims(&token.member("access_token"))["uti"].clone()
    };
    assert_eq!(ids().await, ids().await);
}

#[tokio::test]
async fn lifetimes_vary_within_their_jitter_and_with_the_seed() {
    let lifetimes = async |seed| {
        let idp = InProcess::new(Config {
            seed,
            lifetimes: Lifetimes {
                expires_in: Duration::from_mins(60),
                jitter: Duration::from_mins(30),
                ..Lifetimes::default()
            },
            ..Config::default()
        });
        let mut lifetimes = Vec::new();
        for _ in 0..50 {
            let answer = idp.token(&client_credentials("api://x/.default")).await;
            let expires_in = answer.json()["expires_in"].as_u64().unwrap();
            assert_eq!(answer.json()["ext_expires_in"], expires_in);
            let claims = crate::support::claims(&answer.member("access_token"));
            let span = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert!(span.abs_diff(expires_in + 300) <= 1, "{span} {expires_in}");
            lifetimes.push(expires_in);
        }
        lifetimes
    };
    let drawn = lifetimes(7).await;
    assert!(
        drawn.iter().all(|time| (3600..=5400).contains(time)),
        "{drawn:?}"
    );
    let spread = drawn.iter().max().unwrap() - drawn.iter().min().unwrap();
    assert!(spread > 1200, "{drawn:?}");
    assert_eq!(lifetimes(7).await, drawn);
    assert_ne!(lifetimes(8).await, drawn);
}
