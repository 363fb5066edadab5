//! Signing in without a page: who is signed in, and where the answer goes.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::{APP, Answer, Door, REDIRECT, TENANT, TestServer, claims, form, header_of};

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
        ("response_type", "none", "unsupported_response_type"),
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

/// What an application that asks for this hears, after `separator`.
async fn hears(
    idp: &impl Door,
    separator: char,
    asked: &[(&str, &str)],
) -> HashMap<String, String> {
    let mut all = vec![
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("login_hint", "alice@contoso.com"),
    ];
    all.extend_from_slice(asked);
    let path = format!("/{TENANT}/oauth2/v2.0/authorize?{}", form(&all));
    idp.get(&path).await.redirect(separator)
}

/// What an ID token says of something that came with it.
fn half_hash(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

#[tokio::test]
async fn tokens_may_come_through_the_browser() {
    let idp = TestServer::start().await;
    let scope = ("scope", "openid profile api://x/read");
    let nonce = ("nonce", "n-1");

    // A sign-in alone, posted to the application as web frameworks have it.
    let path = form(&[
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("login_hint", "alice@contoso.com"),
        ("response_type", "id_token"),
        ("response_mode", "form_post"),
        scope,
        nonce,
    ]);
    let page = idp
        .get(&format!("/{TENANT}/oauth2/v2.0/authorize?{path}"))
        .await;
    assert!(page.text().contains("name=\"id_token\""), "{}", page.text());
    assert!(!page.text().contains("name=\"code\""), "{}", page.text());

    // With a code to go on with; the fragment is where tokens go unless told otherwise.
    let heard = hears(
        &idp,
        '#',
        &[("response_type", "code id_token"), scope, nonce],
    )
    .await;
    let id = claims(&heard["id_token"]);
    assert_eq!((&id["nonce"], &id["aud"]), (&"n-1".into(), &APP.into()));
    assert_eq!(id["c_hash"], half_hash(&heard["code"]));
    assert_eq!(id["preferred_username"], "alice@contoso.com");
    assert!(!heard.contains_key("access_token"));
    let redeemed = redeem(&idp, &heard["code"]).await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.text());
    let token = claims(&redeemed.member("access_token"));
    assert_eq!(token["oid"], id["oid"]);

    // All of it at once.
    let heard = hears(
        &idp,
        '#',
        &[("response_type", "id_token token"), scope, nonce],
    )
    .await;
    let (id, token) = (claims(&heard["id_token"]), claims(&heard["access_token"]));
    assert_eq!(id["at_hash"], half_hash(&heard["access_token"]));
    assert_eq!(
        (&token["scp"], &token["azpacr"]),
        (&"read".into(), &"0".into())
    );
    assert_eq!(
        (heard["token_type"].as_str(), heard["expires_in"].as_str()),
        ("Bearer", "3599")
    );
    let header = header_of(&heard["id_token"]);
    let keys = idp.get("/common/discovery/v2.0/keys").await.json();
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
    let ledger = idp.server.ledger();
    assert_eq!((ledger.token_requests, ledger.tokens_issued), (1, 2));
}

#[tokio::test]
async fn tokens_need_a_nonce_and_are_never_in_a_query() {
    let idp = TestServer::start().await;
    let asked = [("response_type", "id_token"), ("scope", "openid")];
    let refused = hears(&idp, '#', &asked).await;
    assert_eq!(refused["error"], "invalid_request");
    assert!(
        refused["error_description"].contains("nonce"),
        "{refused:?}"
    );
    let query = form(&[
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("response_mode", "query"),
        asked[0],
        asked[1],
        ("nonce", "n-1"),
    ]);
    let answer = idp
        .get(&format!("/{TENANT}/oauth2/v2.0/authorize?{query}"))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("AADSTS70007"), "{}", answer.text());
    let unknown = hears(&idp, '?', &[("response_type", "code token"), asked[1]]).await;
    assert_eq!(unknown["error"], "unsupported_response_type");
}
