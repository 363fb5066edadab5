//! Sign-ins by device code, and by name and password.

use std::time::Duration;

use mock_idp::{Config, DeviceApproval};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{APP, Answer, Door, InProcess, SERVICE, TENANT, TestServer, claims};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "api://service/read openid offline_access";

async fn start(idp: &impl Door) -> Answer {
    let path = format!("/{TENANT}/oauth2/v2.0/devicecode");
    let answer = idp
        .post(&path, &[("client_id", APP), ("scope", SCOPE)])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn poll(idp: &impl Door, device_code: &str) -> Answer {
    idp.token(&[
        ("grant_type", GRANT),
        ("client_id", APP),
        ("device_code", device_code),
    ])
    .await
}

fn waiting() -> InProcess {
    InProcess::new(Config {
        device_approval: DeviceApproval::OnPage,
        ..Config::default()
    })
}

fn refused(answer: &Answer) -> (String, u64) {
    let (status, error, code) = answer.refusal();
    assert_eq!(status, 400);
    (error, code)
}

#[tokio::test(start_paused = true)]
async fn a_device_waits_for_its_user() {
    let idp = waiting();
    let started = start(&idp).await;
    let body = started.json();
    assert_eq!(
        (&body["expires_in"], &body["interval"]),
        (&json!(900), &json!(5))
    );
    let (code, user_code) = (started.member("device_code"), started.member("user_code"));
    let place = started.member("verification_uri");
    assert!(place.ends_with("/devicelogin"), "{place}");
    let message = started.member("message");
    assert!(
        message.contains(&place) && message.contains(&user_code),
        "{message}"
    );

    let pending = ("authorization_pending".to_owned(), 70_016);
    assert_eq!(refused(&poll(&idp, &code).await), pending);
    assert_eq!(refused(&poll(&idp, &code).await).0, "slow_down");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(refused(&poll(&idp, &code).await), pending);

    let page = idp
        .get(&format!("/devicelogin?user_code={user_code}"))
        .await;
    assert!(
        page.text().contains(&format!("value=\"{user_code}\"")),
        "{}",
        page.text()
    );
    let decision = [
        ("user_code", user_code.as_str()),
        ("username", "alice@contoso.com"),
    ];
    assert_eq!(idp.post("/devicelogin", &decision).await.status, 200);
    // The code was decided upon: nobody can decide again.
    let again = idp.post("/common/oauth2/deviceauth", &decision).await;
    assert!(again.text().contains("AADSTS70018"), "{}", again.text());

    let answer = poll(&idp, &code).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.member("scope"), "api://service/read");
    let token = claims(&answer.member("access_token"));
    assert_eq!(token["preferred_username"], "alice@contoso.com");
    assert!(claims(&answer.member("id_token")).get("nonce").is_none());
    answer.member("refresh_token");
    assert_eq!(
        refused(&poll(&idp, &code).await),
        ("invalid_grant".to_owned(), 54_005)
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_may_decline_and_a_code_ends() {
    let idp = waiting();
    let started = start(&idp).await;
    let (code, user_code) = (started.member("device_code"), started.member("user_code"));
    let decline = [("user_code", user_code.as_str()), ("decision", "decline")];
    assert_eq!(idp.post("/devicelogin", &decline).await.status, 200);
    let declined = ("authorization_declined".to_owned(), 90_120);
    assert_eq!(refused(&poll(&idp, &code).await), declined);

    let late = start(&idp).await;
    sleep(Duration::from_mins(15)).await;
    let expired = poll(&idp, &late.member("device_code")).await;
    assert_eq!(refused(&expired), ("expired_token".to_owned(), 70_019));
    let user_code = late.member("user_code");
    let page = idp.post("/devicelogin", &[("user_code", &user_code)]).await;
    assert!(page.text().contains("AADSTS70018"), "{}", page.text());
}

#[tokio::test]
async fn a_device_code_is_for_its_application_and_tenant() {
    let idp = TestServer::start().await;
    let code = start(&idp).await.member("device_code");
    let form = [
        ("grant_type", GRANT),
        ("client_id", SERVICE),
        ("device_code", &code),
    ];
    assert_eq!(
        refused(&idp.token(&form).await),
        ("invalid_grant".to_owned(), 70_000)
    );
    let form = [
        ("grant_type", GRANT),
        ("client_id", APP),
        ("device_code", &code),
    ];
    let elsewhere = idp.post("/common/oauth2/v2.0/token", &form).await;
    assert_eq!(refused(&elsewhere), ("invalid_grant".to_owned(), 700_005));
    let unknown = ("bad_verification_code".to_owned(), 70_018);
    assert_eq!(refused(&poll(&idp, "x").await), unknown);
    assert_eq!(poll(&idp, &code).await.status, 200);
}

#[tokio::test]
async fn both_names_of_the_grant_and_of_the_code_are_known() {
    let idp = TestServer::start().await;
    for (grant, name) in [(GRANT, "code"), ("device_code", "device_code")] {
        let code = start(&idp).await.member("device_code");
        let form = [("grant_type", grant), ("client_id", APP), (name, &code)];
        assert_eq!(idp.token(&form).await.status, 200, "{grant} {name}");
    }
    let ledger = idp.server.ledger();
    assert_eq!(ledger.by_grant[&mock_idp::GrantType::DeviceCode], 2);

    let form = [
        ("client_id", APP),
        ("resource", "https://management.azure.com/"),
    ];
    let v1 = idp.post("/common/oauth2/devicecode", &form).await;
    assert_eq!(
        (v1.member("expires_in"), v1.member("interval")),
        ("900".into(), "5".into())
    );
    v1.member("verification_url");
    let code = v1.member("device_code");
    let form = [
        ("grant_type", "device_code"),
        ("client_id", APP),
        ("code", &code),
    ];
    let answer = idp.post("/common/oauth2/token", &form).await;
    assert_eq!(
        claims(&answer.member("access_token"))["aud"],
        "https://management.azure.com"
    );
}

#[tokio::test]
async fn the_page_shows_what_it_is_given_harmlessly() {
    let idp = TestServer::start().await;
    let page = idp.get("/devicelogin?user_code=%22%3E%3Cscript%3E").await;
    assert!(!page.text().contains("<script>"), "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let empty = idp.post("/devicelogin", &[]).await;
    assert!(
        empty.status == 400 && empty.text().contains("AADSTS90119"),
        "{}",
        empty.text()
    );
}

#[tokio::test]
async fn a_user_may_hand_over_name_and_password() {
    let idp = TestServer::start().await;
    let form = |user, password| {
        [
            ("grant_type", "password"),
            ("client_id", APP),
            ("username", user),
            ("password", password),
            ("scope", SCOPE),
        ]
    };
    let good = form("alice@contoso.com", "pass");
    let answer = idp.token(&good).await;
    let token = claims(&answer.member("access_token"));
    assert_eq!(
        (&token["scp"], &token["azpacr"]),
        (&json!("read"), &json!("0"))
    );
    answer.member("refresh_token");
    for (form, code) in [
        (form("", "pass"), 900_144),
        (form("alice", ""), 900_144),
        (form("a\tb", "pass"), 9_002_313),
    ] {
        assert_eq!(refused(&idp.token(&form).await).1, code, "{form:?}");
    }
    for (tenant, status) in [("organizations", 200), ("common", 400), ("consumers", 400)] {
        let answer = idp
            .post(&format!("/{tenant}/oauth2/v2.0/token"), &good)
            .await;
        assert_eq!(answer.status, status, "{tenant}: {}", answer.text());
    }
}
