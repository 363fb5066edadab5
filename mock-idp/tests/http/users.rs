//! What else there is for a user: the realm, what a token says about its user, and the way out.

use std::sync::Arc;

use http::Method;
use mock_idp::{ClosedDirectory, Config, Directory, TokenPolicy, UserShape};
use serde_json::json;

use crate::support::{
    APP, Answer, Door, InProcess, REDIRECT, SERVICE, TENANT, TestServer, claims, client_credentials,
};

#[tokio::test]
async fn a_users_realm_is_told_in_any_case_of_the_path() {
    let idp = TestServer::start().await;
    for path in [
        "/common/userrealm/alice@contoso.com?api-version=1.0",
        "/common/UserRealm/Alice@Contoso.com?api-version=1.0",
        "/Common/userrealm/?user=alice%40contoso.com&api-version=1.0",
    ] {
        let answer = idp.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        for (member, value) in [
            ("account_type", "Managed"),
            ("domain_name", "contoso.com"),
            ("cloud_instance_name", "microsoftonline.com"),
            ("cloud_audience_urn", "urn:federation:MicrosoftOnline"),
            ("ver", "1.0"),
        ] {
            assert_eq!(answer.member(member), value, "{path}");
        }
    }
    let nobody = idp.get("/common/userrealm/nobody").await;
    assert_eq!(
        nobody.refusal(),
        (400, "invalid_request".to_owned(), 90_014)
    );
}

async fn user_info(idp: &impl Door, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = idp.request(Method::GET, path);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    idp.send(request.body("".into()).unwrap()).await
}

#[tokio::test]
async fn a_users_token_tells_who_the_user_is() {
    let idp = TestServer::start().await;
    let document = idp
        .get(&format!("/{TENANT}/v2.0/.well-known/openid-configuration"))
        .await;
    let place = document.member("userinfo_endpoint");
    let path = place.strip_prefix(&idp.origin()).unwrap();
    let token = idp
        .sign_in("alice@contoso.com", "User.Read")
        .await
        .member("access_token");
    let info = user_info(&idp, path, Some(&format!("Bearer {token}"))).await;
    assert_eq!(info.member("email"), "alice@contoso.com");
    assert_eq!(info.member("name"), "alice");
    assert_eq!(info.member("sub"), claims(&token)["sub"]);

    let of_app = idp
        .token(&client_credentials("api://x/.default"))
        .await
        .member("access_token");
    for wrong in [
        None,
        Some("Bearer x".to_owned()),
        Some(format!("Bearer {of_app}")),
        Some(format!("Basic {token}")),
    ] {
        let answer = user_info(&idp, path, wrong.as_deref()).await;
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer ")
        );
    }
}

#[tokio::test]
async fn names_that_a_policy_adds_to_a_token_do_not_hide_its_user() {
    for (shape, added) in [
        (UserShape::V2User, json!({ "upn": "sales", "appid": "x" })),
        (
            UserShape::V1User,
            json!({ "preferred_username": "sales", "azp": "x" }),
        ),
        (UserShape::V2User, json!({ "oid": 7 })),
    ] {
        let idp = InProcess::new(Config {
            tokens: vec![TokenPolicy {
                scope: Some(format!("api://{SERVICE}")),
                user: Some(shape),
                claims: added.as_object().unwrap().clone(),
                ..TokenPolicy::default()
            }],
            ..Config::default()
        });
        let call = idp
            .sign_in("alice@contoso.com", &format!("api://{SERVICE}/read"))
            .await;
        let call = call.member("access_token");
        // The policy names the resource as the scope does.
        for (name, value) in added.as_object().unwrap() {
            assert_eq!(&claims(&call)[name], value, "{name}");
        }
        let info = user_info(&idp, "/oidc/userinfo", Some(&format!("Bearer {call}"))).await;
        assert_eq!(info.status, 200, "{added}: {}", info.text());
        assert_eq!(info.member("email"), "alice@contoso.com", "{added}");
        let acting = idp.on_behalf_of(&call, "User.Read").await;
        assert_eq!(acting.status, 200, "{added}: {}", acting.text());
        let acting = claims(&acting.member("access_token"));
        assert_eq!(acting["preferred_username"], "alice@contoso.com", "{added}");
    }
}

/// A closed directory of one user, an application and a service that it calls.
fn closed(tokens: Vec<TokenPolicy>) -> InProcess {
    let file = json!({
        "tenants": [{ "id": TENANT, "domains": ["contoso.com"] }],
        "applications": [
            { "client_id": APP, "secrets": ["secret"], "redirect_uris": [REDIRECT] },
            { "client_id": SERVICE, "secrets": ["secret"], "identifier_uris": ["api://service"] },
        ],
        "users": [{ "name": "alice@contoso.com" }],
    });
    let directory = ClosedDirectory::parse(&file.to_string()).unwrap();
    InProcess::new(Config {
        directory: Directory::Closed(Arc::new(directory)),
        tokens,
        ..Config::default()
    })
}

#[tokio::test]
async fn a_user_whom_a_policy_gives_another_name_is_known_by_its_id() {
    let idp = closed(vec![TokenPolicy {
        scope: Some("api://service".to_owned()),
        claims: json!({ "preferred_username": "sales" })
            .as_object()
            .unwrap()
            .clone(),
        ..TokenPolicy::default()
    }]);
    // The policy names the resource otherwise than the scope does.
    let call = idp
        .sign_in("alice@contoso.com", &format!("{SERVICE}/read"))
        .await;
    let call = call.member("access_token");
    assert_eq!(claims(&call)["preferred_username"], "sales");
    let acting = idp.on_behalf_of(&call, "User.Read").await;
    let acting = claims(&acting.member("access_token"));
    assert_eq!(acting["preferred_username"], "alice@contoso.com");
    assert_eq!(acting["oid"], claims(&call)["oid"]);
}

#[tokio::test]
async fn only_tokens_for_graph_tell_who_the_user_of_a_closed_directory_is() {
    let idp = closed(Vec::new());
    for (scope, is_graphs) in [
        ("User.Read", true),
        ("https://graph.microsoft.com/User.Read", true),
        ("00000003-0000-0000-c000-000000000000/User.Read", true),
        ("https://vault.azure.net/user_impersonation", false),
        (&*format!("{SERVICE}/read"), false),
    ] {
        let token = idp.sign_in("alice@contoso.com", scope).await;
        let token = format!("Bearer {}", token.member("access_token"));
        for path in ["/oidc/userinfo", "/contoso.com/openid/userinfo"] {
            let info = user_info(&idp, path, Some(&token)).await;
            if is_graphs {
                assert_eq!(info.member("email"), "alice@contoso.com", "{scope}");
                continue;
            }
            assert_eq!(info.status, 401, "{scope}");
            let error = &info.json()["error"];
            let message = "Access token validation failure. Invalid audience.";
            assert_eq!(error["code"], "InvalidAuthenticationToken", "{scope}");
            assert_eq!(error["message"], message, "{scope}");
        }
    }
}

#[tokio::test]
async fn a_user_who_signs_out_is_sent_where_the_application_says() {
    let idp = TestServer::start().await;
    for version in ["", "v2.0/"] {
        let path = format!("/{TENANT}/oauth2/{version}logout");
        let answer = idp
            .get(&format!(
                "{path}?post_logout_redirect_uri={REDIRECT}&state=a%26b"
            ))
            .await;
        assert_eq!(answer.redirect('?')["state"], "a&b");
        let posted = idp
            .post(&path, &[("post_logout_redirect_uri", REDIRECT)])
            .await;
        assert_eq!(
            (posted.status.as_u16(), posted.header("location")),
            (302, Some(REDIRECT))
        );
        let page = idp.get(&path).await;
        assert!(
            page.status == 200 && page.text().contains("You signed out"),
            "{}",
            page.text()
        );
        let evil = idp
            .get(&format!(
                "{path}?post_logout_redirect_uri=javascript:alert(1)"
            ))
            .await;
        assert!(
            evil.status == 400 && evil.text().contains("AADSTS50011"),
            "{}",
            evil.text()
        );
    }
}

#[tokio::test]
async fn consumers_is_the_tenant_of_personal_accounts() {
    let idp = TestServer::start().await;
    let parameters = format!(
        "client_id={APP}&response_type=code&redirect_uri={REDIRECT}&scope=openid&login_hint=bob@outlook.com"
    );
    let redirect = idp
        .get(&format!("/consumers/oauth2/v2.0/authorize?{parameters}"))
        .await;
    let code = redirect.redirect('?')["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    let answer = idp.post("/consumers/oauth2/v2.0/token", &form).await;
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let id = claims(&answer.member("id_token"));
    assert_eq!(id["tid"], personal);
    let document = idp
        .get("/consumers/v2.0/.well-known/openid-configuration")
        .await;
    assert_eq!(id["iss"], document.member("issuer"));
}
