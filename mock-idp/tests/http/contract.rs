//! What every answer keeps to, whatever is asked: the default-response contract of `entra-wire`,
//! section 6.

use http::Method;
use mock_idp::Config;
use serde_json::{Value, json};

use crate::admin::admin;
use crate::support::{APP, Answer, Door, InProcess, TENANT, TestServer, client_credentials};

fn members(answer: &Answer) -> String {
    let body = answer.json();
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.join(" ")
}

#[tokio::test]
async fn an_application_gets_exactly_four_members_with_whole_numbers() {
    let idp = InProcess::new(Config::default());
    for extra in [None, Some(("client_info", "1")), Some(("client_info", "2"))] {
        let mut ask = client_credentials("api://x/.default openid offline_access profile");
        ask.extend(extra);
        let answer = idp.token(&ask).await;
        assert_eq!(
            members(&answer),
            "access_token expires_in ext_expires_in token_type",
            "{extra:?}"
        );
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert!(body["expires_in"].is_u64() && body["ext_expires_in"].is_u64());
    }
}

#[tokio::test]
async fn a_user_gets_every_scope_asked_for_but_the_one_for_refreshing() {
    let idp = InProcess::new(Config::default());
    let answer = idp
        .sign_in("alice@contoso.com", "api://x/read api://x/.default")
        .await;
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    for name in ["expires_in", "ext_expires_in"] {
        assert!(body[name].is_u64(), "{name}");
    }
    // Answers for Graph name the OpenID scopes as well; those for other resources do not.
    for (asked, in_answer) in [
        (
            "api://x/read api://x/.default",
            "api://x/read api://x/.default",
        ),
        ("User.Read Mail.Read", "User.Read Mail.Read openid profile"),
    ] {
        let granted = idp
            .sign_in("alice@contoso.com", asked)
            .await
            .member("scope");
        let granted: Vec<_> = granted.split(' ').collect();
        for scope in in_answer.split(' ') {
            assert!(granted.contains(&scope), "{scope} is not in {granted:?}");
        }
        assert!(!granted.contains(&"offline_access"));
    }
}

#[tokio::test]
async fn machines_get_numbers_as_text() {
    let idp = TestServer::with(Config {
        imds: Some(([127, 0, 0, 1], 0).into()),
        ..Config::default()
    })
    .await;
    let address = idp.server.imds_addr().unwrap();
    let request = http::Request::get(format!(
        "http://{address}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://x"
    ))
    .header("metadata", "true");
    let answer = idp
        .send(request.body(http_body_util::Full::default()).unwrap())
        .await;
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    for name in ["expires_in", "expires_on", "ext_expires_in", "not_before"] {
        assert!(body[name].is_string(), "{name}: {body}");
    }
}

#[tokio::test]
async fn every_error_is_json_and_its_description_needs_no_escape() {
    let idp = InProcess::new(Config::default());
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let hostile = "\"\\\r\n<é>";
    let mut answers = vec![
        idp.get(&path).await,
        idp.token(&[]).await,
        idp.token(&[("grant_type", hostile)]).await,
        idp.token(&client_credentials(hostile)).await,
        idp.token(&client_credentials("api://x/read")).await,
        idp.token(&[("grant_type", "client_credentials"), ("client_id", APP)])
            .await,
        idp.post(
            "/nowhere/oauth2/v2.0/token",
            &client_credentials("api://x/.default"),
        )
        .await,
    ];
    for code in [50_076, 50_196, 90_033, 90_055, 7_000_215, 700_038] {
        let rule = json!({ "name": "a", "fault": { "kind": "aadsts", "code": code } });
        admin(&idp, Method::PUT, "/admin/faults", Some(json!([rule]))).await;
        answers.push(idp.token(&client_credentials("api://x/.default")).await);
    }
    for answer in answers {
        assert!(answer.status.as_u16() >= 400);
        let text = answer.text();
        let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
        assert!(
            body["error"].is_string() && body["error_codes"][0].is_u64(),
            "{text}"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(
            text.contains(&format!("\"error_description\":\"{description}\"")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_older_style_of_descriptions_is_a_choice() {
    let idp = InProcess::new(Config {
        error_style: mock_idp::ErrorStyle::Crlf,
        ..Config::default()
    });
    let description = idp.token(&[]).await.member("error_description");
    assert!(description.contains("\r\nTrace ID: "), "{description}");
}
