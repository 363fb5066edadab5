//! The server as a whole, steered while it runs: configuration, snapshots, reset, runs apart.

use http::Method;
use mock_idp::{AdminToken, Config};
use serde_json::{Value, json};

use crate::admin::admin;
use crate::support::{
    APP, Answer, Door, InProcess, TENANT, TestServer, claims, client_credentials, form,
};

/// A run of another door: all paths begin with its own.
struct In<'a, D>(&'a D, &'static str);

impl<D: Door> Door for In<'_, D> {
    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        self.0.request(method, &format!("{}{path}", self.1))
    }

    async fn send(&self, request: http::Request<http_body_util::Full<bytes::Bytes>>) -> Answer {
        self.0.send(request).await
    }
}

async fn post(idp: &impl Door, path: &str, body: Value) -> Answer {
    admin(idp, Method::POST, path, Some(body)).await
}

async fn ask(idp: &impl Door) -> Answer {
    idp.token(&client_credentials("api://x/.default")).await
}

async fn requests(idp: &impl Door) -> u64 {
    let ledger = idp.get("/admin/ledger").await.json();
    ledger["token_requests"].as_u64().unwrap()
}

async fn revoke(idp: &impl Door) {
    let answer = post(idp, "/admin/revoke", json!({ "user": "alice@contoso.com" })).await;
    assert_eq!(answer.status, 200);
}

async fn refresh(idp: &impl Door, token: &str) -> u16 {
    let answer = idp
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("refresh_token", token),
        ])
        .await;
    answer.status.as_u16()
}

fn busy() -> Value {
    json!({ "name": "busy", "trigger": { "when": { "first": 2 } },
        "fault": { "kind": "status", "status": 503 } })
}

#[tokio::test]
async fn runs_do_not_see_each_other() {
    let idp = TestServer::start().await;
    for name in ["one", "two"] {
        let path = format!("/admin/runs/{name}");
        assert_eq!(admin(&idp, Method::PUT, &path, None).await.status, 200);
    }
    let (one, two) = (In(&idp, "/run/one"), In(&idp, "/run/two"));
    post(&one, "/admin/faults", busy()).await;
    post(&one, "/admin/clock", json!({ "offset": "24h" })).await;
    assert_eq!(ask(&one).await.status, 503);
    assert_eq!(ask(&two).await.status, 200);
    assert_eq!(ask(&idp).await.status, 200);
    assert_eq!(ask(&one).await.status, 503);
    let [late, right] = [ask(&one).await, ask(&two).await];
    assert_eq!(
        [
            requests(&one).await,
            requests(&two).await,
            requests(&idp).await
        ],
        [3, 2, 1]
    );

    // Each speaks of itself, and issues in its own name.
    let document = one
        .get("/common/v2.0/.well-known/openid-configuration")
        .await
        .json();
    let base = format!("{}/run/one/", idp.origin());
    for member in ["issuer", "token_endpoint", "jwks_uri"] {
        assert!(
            document[member].as_str().unwrap().starts_with(&base),
            "{member}"
        );
    }
    let late = claims(&late.member("access_token"));
    let right = claims(&right.member("access_token"));
    assert_eq!(late["iss"], format!("{base}{TENANT}/v2.0"));
    let ahead = late["nbf"].as_u64().unwrap() - right["nbf"].as_u64().unwrap();
    assert!((24 * 3600 - 60..24 * 3600 + 60).contains(&ahead), "{ahead}");

    // What one issued or revoked is nothing to the other.
    let signed_in = two.sign_in("alice@contoso.com", "api://x/read").await;
    let token = signed_in.member("refresh_token");
    assert_eq!(refresh(&one, &token).await, 400);
    revoke(&one).await;
    assert_eq!(refresh(&two, &token).await, 200);
    revoke(&two).await;
    assert_eq!(refresh(&two, &token).await, 400);

    // Keys begin the same and go their own way.
    let kids = async |path: &str| idp.get(path).await.json()["keys"].clone();
    let [a, b] = [
        "/run/one/organizations/discovery/keys",
        "/run/two/organizations/discovery/keys",
    ];
    assert_eq!(kids(a).await, kids(b).await);
    post(&one, "/admin/keys/rollover", json!({ "emergency": true })).await;
    assert_ne!(kids(a).await, kids(b).await);
}

#[tokio::test]
async fn runs_are_begun_listed_and_ended() {
    let idp = InProcess::new(Config {
        runs: vec!["configured".to_owned()],
        ..Config::default()
    });
    let configured = In(&idp, "/run/configured");
    assert_eq!(ask(&configured).await.status, 200);
    let listed = idp.get("/admin/runs").await.json();
    assert_eq!(
        listed,
        json!([{ "name": "configured", "path": "/run/configured", "token_requests": 1 }])
    );
    assert_eq!(ask(&In(&idp, "/run/other")).await.status, 404);
    let begin = |name: &str| {
        let path = format!("/admin/runs/{name}");
        let idp = &idp;
        async move { admin(idp, Method::PUT, &path, None).await.status.as_u16() }
    };
    assert_eq!(begin("configured").await, 200);
    assert_eq!(requests(&configured).await, 1, "it goes on");
    assert_eq!(begin("a+b").await, 400);
    let nested = admin(&configured, Method::PUT, "/admin/runs/more", None).await;
    assert_eq!(nested.status, 400);
    for number in 1..64 {
        assert_eq!(begin(&format!("run-{number}")).await, 200);
    }
    assert_eq!(begin("one-too-many").await, 409);
    let end = || admin(&idp, Method::DELETE, "/admin/runs/configured", None);
    assert_eq!(end().await.status, 200);
    assert_eq!(end().await.status, 404);
    assert_eq!(ask(&configured).await.status, 404);
}

#[tokio::test]
async fn the_pages_of_a_run_lead_back_into_it() {
    let idp = InProcess::new(Config {
        runs: vec!["one".to_owned()],
        sign_in: mock_idp::SignInBy::Page,
        ..Config::default()
    });
    let page = In(&idp, "/run/one").authorize(&[("scope", "openid")]).await;
    let form = format!("action=\"/run/one/{TENANT}/login\"");
    assert!(page.text().contains(&form), "{}", page.text());
}

#[tokio::test]
async fn a_runs_admin_api_wants_the_token_too() {
    let idp = InProcess::new(Config {
        runs: vec!["one".to_owned()],
        admin_token: AdminToken::new("open-sesame"),
        ..Config::default()
    });
    for path in [
        "/run/one/admin/ledger",
        "/admin/runs",
        "/admin/snapshots",
        "/admin/keys",
    ] {
        assert_eq!(idp.get(path).await.status, 401, "{path}");
    }
    assert_eq!(ask(&In(&idp, "/run/one")).await.status, 200);
}

#[tokio::test]
async fn machines_have_runs_too() {
    let idp = TestServer::with(Config {
        imds: Some(([127, 0, 0, 1], 0).into()),
        runs: vec!["one".to_owned()],
        ..Config::default()
    })
    .await;
    let address = idp.server.imds_addr().unwrap();
    let query = form(&[("api-version", "2018-02-01"), ("resource", "api://x")]);
    let path = "/run/one/metadata/identity/oauth2/token";
    let request = http::Request::get(format!("http://{address}{path}?{query}"));
    let request = request.header("metadata", "true");
    let answer = idp
        .send(request.body(http_body_util::Full::default()).unwrap())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(requests(&In(&idp, "/run/one")).await, 1);
    assert_eq!(requests(&idp).await, 0);
}

#[tokio::test]
async fn a_snapshot_brings_back_all_but_the_ledger() {
    let idp = InProcess::new(Config::default());
    let token = idp.sign_in("alice@contoso.com", "api://x/read").await;
    let token = token.member("refresh_token");
    post(&idp, "/admin/faults", busy()).await;
    assert_eq!(ask(&idp).await.status, 503);
    let kids = async || idp.get("/organizations/discovery/keys").await.json();
    let before = kids().await;
    let keep = |name: &str| {
        let path = format!("/admin/snapshots/{name}");
        let idp = &idp;
        async move { admin(idp, Method::PUT, &path, None).await.status.as_u16() }
    };
    assert_eq!(keep("start").await, 200);

    revoke(&idp).await;
    post(
        &idp,
        "/admin/clock",
        json!({ "offset": "1h", "frozen": true }),
    )
    .await;
    post(&idp, "/admin/keys/rollover", json!({ "emergency": true })).await;
    post(
        &idp,
        "/admin/config",
        json!({ "lifetimes": { "expires_in": "10m" } }),
    )
    .await;
    assert_eq!([ask(&idp).await.status, ask(&idp).await.status], [503, 200]);
    admin(&idp, Method::PUT, "/admin/faults", Some(json!([]))).await;
    let count = requests(&idp).await;

    let restored = admin(
        &idp,
        Method::POST,
        "/admin/snapshots/start",
        Some(json!({})),
    )
    .await;
    assert_eq!(restored.json(), json!(["start"]));
    assert_eq!(kids().await, before);
    let clock = idp.get("/admin/clock").await.json();
    assert_eq!(
        (&clock["offset"], &clock["frozen"]),
        (&json!("0s"), &json!(false))
    );
    assert_eq!(
        ask(&idp).await.status,
        503,
        "the second of the first two, again"
    );
    assert_eq!(ask(&idp).await.json()["expires_in"], 3599);
    assert_eq!(refresh(&idp, &token).await, 200);
    assert_eq!(
        requests(&idp).await,
        count + 3,
        "what was asked stays asked"
    );

    for number in 0..7 {
        assert_eq!(keep(&format!("more-{number}")).await, 200);
    }
    assert_eq!((keep("start").await, keep("another").await), (200, 409));
    let forget = || admin(&idp, Method::DELETE, "/admin/snapshots/start", None);
    assert_eq!(
        (
            forget().await.status.as_u16(),
            forget().await.status.as_u16()
        ),
        (200, 404)
    );
    let gone = post(&idp, "/admin/snapshots/start", json!({})).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_reset_is_a_new_start() {
    let rule = serde_json::from_value(busy()).unwrap();
    let idp = InProcess::new(Config {
        rules: vec![rule],
        runs: vec!["one".to_owned()],
        ..Config::default()
    });
    let first = [
        ask(&idp).await.status,
        ask(&idp).await.status,
        ask(&idp).await.status,
    ];
    assert_eq!(first.map(|status| status.as_u16()), [503, 503, 200]);
    ask(&In(&idp, "/run/one")).await;
    let token = idp.sign_in("alice@contoso.com", "api://x/read").await;
    let token = token.member("refresh_token");
    revoke(&idp).await;
    post(&idp, "/admin/clock", json!({ "offset": "1h" })).await;
    admin(&idp, Method::PUT, "/admin/faults", Some(json!([]))).await;

    assert_eq!(post(&idp, "/admin/reset", json!({})).await.status, 200);
    assert_eq!(requests(&idp).await, 0);
    assert_eq!(idp.get("/admin/clock").await.json()["offset"], "0s");
    let again = [
        ask(&idp).await.status,
        ask(&idp).await.status,
        ask(&idp).await.status,
    ];
    assert_eq!(again, first);
    assert_eq!(refresh(&idp, &token).await, 200, "nothing is revoked");
    assert_eq!(requests(&In(&idp, "/run/one")).await, 0);
}

#[tokio::test]
async fn the_configuration_changes_while_the_server_runs() {
    let idp = InProcess::new(Config::default());
    let change = async |body: Value| {
        let answer = post(&idp, "/admin/config", body).await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    post(&idp, "/admin/faults", busy()).await;
    let (status, text) = change(json!({
        "lifetimes": { "expires_in": "10m", "refresh_in": "5m" },
        "issuer": "microsoft",
        "error_style": "crlf",
        "tokens": [{ "claims": { "department": "x" } }],
    }))
    .await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(
        [ask(&idp).await.status, ask(&idp).await.status],
        [503, 503],
        "rules stay"
    );
    let answer = ask(&idp).await;
    let body = answer.json();
    assert_eq!(
        (&body["expires_in"], &body["refresh_in"]),
        (&json!(600), &json!(300))
    );
    let in_token = claims(&answer.member("access_token"));
    assert_eq!(in_token["department"], "x");
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    assert_eq!(in_token["iss"], issuer);

    // A directory closes.
    change(json!({ "tenants": [{ "id": TENANT }] })).await;
    assert_eq!(ask(&idp).await.refusal().2, 700_016);

    for (body, words) in [
        (
            json!({ "lifetimes": { "expires_in": "0s" } }),
            "lifetimes.expires_in",
        ),
        (json!({ "rules": [{ "name": "A" }] }), "rules[0]"),
        (json!({ "server": { "seed": 1 } }), "only with a start"),
        (json!({ "more": 1 }), "unknown field `more`"),
    ] {
        let (status, text) = change(body).await;
        assert_eq!(status, 400);
        assert!(text.contains(words), "{text}");
    }
    let schema = idp.get("/admin/config/schema").await.json();
    assert!(schema["properties"]["lifetimes"].is_object());
}
