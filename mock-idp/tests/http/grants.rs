//! What each grant answers.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mock_idp::GrantType;
use serde_json::{Value, json};

use crate::support::{
    APP, Door as _, REDIRECT, SERVICE, TENANT, TestServer, claims, client_credentials,
};

/// The names of an object's members, sorted.
fn members(object: &Value) -> Vec<String> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

/// The claims of a token, verified against the published keys.
async fn verified(idp: &TestServer, token: &str, audience: &str) -> Value {
    let keys = idp.get("/common/discovery/v2.0/keys").await.json();
    let key = &keys["keys"][0];
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    let part = |name: &str| key[name].as_str().unwrap();
    let key = DecodingKey::from_rsa_components(part("n"), part("e")).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[audience]);
    validation.leeway = 0;
    validation.validate_nbf = true;
    jsonwebtoken::decode(token, &key, &validation)
        .unwrap()
        .claims
}

#[tokio::test]
async fn an_application_gets_exactly_entras_four_members() {
    let idp = TestServer::start().await;
    let answer = idp
        .token(&client_credentials("api://service/.default"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        members(&body),
        ["access_token", "expires_in", "ext_expires_in", "token_type"]
    );
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], json!(3599));
    assert_eq!(body["ext_expires_in"], json!(3599));
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
}

#[tokio::test]
async fn an_application_gets_no_client_info_even_when_it_asks() {
    let idp = TestServer::start().await;
    for client_info in ["1", "2"] {
        let mut form = client_credentials("api://service/.default openid offline_access profile");
        form.push(("client_info", client_info));
        assert_eq!(members(&idp.token(&form).await.json()).len(), 4);
    }
}

#[tokio::test]
async fn an_applications_token_has_entras_claims() {
    let idp = TestServer::start().await;
    let scope = format!("api://{SERVICE}/.default");
    let token = idp
        .token(&client_credentials(&scope))
        .await
        .member("access_token");
    let claims = verified(&idp, &token, SERVICE).await;
    assert_eq!(
        members(&claims),
        [
            "aio", "aud", "azp", "azpacr", "exp", "iat", "iss", "nbf", "oid", "rh", "sub", "tid",
            "uti", "ver", "xms_ftd"
        ]
    );
    assert_eq!(claims["iss"], format!("{}/{TENANT}/v2.0", idp.origin()));
    assert_eq!(claims["tid"], TENANT);
    assert_eq!(claims["azp"], APP);
    assert_eq!(claims["azpacr"], "1");
    assert_eq!(claims["ver"], "2.0");
    assert_eq!(claims["oid"], claims["sub"]);
    assert!(claims["exp"].is_u64() && claims["iat"].is_u64());
    assert_eq!(claims["iat"], claims["nbf"]);
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 3599 + 300, "valid from five minutes before");
    // Entra's is 1 324 bytes; its issuer is longer by a few.
    assert!(
        (1_258..=1_390).contains(&token.len()),
        "{} bytes",
        token.len()
    );
}

#[tokio::test]
async fn no_two_tokens_are_alike_but_for_the_account() {
    let idp = TestServer::start().await;
    let token = async || {
        let form = client_credentials("api://service/.default");
        claims(&idp.token(&form).await.member("access_token"))
    };
    let (one, two) = (token().await, token().await);
    for claim in ["uti", "rh", "aio", "xms_ftd"] {
        assert_ne!(one[claim], two[claim], "{claim}");
    }
    for claim in ["oid", "sub", "tid", "aud"] {
        assert_eq!(one[claim], two[claim], "{claim}");
    }
}

#[tokio::test]
async fn a_user_gets_tokens_for_the_account_signed_in() {
    let idp = TestServer::start().await;
    let answer = idp.sign_in("alice@contoso.com", "api://service/read").await;
    let body = answer.json();
    assert_eq!(
        members(&body),
        [
            "access_token",
            "client_info",
            "expires_in",
            "ext_expires_in",
            "id_token",
            "refresh_token",
            "scope",
            "token_type"
        ]
    );
    assert_eq!(body["scope"], "api://service/read", "no OpenID scopes");

    let access = verified(&idp, &answer.member("access_token"), "api://service").await;
    assert_eq!(
        members(&access),
        [
            "aio",
            "aud",
            "azp",
            "azpacr",
            "exp",
            "iat",
            "iss",
            "name",
            "nbf",
            "oid",
            "preferred_username",
            "rh",
            "scp",
            "sub",
            "tid",
            "uti",
            "ver",
            "xms_ftd"
        ]
    );
    assert_eq!(access["scp"], "read");
    assert_eq!(access["preferred_username"], "alice@contoso.com");

    let id = verified(&idp, &answer.member("id_token"), APP).await;
    assert_eq!(
        members(&id),
        [
            "aio",
            "aud",
            "exp",
            "iat",
            "iss",
            "name",
            "nbf",
            "oid",
            "preferred_username",
            "rh",
            "sub",
            "tid",
            "uti",
            "ver"
        ]
    );
    assert_eq!(id["oid"], access["oid"]);
    assert_ne!(
        id["sub"], access["sub"],
        "`sub` is another for each application"
    );
}

#[tokio::test]
async fn client_info_names_the_home_account() {
    let idp = TestServer::start().await;
    let home = format!("alice@{TENANT}.onmicrosoft.com");
    for (user, is_guest) in [(home.as_str(), false), ("alice@contoso.com", true)] {
        let answer = idp.sign_in(user, "api://service/read").await;
        let info = claims(&format!(".{}.", answer.member("client_info")));
        let id = claims(&answer.member("id_token"));
        assert_eq!(id["tid"], TENANT);
        assert_eq!(info["utid"] != TENANT, is_guest, "{user}");
        assert_eq!(info["uid"] != id["oid"], is_guest, "{user}");
    }
}

#[tokio::test]
async fn at_common_a_user_signs_in_to_the_home_tenant() {
    let idp = TestServer::start().await;
    for (tenant, user, home) in [
        ("common", format!("alice@{TENANT}.onmicrosoft.com"), TENANT),
        ("organizations", format!("alice@{TENANT}"), TENANT),
        (
            "consumers",
            "alice".to_owned(),
            "9188040d-6c67-4c5b-b112-36a304b66dad",
        ),
    ] {
        let query = format!(
            "client_id={APP}&response_type=code&redirect_uri={REDIRECT}&scope=openid&login_hint={user}"
        );
        let redirect = idp
            .get(&format!("/{tenant}/oauth2/v2.0/authorize?{query}"))
            .await;
        let code = redirect.redirect('?')["code"].clone();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
        ];
        let answer = idp
            .post(&format!("/{tenant}/oauth2/v2.0/token"), &form)
            .await;
        let id = claims(&answer.member("id_token"));
        assert_eq!(id["tid"], home, "{tenant}");
        assert_eq!(id["iss"], format!("{}/{home}/v2.0", idp.origin()));
    }
}

#[tokio::test]
async fn a_nonce_is_in_the_id_token_of_its_own_sign_in_only() {
    let idp = TestServer::start().await;
    let redirect = idp
        .authorize(&[
            ("scope", "api://service/read openid offline_access"),
            ("nonce", "n-1+2"),
        ])
        .await;
    let code = redirect.redirect('?')["code"].clone();
    let answer = idp
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
        ])
        .await;
    assert_eq!(claims(&answer.member("id_token"))["nonce"], "n-1+2");
    let refreshed = refresh(&idp, &answer.member("refresh_token"), "openid").await;
    assert!(claims(&refreshed.member("id_token")).get("nonce").is_none());
}

async fn refresh(idp: &TestServer, token: &str, scope: &str) -> crate::support::Answer {
    idp.token(&[
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("refresh_token", token),
        ("scope", scope),
    ])
    .await
}

#[tokio::test]
async fn a_refresh_token_is_for_every_resource_and_stays_valid_when_it_is_replaced() {
    let idp = TestServer::start().await;
    let first = idp.sign_in("alice@contoso.com", "api://service/read").await;
    let old = first.member("refresh_token");
    let other = refresh(&idp, &old, "api://other/write openid").await;
    assert_eq!(other.member("scope"), "api://other/write");
    let access = claims(&other.member("access_token"));
    assert_eq!(
        (&access["aud"], &access["scp"]),
        (&json!("api://other"), &json!("write"))
    );
    assert_eq!(access["oid"], claims(&first.member("access_token"))["oid"]);
    let new = other.member("refresh_token");
    assert_ne!(new, old);
    for token in [&old, &new] {
        assert_eq!(refresh(&idp, token, "api://service/read").await.status, 200);
    }
    // Without a scope it is for what it was issued for.
    let same = refresh(&idp, &old, "").await;
    assert_eq!(same.member("scope"), "api://service/read");
}

#[tokio::test]
async fn a_service_gets_a_token_for_the_user_who_called_it() {
    let idp = TestServer::start().await;
    let call = idp
        .sign_in("alice@contoso.com", &format!("api://{SERVICE}/read"))
        .await;
    let assertion = call.member("access_token");
    let answer = idp
        .on_behalf_of(&assertion, "api://downstream/.default")
        .await;
    assert_eq!(
        members(&answer.json()),
        [
            "access_token",
            "expires_in",
            "ext_expires_in",
            "scope",
            "token_type"
        ]
    );
    let (before, after) = (claims(&assertion), claims(&answer.member("access_token")));
    for claim in ["oid", "tid", "preferred_username"] {
        assert_eq!(before[claim], after[claim], "{claim}");
    }
    assert_eq!(after["azp"], SERVICE);
    assert_eq!(after["aud"], "api://downstream");
    assert_eq!(answer.member("scope"), "api://downstream/.default");
}

#[tokio::test]
async fn secrets_may_come_in_a_basic_header() {
    let idp = TestServer::start().await;
    let request = idp
        .request(http::Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .header("authorization", "Basic YXBwOnNlY3JldA==")
        .body("grant_type=client_credentials&scope=api%3A%2F%2Fx%2F.default".into())
        .unwrap();
    let answer = idp.send(request).await;
    assert_eq!(claims(&answer.member("access_token"))["azp"], "app");
}

#[tokio::test]
async fn the_v1_endpoint_takes_a_resource() {
    let idp = TestServer::start().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("resource", "https://management.azure.com/"),
    ];
    let answer = idp.post(&format!("/{TENANT}/oauth2/token"), &form).await;
    let claims = claims(&answer.member("access_token"));
    assert_eq!(claims["aud"], "https://management.azure.com");
}

#[tokio::test]
async fn answers_carry_the_lifetimes_configured() {
    let second = std::time::Duration::from_secs;
    let idp = TestServer::with(mock_idp::Config {
        lifetimes: mock_idp::Lifetimes {
            expires_in: second(7200),
            ext_expires_in: Some(second(9000)),
            refresh_in: Some(second(3600)),
            ..mock_idp::Lifetimes::default()
        },
        ..mock_idp::Config::default()
    })
    .await;
    let body = idp
        .token(&client_credentials("api://x/.default"))
        .await
        .json();
    assert_eq!(body["expires_in"], json!(7200));
    assert_eq!(body["ext_expires_in"], json!(9000));
    assert_eq!(body["refresh_in"], json!(3600));
    assert_eq!(members(&body).len(), 5);
}

#[tokio::test]
async fn an_agent_acts_for_a_user_whom_it_names() {
    let idp = TestServer::start().await;
    let exchange = idp
        .token(&client_credentials("api://AzureADTokenExchange/.default"))
        .await
        .member("access_token");
    let ask = async |credential: &str, more: &[(&str, &str)]| {
        let mut form = vec![
            ("grant_type", "user_fic"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("user_federated_identity_credential", credential),
        ];
        form.extend_from_slice(more);
        if !more.iter().any(|(name, _)| *name == "scope") {
            form.push(("scope", "api://x/read offline_access openid"));
        }
        idp.token(&form).await
    };
    let alice = ask(&exchange, &[("username", "alice@contoso.com")]).await;
    let of_token = claims(&alice.member("access_token"));
    assert_eq!(of_token["preferred_username"], "alice@contoso.com");
    assert_eq!(of_token["scp"], "read");
    assert!(alice.json()["refresh_token"].is_string());
    let id = "00000000-0000-0000-0000-00000000000b";
    let by_id = ask(&exchange, &[("user_id", id)]).await;
    assert_eq!(claims(&by_id.member("access_token"))["oid"], id);
    // A service that the agent calls acts for the same user.
    let scope = ("scope", &*format!("api://{SERVICE}/read openid"));
    let call = ask(&exchange, &[("user_id", id), scope]).await;
    let acting = idp
        .on_behalf_of(&call.member("access_token"), "User.Read openid")
        .await;
    let (by_id, acting) = (by_id.member("id_token"), acting.member("id_token"));
    assert_eq!(claims(&acting)["oid"], claims(&by_id)["oid"]);
    let other = idp.token(&client_credentials("api://x/.default")).await;
    let other = other.member("access_token");
    for (credential, named, code) in [
        (other.as_str(), ("username", "alice"), 700_212),
        ("not.a.token", ("username", "alice"), 50_013),
        (&exchange, ("user_id", "alice"), 50_034),
        (&exchange, ("nobody", "alice"), 900_144),
    ] {
        let (_, _, found) = ask(credential, &[named]).await.refusal();
        assert_eq!(found, code, "{named:?}");
    }
    assert_eq!(idp.server.ledger().by_grant[&GrantType::UserFederated], 7);
}
