//! Where people sign in and consent, as their browsers see it without running anything.
//! `tests/clients/pages.mjs` has the same in a real browser.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, COOKIE};
use http::{Method, StatusCode};
use mock_idp::{ClosedDirectory, Config, Directory, SignInBy};
use serde_json::json;

use crate::support::{APP, Answer, Door, InProcess, REDIRECT, TENANT, claims, form};

const SCOPE: &str = "api://service/read openid offline_access";

fn with_pages(directory: Directory) -> InProcess {
    InProcess::new(Config {
        sign_in: SignInBy::Page,
        directory,
        ..Config::default()
    })
}

fn open() -> InProcess {
    with_pages(Directory::Open)
}

fn closed() -> InProcess {
    let file = json!({
        "tenants": [{ "id": TENANT, "domains": ["contoso.com"] }],
        "applications": [{ "client_id": APP, "redirect_uris": [REDIRECT], "identifier_uris": ["api://service"] }],
        "users": [{ "name": "alice@contoso.com", "password": "pass" }],
    });
    let directory = ClosedDirectory::parse(&file.to_string()).unwrap();
    with_pages(Directory::Closed(Arc::new(directory)))
}

/// A browser that keeps one cookie, and the page it shows.
struct Browser<'a> {
    idp: &'a InProcess,
    cookie: Option<String>,
    page: Answer,
}

impl<'a> Browser<'a> {
    async fn open(idp: &'a InProcess, parameters: &[(&str, &str)]) -> Self {
        let page = idp.authorize(parameters).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let cookie = page.header("set-cookie").unwrap();
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().map(str::to_owned);
        Self { idp, cookie, page }
    }

    /// What a hidden field of the page holds.
    fn flow(&self) -> String {
        let text = self.page.text();
        let rest = text.split("name=\"flow\" value=\"").nth(1);
        let rest = rest.unwrap_or_else(|| panic!("no flow in {text}"));
        rest.split('"').next().unwrap().to_owned()
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) {
        let flow = self.flow();
        let mut all = vec![("flow", flow.as_str())];
        all.extend_from_slice(fields);
        let mut request = self
            .idp
            .request(Method::POST, &format!("/{TENANT}/{path}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(form(&all).into()).unwrap();
        self.page = self.idp.send(request).await;
    }

    async fn sign_in(&mut self, name: &str, password: &str) {
        self.post("login", &[("username", name), ("password", password)])
            .await;
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let text = self.page.text();
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_signs_in_and_consents_once() {
    let idp = open();
    let ask = [("scope", SCOPE), ("state", "s1"), ("client_info", "1")];
    let mut browser = Browser::open(&idp, &ask).await;
    browser.shows("<h1>Sign in</h1>");
    browser.sign_in("alice@contoso.com", "anything").await;
    browser.shows("Permissions requested");
    browser.shows("Maintain access to data you have given it access to");
    browser.shows("<code>read</code> at <code>api://service</code>");
    browser.post("consent", &[("decision", "accept")]).await;
    let answer = browser.page.redirect('?');
    assert_eq!(answer["state"], "s1");
    let tokens = idp
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("code", &answer["code"]),
            ("redirect_uri", REDIRECT),
        ])
        .await;
    let token = claims(&tokens.member("access_token"));
    assert_eq!(token["preferred_username"], "alice@contoso.com");

    // What was granted is not asked for again, unless the application wants it to be.
    let mut again = Browser::open(&idp, &ask).await;
    again.sign_in("alice@contoso.com", "").await;
    assert!(again.page.redirect('?').contains_key("code"));
    let mut anew = Browser::open(&idp, &[("scope", SCOPE), ("prompt", "consent")]).await;
    anew.sign_in("alice@contoso.com", "").await;
    anew.shows("Permissions requested");
    let mut other = Browser::open(&idp, &ask).await;
    other.sign_in("bob@contoso.com", "").await;
    other.shows("Permissions requested");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_say_no_on_either_page() {
    let idp = open();
    let ask = [
        ("scope", SCOPE),
        ("state", "s"),
        ("response_mode", "fragment"),
    ];
    let mut browser = Browser::open(&idp, &ask).await;
    browser.post("login", &[("decision", "cancel")]).await;
    let answer = browser.page.redirect('#');
    assert_eq!(
        (answer["error"].as_str(), answer["state"].as_str()),
        ("access_denied", "s")
    );
    assert!(answer["error_description"].starts_with("AADSTS65004: "));
    let mut browser = Browser::open(&idp, &ask).await;
    browser.sign_in("alice", "").await;
    browser.post("consent", &[("decision", "cancel")]).await;
    assert_eq!(browser.page.redirect('#')["error"], "access_denied");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_name_or_password_may_be_corrected() {
    let idp = closed();
    let mut browser = Browser::open(
        &idp,
        &[("scope", "openid"), ("login_hint", "alice@contoso.com")],
    )
    .await;
    browser.shows("value=\"alice@contoso.com\"");
    for (name, password, code) in [
        ("mallory@contoso.com", "pass", "AADSTS50034"),
        ("alice@contoso.com", "wrong", "AADSTS50126"),
        ("alice@contoso.com", "", "AADSTS50126"),
        ("", "pass", "AADSTS90014"),
    ] {
        browser.sign_in(name, password).await;
        browser.shows("role=\"alert\"");
        browser.shows(code);
        browser.shows("<h1>Sign in</h1>");
        assert!(!browser.page.text().contains("value=\"wrong\""));
    }
    browser.sign_in("alice@contoso.com", "pass").await;
    browser.shows("Permissions requested");
}

#[tokio::test(start_paused = true)]
async fn a_page_is_for_the_browser_it_was_shown_in_and_not_for_long() {
    let idp = open();
    let ask = [("scope", "openid")];
    let mut victim = Browser::open(&idp, &ask).await;
    let attacker = Browser::open(&idp, &ask).await;
    assert_ne!(victim.cookie, attacker.cookie);
    // A foreign site posts a page of its own there, or one without a cookie.
    victim.page = Browser::open(&idp, &ask).await.page;
    for cookie in [victim.cookie.clone(), None] {
        let mut forged = Browser {
            idp: &idp,
            cookie,
            page: Browser::open(&idp, &ask).await.page,
        };
        forged.sign_in("mallory@contoso.com", "").await;
        assert_eq!(forged.page.status, StatusCode::BAD_REQUEST);
        forged.shows("another browser");
    }
    let mut late = Browser::open(&idp, &ask).await;
    tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    late.sign_in("alice", "").await;
    assert_eq!(late.page.status, StatusCode::BAD_REQUEST);
    late.shows("has expired");
}

#[tokio::test(start_paused = true)]
async fn nobody_consents_who_has_not_signed_in() {
    let idp = open();
    let mut browser = Browser::open(&idp, &[("scope", "openid")]).await;
    browser.post("consent", &[("decision", "accept")]).await;
    assert_eq!(browser.page.status, StatusCode::BAD_REQUEST);
    browser.shows("nobody has signed in");
    let garbage = idp
        .post(&format!("/{TENANT}/login"), &[("flow", "1.AAAA")])
        .await;
    assert_eq!(garbage.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_page_is_not_shown_where_none_can_be_filled_in() {
    let idp = open();
    let silent = idp
        .authorize(&[("scope", "openid"), ("prompt", "none")])
        .await
        .redirect('?');
    assert_eq!(silent["error"], "login_required");
    assert!(silent["error_description"].starts_with("AADSTS50058: "));
    // Mistakes of the application are told to it before anybody signs in.
    let mistake = idp.authorize(&[("scope", "")]).await.redirect('?');
    assert_eq!(mistake["error"], "invalid_request");
    let elsewhere = closed()
        .get(&format!(
            "/{TENANT}/oauth2/v2.0/authorize?{}",
            form(&[
                ("client_id", APP),
                ("response_type", "code"),
                ("scope", "openid"),
                ("redirect_uri", "https://evil.example/"),
            ])
        ))
        .await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST);
    assert!(elsewhere.header("location").is_none());
}

#[tokio::test(start_paused = true)]
async fn pages_show_what_they_are_given_harmlessly_and_are_nobody_elses_frame() {
    let idp = open();
    let script = "\"><script>alert(1)</script>";
    let ask = [
        ("scope", "openid"),
        ("login_hint", script),
        ("state", script),
    ];
    let mut browser = Browser::open(&idp, &ask).await;
    assert!(
        !browser.page.text().contains("<script"),
        "{}",
        browser.page.text()
    );
    for (header, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        let value = browser.page.header(header).unwrap();
        assert!(value.contains(part), "{header}: {value}");
    }
    browser.sign_in(script, "").await;
    assert!(
        !browser.page.text().contains("<script"),
        "{}",
        browser.page.text()
    );
    let posted = idp
        .authorize(&[
            ("scope", "openid"),
            ("prompt", "none"),
            ("response_mode", "form_post"),
            ("state", script),
        ])
        .await;
    assert_eq!(
        posted.text().matches("<script>").count(),
        1,
        "{}",
        posted.text()
    );
}

#[tokio::test(start_paused = true)]
async fn no_header_can_be_added_from_outside() {
    let idp = open();
    for parameter in [
        "state",
        "login_hint",
        "nonce",
        "response_mode",
        "redirect_uri",
    ] {
        let path = format!(
            "/{TENANT}/oauth2/v2.0/authorize?client_id={APP}&response_type=code&scope=openid\
             &{parameter}=x%0d%0aSet-Cookie:%20evil=1"
        );
        let answer = idp.get(&path).await;
        let cookies = answer.headers.get_all("set-cookie");
        assert!(
            !cookies
                .iter()
                .any(|cookie| cookie.as_bytes().starts_with(b"evil")),
            "{parameter}"
        );
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{parameter}");
    }
    // And where the request is one that is answered by a redirect or a form.
    let evil = "x\r\nSet-Cookie: evil=1";
    for mode in ["query", "fragment", "form_post"] {
        let answer = idp
            .authorize(&[
                ("scope", "openid"),
                ("prompt", "none"),
                ("response_mode", mode),
                ("state", evil),
            ])
            .await;
        assert!(answer.status.is_redirection() || answer.status.is_success());
        let cookies = answer.headers.get_all("set-cookie");
        assert!(
            !cookies
                .iter()
                .any(|cookie| cookie.as_bytes().starts_with(b"evil"))
        );
        let location = answer.header("location").unwrap_or_default();
        assert!(!location.contains(['\r', '\n']), "{mode}: {location}");
        assert!(
            mode == "form_post" || location.contains("x%0D%0ASet-Cookie"),
            "{mode}: {location}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_path_leads_out_of_the_server() {
    let idp = open();
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/common/../admin/ledger/../../etc/passwd",
        "/devicelogin/../../etc/passwd",
        "//etc/passwd",
        "/..%5c..%5cetc%5cpasswd",
    ] {
        let answer = idp.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.text().contains("root:"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_needed_on_the_devices_page_where_passwords_are_known() {
    let idp = closed();
    let started = idp
        .post(
            &format!("/{TENANT}/oauth2/v2.0/devicecode"),
            &[("client_id", APP), ("scope", "openid")],
        )
        .await;
    let code = started.member("user_code");
    let fields = |password| {
        [
            ("user_code", code.clone()),
            ("username", "alice@contoso.com".to_owned()),
            ("password", password),
        ]
    };
    let wrong = fields("wrong".to_owned());
    let wrong: Vec<_> = wrong
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = idp.post("/devicelogin", &wrong).await;
    assert!(answer.text().contains("AADSTS50126"), "{}", answer.text());
    assert!(
        answer.text().contains(&format!("value=\"{code}\"")),
        "{}",
        answer.text()
    );
    let right = fields("pass".to_owned());
    let right: Vec<_> = right
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(idp.post("/devicelogin", &right).await.status, 200);
}
