//! What pages of other sites may ask.

use http::Method;

use crate::support::{Answer, Door as _, TENANT, TestServer, client_credentials, form};

const SITE: &str = "https://app.example";

async fn from_site(idp: &TestServer, method: Method, path: &str, body: String) -> Answer {
    let request = idp
        .request(method, path)
        .header("origin", SITE)
        .header("content-type", "application/x-www-form-urlencoded");
    idp.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn an_application_in_a_browser_may_read_documents_and_redeem() {
    let idp = TestServer::start().await;
    for path in [
        &format!("/{TENANT}/v2.0/.well-known/openid-configuration"),
        "/common/discovery/v2.0/keys",
        "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://localhost/common",
        "/oidc/userinfo",
    ] {
        let answer = from_site(&idp, Method::GET, path, String::new()).await;
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some("*"), "{path}: {}", answer.text());
        let same_site = idp.get(path).await;
        assert_eq!(same_site.header("access-control-allow-origin"), None);
    }
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let right = form(&client_credentials("api://x/.default"));
    for (body, status) in [(right, 200), ("grant_type=magic".to_owned(), 400)] {
        let answer = from_site(&idp, Method::POST, &path, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        // Nothing that the browser holds for this server goes along.
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let readable = answer.header("access-control-expose-headers").unwrap();
        assert!(readable.contains("retry-after"), "{readable}");
    }
}

#[tokio::test]
async fn a_browser_that_asks_first_is_answered_and_not_counted() {
    let idp = TestServer::start().await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let ask = |asks_first: bool| {
        let mut request = idp.request(Method::OPTIONS, &path).header("origin", SITE);
        if asks_first {
            request = request.header("access-control-request-method", "POST");
        }
        idp.send(request.body(String::new().into()).unwrap())
    };
    let answer = ask(true).await;
    assert_eq!(answer.status, 204);
    for (header, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "authorization, *"),
    ] {
        assert_eq!(answer.header(header), Some(value));
    }
    assert_eq!(idp.server.ledger().token_requests, 0);
    // Without a question it is a token request like any other, of the wrong kind.
    assert_eq!(ask(false).await.status, 405);
    assert_eq!(idp.server.ledger().token_requests, 1);
}

#[tokio::test]
async fn pages_and_the_admin_api_are_for_this_site_alone() {
    let idp = TestServer::start().await;
    for path in [
        "/admin/ledger",
        "/admin/requests",
        "/metrics",
        "/devicelogin",
        &format!("/{TENANT}/oauth2/v2.0/authorize"),
        &format!("/{TENANT}/oauth2/v2.0/logout"),
    ] {
        let answer = from_site(&idp, Method::GET, path, String::new()).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}
