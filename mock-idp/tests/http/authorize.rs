//! Signing in without a page: who is signed in, and where the answer goes.

use crate::support::{APP, Answer, Door as _, REDIRECT, TENANT, TestServer, claims, form};

async fn redeem(idp: &TestServer, code: &str) -> Answer {
    idp.token(&[
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("code", code),
        ("redirect_uri", REDIRECT),
    ])
    .await
}

#[tokio::test]
async fn the_answer_goes_where_the_response_mode_says() {
    let idp = TestServer::start().await;
    let state = "a b\"&<c>";
    for (mode, separator) in [("", '?'), ("query", '?'), ("fragment", '#')] {
        let answer = idp
            .authorize(&[
                ("scope", "openid"),
                ("state", state),
                ("response_mode", mode),
            ])
            .await;
        let parameters = answer.redirect(separator);
        assert_eq!(parameters["state"], state);
        assert!(parameters.contains_key("session_state"));
        assert_eq!(redeem(&idp, &parameters["code"]).await.status, 200);
    }
    let answer = idp
        .authorize(&[
            ("scope", "openid"),
            ("state", state),
            ("response_mode", "form_post"),
        ])
        .await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    assert!(
        page.contains(&format!("<form method=\"POST\" action=\"{REDIRECT}\">")),
        "{page}"
    );
    assert!(
        page.contains("name=\"state\" value=\"a b&quot;&amp;&lt;c&gt;\""),
        "{page}"
    );
    let code = page
        .split("name=\"code\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(redeem(&idp, code).await.status, 200);
}

#[tokio::test]
async fn a_form_may_be_posted_as_well() {
    let idp = TestServer::start().await;
    let parameters = [
        ("client_id", APP),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid"),
    ];
    let answer = idp
        .post(&format!("/{TENANT}/oauth2/v2.0/authorize"), &parameters)
        .await;
    assert!(answer.redirect('?').contains_key("code"));
}

#[tokio::test]
async fn whoever_the_hint_names_is_signed_in() {
    let idp = TestServer::start().await;
    let default = format!("user@{TENANT}.onmicrosoft.com");
    for (hint, user) in [
        ("", default.as_str()),
        ("Bob@Contoso.com", "bob@contoso.com"),
    ] {
        let answer = idp
            .authorize(&[("scope", "openid"), ("login_hint", hint)])
            .await;
        let tokens = redeem(&idp, &answer.redirect('?')["code"]).await;
        assert_eq!(
            claims(&tokens.member("id_token"))["preferred_username"],
            user
        );
    }
}

#[tokio::test]
async fn mistakes_are_told_to_the_application() {
    let idp = TestServer::start().await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("client_id", "", "invalid_request"),
        ("scope", "", "invalid_request"),
        ("scope", "api://a/x api://b/x", "invalid_scope"),
        ("code_challenge_method", "md5", "invalid_request"),
    ] {
        let right = [
            ("client_id", APP),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid"),
            ("code_challenge", "c"),
            ("code_challenge_method", "plain"),
            ("state", "s"),
        ];
        let wrong = right.map(|(known, old)| (known, if known == name { value } else { old }));
        let answer = idp
            .get(&format!("/{TENANT}/oauth2/v2.0/authorize?{}", form(&wrong)))
            .await;
        let parameters = answer.redirect('?');
        assert_eq!(parameters["error"], error, "{name}={value}");
        assert!(parameters["error_description"].starts_with("AADSTS"));
        assert_eq!(parameters["state"], "s");
        assert!(!parameters.contains_key("code"));
    }
}

#[tokio::test]
async fn without_an_address_to_trust_the_user_is_told() {
    let idp = TestServer::start().await;
    let base =
        format!("/{TENANT}/oauth2/v2.0/authorize?client_id=a&response_type=code&scope=openid");
    for (query, code) in [
        ("", "AADSTS900971"),
        ("&redirect_uri=javascript:alert(1)", "AADSTS50011"),
        ("&redirect_uri=/relative", "AADSTS50011"),
        ("&redirect_uri=http://x/%23f", "AADSTS50011"),
        (
            "&redirect_uri=http://x/%0d%0aSet-Cookie:%20a",
            "AADSTS50011",
        ),
        (
            "&redirect_uri=http://x/&response_mode=pigeon",
            "AADSTS70007",
        ),
        ("&redirect_uri=%zz", "AADSTS9002313"),
    ] {
        let answer = idp.get(&format!("{base}{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(answer.text().contains(code), "{query}: {}", answer.text());
        assert!(answer.header("location").is_none() && answer.header("set-cookie").is_none());
    }
}
