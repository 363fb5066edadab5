//! v1 tokens, and whose name tokens are issued in.

use mock_idp::{Config, IssuerMode};
use serde_json::{Value, json};

use crate::support::{
    APP, Door as _, REDIRECT, SERVICE, TENANT, TestServer, claims, client_credentials,
};

fn header(token: &str) -> Value {
    let header = jsonwebtoken::decode_header(token).unwrap();
    json!({ "kid": header.kid, "x5t": header.x5t })
}

#[tokio::test]
async fn the_v1_endpoint_issues_v1_tokens_to_applications() {
    let idp = TestServer::start().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("resource", "api://service"),
    ];
    let answer = idp.post(&format!("/{TENANT}/oauth2/token"), &form).await;
    let body = answer.json();
    assert_eq!(body["expires_in"], "3599");
    assert_eq!(body["resource"], "api://service");
    let token = claims(&answer.member("access_token"));
    assert_eq!(body["expires_on"], token["exp"].to_string());
    assert_eq!(body["not_before"], token["nbf"].to_string());
    assert_eq!(token["iss"], format!("{}/{TENANT}/", idp.origin()));
    assert_eq!(token["idp"], token["iss"]);
    for (claim, value) in [
        ("ver", "1.0"),
        ("appid", APP),
        ("appidacr", "1"),
        ("idtyp", "app"),
        ("aud", "api://service"),
        ("tid", TENANT),
    ] {
        assert_eq!(token[claim], value, "{claim}");
    }
    assert!(token.get("azp").is_none() && token["sub"] == token["oid"]);
    let v1 = header(&answer.member("access_token"));
    assert_eq!(v1["x5t"], v1["kid"]);
    let v2 = idp
        .token(&client_credentials("api://service/.default"))
        .await;
    assert_eq!(header(&v2.member("access_token"))["x5t"], Value::Null);
}

#[tokio::test]
async fn a_users_v1_token_names_the_user_as_v1_does_and_may_be_exchanged() {
    let idp = TestServer::start().await;
    let place = format!(
        "/{TENANT}/oauth2/authorize?client_id={APP}&response_type=code&redirect_uri={REDIRECT}&resource=api://{SERVICE}&scope=openid&login_hint=alice@contoso.com"
    );
    let code = idp.get(&place).await.redirect('?')["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    let answer = idp.post(&format!("/{TENANT}/oauth2/token"), &form).await;
    let access = claims(&answer.member("access_token"));
    for claim in ["unique_name", "upn"] {
        assert_eq!(access[claim], "alice@contoso.com");
    }
    assert_eq!(
        (&access["scp"], &access["amr"]),
        (&json!("access_as_user"), &json!(["pwd"]))
    );
    // Alice is a guest here.
    assert_ne!(access["idp"], access["iss"]);
    let id = claims(&answer.member("id_token"));
    assert_eq!(
        (&id["ver"], &id["upn"]),
        (&json!("1.0"), &json!("alice@contoso.com"))
    );
    assert_eq!(id["oid"], access["oid"]);

    let exchanged = idp
        .on_behalf_of(&answer.member("access_token"), "api://downstream/.default")
        .await;
    assert_eq!(
        claims(&exchanged.member("access_token"))["oid"],
        access["oid"]
    );
    let refused = idp
        .on_behalf_of(&answer.member("id_token"), "api://downstream/.default")
        .await;
    assert_eq!(refused.refusal().2, 240_002);
}

#[tokio::test]
async fn tokens_and_documents_agree_on_the_issuer_in_both_modes() {
    for (issuer, v1, v2) in [
        (IssuerMode::Own, "SELF/{}/", "SELF/{}/v2.0"),
        (
            IssuerMode::Microsoft,
            "https://sts.windows.net/{}/",
            "https://login.microsoftonline.com/{}/v2.0",
        ),
    ] {
        let idp = TestServer::with(Config {
            issuer,
            ..Config::default()
        })
        .await;
        let expected = |template: &str, tenant: &str| {
            template
                .replace("SELF", &idp.origin())
                .replace("{}", tenant)
        };
        for (path, template) in [("", v1), ("/v2.0", v2)] {
            for (tenant, named) in [(TENANT, TENANT), ("common", "{tenantid}")] {
                let path = format!("/{tenant}{path}/.well-known/openid-configuration");
                assert_eq!(
                    idp.get(&path).await.member("issuer"),
                    expected(template, named)
                );
            }
        }
        let keys = idp.get("/common/discovery/v2.0/keys").await.json();
        assert_eq!(keys["keys"][0]["issuer"], expected(v2, "{tenantid}"));
        let token = idp.token(&client_credentials("api://x/.default")).await;
        assert_eq!(
            claims(&token.member("access_token"))["iss"],
            expected(v2, TENANT)
        );
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("resource", "api://x"),
        ];
        let token = idp.post(&format!("/{TENANT}/oauth2/token"), &form).await;
        assert_eq!(
            claims(&token.member("access_token"))["iss"],
            expected(v1, TENANT)
        );
    }
}
