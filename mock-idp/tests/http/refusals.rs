//! What is refused, and in which words.

use http::Method;
use http::header::CONTENT_TYPE;

use crate::support::{
    APP, Answer, Door as _, REDIRECT, SERVICE, TENANT, TestServer, client_credentials,
};

const SCOPE: &str = "api://service/.default";

fn assert_refused(answer: &Answer, status: u16, error: &str, code: u64) {
    assert_eq!(
        answer.refusal(),
        (status, error.to_owned(), code),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache"));
    assert_eq!(
        answer.header("x-ms-request-id"),
        Some(answer.member("trace_id").as_str())
    );
}

type Parameter = (&'static str, &'static str);

const ID: Parameter = ("client_id", APP);
const SECRET: Parameter = ("client_secret", "secret");
const SCOPED: Parameter = ("scope", SCOPE);
const CREDENTIALS: Parameter = ("grant_type", "client_credentials");
const CODE: Parameter = ("grant_type", "authorization_code");
const REFRESH: Parameter = ("grant_type", "refresh_token");
const BEHALF: Parameter = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
const FOR_USER: Parameter = ("requested_token_use", "on_behalf_of");
const RETURN: Parameter = ("redirect_uri", REDIRECT);
const BAD_ASSERTION: Parameter = ("assertion", "a.b.c");

/// The answer to a form: its status, OAuth error and AADSTS code.
async fn assert_answers(idp: &TestServer, form: &[Parameter], expected: (u16, &str, u64)) {
    let answer = idp.token(form).await;
    let (status, error, code) = expected;
    assert_eq!(
        answer.refusal(),
        (status, error.to_owned(), code),
        "{form:?}"
    );
    assert_refused(&answer, status, error, code);
}

#[tokio::test]
async fn a_request_must_say_what_it_wants_and_who_asks() {
    let idp = TestServer::start().await;
    let invalid = |code| (400, "invalid_request", code);
    for (form, expected) in [
        (&[][..], invalid(900_144)),
        (&[ID, SECRET, SCOPED], invalid(900_144)),
        (
            &[("grant_type", "magic"), ID],
            (400, "unsupported_grant_type", 70_003),
        ),
        (&[CREDENTIALS, SECRET, SCOPED], invalid(900_144)),
        (
            &[CREDENTIALS, ID, SCOPED],
            (401, "invalid_client", 7_000_216),
        ),
        (
            &[CREDENTIALS, ID, ("client_secret", ""), SCOPED],
            (401, "invalid_client", 7_000_215),
        ),
        (&[CREDENTIALS, ID, SECRET], invalid(900_144)),
        (
            &[CREDENTIALS, ID, SECRET, ("scope", "api://x/read")],
            (400, "invalid_scope", 1_002_012),
        ),
        (
            &[CREDENTIALS, ID, SECRET, ("scope", "openid")],
            (400, "invalid_scope", 1_002_012),
        ),
        (
            &[CREDENTIALS, ID, SECRET, SCOPED, ("resource", "x")],
            invalid(901_002),
        ),
        (
            &[CREDENTIALS, CREDENTIALS, ID, SECRET, SCOPED],
            invalid(9_000_411),
        ),
    ] {
        assert_answers(&idp, form, expected).await;
    }
}

#[tokio::test]
async fn a_grant_needs_what_it_is_about() {
    let idp = TestServer::start().await;
    let missing = (400, "invalid_request", 900_144);
    for (form, expected) in [
        (&[CODE, ID, SECRET, RETURN][..], missing),
        (&[CODE, ID, SECRET, ("code", "x")], missing),
        (
            &[CODE, ID, SECRET, RETURN, ("code", "x")],
            (400, "invalid_grant", 70_000),
        ),
        (&[REFRESH, ID, SECRET], missing),
        (
            &[REFRESH, ID, SECRET, ("refresh_token", "1.Ax")],
            (400, "invalid_grant", 70_000),
        ),
        (&[BEHALF, ID, SECRET, FOR_USER, SCOPED], missing),
        (&[BEHALF, ID, SECRET, BAD_ASSERTION, SCOPED], missing),
        (
            &[BEHALF, ID, FOR_USER, BAD_ASSERTION, SCOPED],
            (401, "invalid_client", 7_000_218),
        ),
        (
            &[BEHALF, ID, SECRET, FOR_USER, BAD_ASSERTION, SCOPED],
            (400, "invalid_grant", 50_013),
        ),
    ] {
        assert_answers(&idp, form, expected).await;
    }
}

#[tokio::test]
async fn an_application_needs_a_tenant_of_its_own() {
    let idp = TestServer::start().await;
    for (tenant, code) in [
        ("common", 50_059),
        ("organizations", 50_059),
        ("consumers", 9_001_023),
        ("nowhere", 90_002),
    ] {
        let path = format!("/{tenant}/oauth2/v2.0/token");
        let answer = idp.post(&path, &client_credentials(SCOPE)).await;
        assert_refused(&answer, 400, "invalid_request", code);
    }
}

#[tokio::test]
async fn only_posted_forms_are_token_requests() {
    let idp = TestServer::start().await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = idp.request(method, &path).body("".into()).unwrap();
        let answer = idp.send(request).await;
        assert_refused(&answer, 405, "invalid_request", 900_561);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    for content_type in ["application/json", "text/plain", ""] {
        let request = idp
            .request(Method::POST, &path)
            .header(CONTENT_TYPE, content_type)
            .body("grant_type=client_credentials".into())
            .unwrap();
        assert_refused(&idp.send(request).await, 400, "invalid_request", 900_144);
    }
}

#[tokio::test]
async fn a_refusal_names_the_clients_correlation_id() {
    let idp = TestServer::start().await;
    let id = "0a0b0c0d-0000-4000-8000-000000000001";
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let mut answers = Vec::new();
    for header in ["client-request-id", "x-ms-client-request-id"] {
        let request = idp
            .request(Method::POST, &path)
            .header(header, id)
            .header("return-client-request-id", "true")
            .body("".into())
            .unwrap();
        let answer = idp.send(request).await;
        assert_eq!(answer.header("client-request-id"), Some(id));
        answers.push(answer);
    }
    answers.push(
        idp.post(&format!("{path}?client-request-id={id}"), &[])
            .await,
    );
    answers.push(idp.token(&[("client-request-id", id)]).await);
    for answer in answers {
        assert_eq!(answer.member("correlation_id"), id);
        assert!(answer.member("error_description").contains(id));
    }
    let not_an_id = idp.token(&[("client-request-id", "\"><script>")]).await;
    assert_eq!(not_an_id.member("correlation_id").len(), 36);
}

/// A code of [`APP`] for [`REDIRECT`] with the challenge of RFC 7636's example.
async fn code_with_challenge(idp: &TestServer) -> String {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let redirect = idp
        .authorize(&[
            ("scope", "openid"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ])
        .await;
    redirect.redirect('?')["code"].clone()
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[tokio::test]
async fn a_code_can_be_redeemed_once() {
    let idp = TestServer::start().await;
    let code = code_with_challenge(&idp).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(idp.token(&form).await.status, 200);
    assert_refused(&idp.token(&form).await, 400, "invalid_grant", 54_005);
}

#[tokio::test]
async fn of_many_who_redeem_a_code_at_once_one_succeeds() {
    let idp = TestServer::start().await;
    let code = code_with_challenge(&idp).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let (a, b, c, d) = tokio::join!(
        idp.token(&form),
        idp.token(&form),
        idp.token(&form),
        idp.token(&form)
    );
    let succeeded = [a, b, c, d]
        .iter()
        .filter(|answer| answer.status == 200)
        .count();
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn a_code_is_for_its_application_tenant_address_and_verifier() {
    let idp = TestServer::start().await;
    let code = code_with_challenge(&idp).await;
    let right = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    for (name, value, error, number) in [
        ("client_id", SERVICE, "invalid_grant", 70_000),
        (
            "redirect_uri",
            "http://localhost/other",
            "invalid_client",
            500_112,
        ),
        ("code_verifier", "guess", "invalid_grant", 501_481),
        ("code_verifier", "", "invalid_grant", 501_481),
    ] {
        let wrong = right.map(|(known, old)| (known, if known == name { value } else { old }));
        assert_refused(&idp.token(&wrong).await, 400, error, number);
    }
    let elsewhere = idp.post("/fabrikam.com/oauth2/v2.0/token", &right).await;
    assert_refused(&elsewhere, 400, "invalid_grant", 700_005);
    // None of that used the code up.
    assert_eq!(idp.token(&right).await.status, 200);
}

#[tokio::test]
async fn a_code_without_a_challenge_needs_a_secret() {
    let idp = TestServer::start().await;
    let redirect = idp.authorize(&[("scope", "openid")]).await;
    let code = redirect.redirect('?')["code"].clone();
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    assert_refused(&idp.token(&form).await, 401, "invalid_client", 7_000_218);
    form.push(("client_secret", "secret"));
    assert_eq!(idp.token(&form).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_is_for_its_application() {
    let idp = TestServer::start().await;
    let refresh_token = idp
        .sign_in("alice@contoso.com", "api://x/read")
        .await
        .member("refresh_token");
    let answer = idp
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", SERVICE),
            ("client_secret", "secret"),
            ("refresh_token", &refresh_token),
        ])
        .await;
    assert_refused(&answer, 400, "invalid_grant", 70_000);
}

#[tokio::test]
async fn an_assertion_must_be_a_users_access_token_for_the_service_that_presents_it() {
    let idp = TestServer::start().await;
    let scope = "api://downstream/.default";
    let for_service = format!("api://{SERVICE}/read");
    let signed_in = idp.sign_in("alice@contoso.com", &for_service).await;

    let for_other = idp.sign_in("alice@contoso.com", "api://other/read").await;
    let answer = idp
        .on_behalf_of(&for_other.member("access_token"), scope)
        .await;
    assert_refused(&answer, 400, "invalid_grant", 500_131);

    let answer = idp.on_behalf_of(&signed_in.member("id_token"), scope).await;
    assert_refused(&answer, 400, "invalid_request", 240_002);

    let of_app = idp
        .token(&client_credentials(&format!("api://{SERVICE}/.default")))
        .await;
    let answer = idp
        .on_behalf_of(&of_app.member("access_token"), scope)
        .await;
    assert_refused(&answer, 400, "invalid_grant", 7_000_114);

    let mut forged = signed_in.member("access_token");
    let signature = forged.rfind('.').unwrap() + 1;
    let other = if forged[signature..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    forged.replace_range(signature..=signature, other);
    let answer = idp.on_behalf_of(&forged, scope).await;
    assert_refused(&answer, 400, "invalid_grant", 50_013);

    let stranger = TestServer::start().await;
    let foreign = stranger.sign_in("alice@contoso.com", &for_service).await;
    let answer = idp
        .on_behalf_of(&foreign.member("access_token"), scope)
        .await;
    assert_refused(&answer, 400, "invalid_grant", 50_013);
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_not_found() {
    let idp = TestServer::start().await;
    for path in [
        "/",
        "/common",
        "/common/oauth2/v3.0/token",
        "/admin",
        "/../etc/passwd",
    ] {
        assert_eq!(idp.get(path).await.status, 404, "{path}");
    }
    assert_eq!(idp.post("/healthz", &[]).await.status, 405);
}
