//! Refresh tokens that are valid once, and those of services that act for a user for long.

use mock_idp::{Config, RefreshTokens};

use crate::support::{APP, Answer, Door as _, SERVICE, TestServer, claims};

async fn refresh(idp: &TestServer, client_id: &str, token: &str) -> Answer {
    idp.token(&[
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("client_secret", "secret"),
        ("refresh_token", token),
        ("scope", "api://service/read"),
    ])
    .await
}

#[tokio::test]
async fn a_strict_servers_refresh_token_is_used_once_and_reuse_ends_the_sign_in() {
    let idp = TestServer::with(Config {
        refresh_tokens: RefreshTokens::Strict,
        ..Config::default()
    })
    .await;
    let first = idp.sign_in("alice@contoso.com", "api://service/read").await;
    let other = idp.sign_in("alice@contoso.com", "api://service/read").await;
    let first = first.member("refresh_token");
    let second = refresh(&idp, APP, &first).await.member("refresh_token");
    let third = refresh(&idp, APP, &second).await.member("refresh_token");

    let revoked = (400, "invalid_grant".to_owned(), 50_173);
    assert_eq!(refresh(&idp, APP, &first).await.refusal(), revoked);
    assert_eq!(refresh(&idp, APP, &third).await.refusal(), revoked);
    let other = other.member("refresh_token");
    assert_eq!(refresh(&idp, APP, &other).await.status, 200);
}

#[tokio::test]
async fn a_service_keeps_acting_for_its_caller() {
    let idp = TestServer::start().await;
    let call = idp
        .sign_in("alice@contoso.com", &format!("api://{SERVICE}/read"))
        .await;
    let call = call.member("access_token");
    let scope = "api://downstream/.default openid profile offline_access";
    let answer = idp.on_behalf_of(&call, scope).await;
    let later = refresh(&idp, SERVICE, &answer.member("refresh_token")).await;
    let token = claims(&later.member("access_token"));
    for claim in ["oid", "tid", "preferred_username"] {
        assert_eq!(token[claim], claims(&call)[claim], "{claim}");
    }
    assert_eq!(token["azp"], SERVICE);
}
