//! A directory in which only those exist who are written down.

use std::sync::Arc;

use mock_idp::{ClosedDirectory, Config, Directory};
use serde_json::{Value, json};

use crate::assertions::{Identity, TYPE, now, usual, with};
use crate::support::{APP, Answer, Door as _, REDIRECT, SERVICE, TENANT, TestServer, claims};

const PUBLIC: &str = "44444444-4444-4444-4444-444444444444";
const GROUP: &str = "55555555-5555-5555-5555-555555555555";

fn groups(count: u128) -> Vec<uuid::Uuid> {
    (1..=count).map(uuid::Uuid::from_u128).collect()
}

async fn start(certificate: Option<&Identity>) -> TestServer {
    let certificates: Vec<_> = certificate.iter().map(|identity| &identity.pem).collect();
    let file = json!({
        "tenants": [{ "id": TENANT, "domains": ["contoso.com"] }],
        "applications": [
            {
                "client_id": APP,
                "secrets": ["old", "right"],
                "certificates": certificates,
                "federated_credentials": [{ "issuer": "https://issuer.example/", "subject": "app" }],
                "redirect_uris": ["http://localhost/callback"],
                "permissions": [format!("api://{SERVICE}/read")],
                "roles": { format!("api://{SERVICE}"): ["Task.Read", "Task.Write"] },
            },
            { "client_id": SERVICE, "secrets": ["secret"], "identifier_uris": ["api://service"] },
            { "client_id": PUBLIC, "redirect_uris": [REDIRECT] },
        ],
        "users": [
            { "name": "Alice@contoso.com", "password": "pass", "groups": [GROUP] },
            { "name": "bob@contoso.com", "groups": groups(201) },
            { "name": "carol@contoso.com", "groups": groups(200) },
        ],
    });
    let directory = ClosedDirectory::parse(&file.to_string()).unwrap();
    assert_eq!(directory.to_string(), "1 tenant, 3 applications, 3 users");
    TestServer::with(Config {
        directory: Directory::Closed(Arc::new(directory)),
        ..Config::default()
    })
    .await
}

fn refused(answer: &Answer) -> (u16, String, u64) {
    assert_ne!(answer.status, 200, "{}", answer.text());
    answer.refusal()
}

fn expected(status: u16, error: &str, code: u64) -> (u16, String, u64) {
    (status, error.to_owned(), code)
}

async fn app_token(idp: &TestServer, client_id: &str, secret: &str, resource: &str) -> Answer {
    idp.token(&[
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", &format!("{resource}/.default")),
    ])
    .await
}

#[tokio::test]
async fn only_the_application_with_the_right_secret_gets_a_token_with_its_roles() {
    let idp = start(None).await;
    let resource = format!("api://{SERVICE}");
    for secret in ["old", "right"] {
        let answer = app_token(&idp, APP, secret, &resource).await;
        let token = claims(&answer.member("access_token"));
        assert_eq!(token["roles"], json!(["Task.Read", "Task.Write"]));
    }
    let graph = app_token(&idp, APP, "right", "https://graph.microsoft.com").await;
    assert!(claims(&graph.member("access_token")).get("roles").is_none());
    for (client_id, secret, resource, refusal) in [
        (
            APP,
            "wrong",
            resource.as_str(),
            expected(401, "invalid_client", 7_000_215),
        ),
        (
            "nobody",
            "right",
            &resource,
            expected(400, "unauthorized_client", 700_016),
        ),
        (
            PUBLIC,
            "right",
            &resource,
            expected(401, "invalid_client", 700_025),
        ),
        (
            APP,
            "right",
            "api://nothing",
            expected(400, "invalid_resource", 500_011),
        ),
    ] {
        let answer = app_token(&idp, client_id, secret, resource).await;
        assert_eq!(refused(&answer), refusal);
    }
}

#[tokio::test]
async fn only_tenants_that_are_written_down_exist() {
    let idp = start(None).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", "right"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let by_domain = idp.post("/contoso.com/oauth2/v2.0/token", &form).await;
    assert_eq!(claims(&by_domain.member("access_token"))["tid"], TENANT);
    for tenant in ["fabrikam.com", SERVICE] {
        let answer = idp
            .post(&format!("/{tenant}/oauth2/v2.0/token"), &form)
            .await;
        assert_eq!(refused(&answer), expected(400, "invalid_request", 90_002));
        let document = idp
            .get(&format!("/{tenant}/v2.0/.well-known/openid-configuration"))
            .await;
        assert_eq!(refused(&document), expected(400, "invalid_tenant", 90_002));
    }
    let document = idp
        .get("/contoso.com/v2.0/.well-known/openid-configuration")
        .await;
    assert!(document.member("issuer").contains(TENANT));
}

async fn password(idp: &TestServer, user: &str, password: &str, scope: &str) -> Answer {
    idp.token(&[
        ("grant_type", "password"),
        ("client_id", APP),
        ("client_secret", "right"),
        ("username", user),
        ("password", password),
        ("scope", scope),
    ])
    .await
}

#[tokio::test]
async fn only_users_with_the_right_password_and_consent_sign_in() {
    let idp = start(None).await;
    let scope = format!("api://{SERVICE}/read");
    let answer = password(&idp, "alice@contoso.com", "pass", &scope).await;
    let token = claims(&answer.member("access_token"));
    assert_eq!(
        (&token["groups"], &token["tid"]),
        (&json!([GROUP]), &json!(TENANT))
    );
    let write = format!("api://{SERVICE}/write");
    for (user, word, scope, refusal) in [
        (
            "alice@contoso.com",
            "wrong",
            &scope,
            expected(400, "invalid_grant", 50_126),
        ),
        (
            "mallory@contoso.com",
            "pass",
            &scope,
            expected(400, "invalid_grant", 50_034),
        ),
        (
            "alice@contoso.com",
            "pass",
            &write,
            expected(400, "invalid_grant", 65_001),
        ),
    ] {
        assert_eq!(
            refused(&password(&idp, user, word, scope).await),
            refusal,
            "{user}"
        );
    }
    for scope in ["https://graph.microsoft.com/.default", "User.Read"] {
        let other = password(&idp, "alice@contoso.com", "pass", scope).await;
        assert_eq!(refused(&other).2, 65_001, "{scope}");
    }
}

/// All names of [`SERVICE`] as a resource.
fn names_of_service() -> [String; 6] {
    let names = ["", "api://"].map(|scheme| format!("{scheme}{SERVICE}"));
    let names = [&names[0], &names[1], "api://service"];
    let [id, uri, own] = names.map(str::to_owned);
    let [id_slash, uri_slash, own_slash] = names.map(|name| format!("{name}/"));
    [id, uri, own, id_slash, uri_slash, own_slash]
}

#[tokio::test]
async fn consent_roles_and_audience_are_of_a_resource_under_all_its_names() {
    let idp = start(None).await;
    let id = format!("api://{SERVICE}");
    let usual = password(&idp, "alice@contoso.com", "pass", &format!("{id}/read")).await;
    let usual = claims(&usual.member("access_token"));
    for resource in names_of_service() {
        for (name, consented) in [("read", true), (".default", true), ("write", false)] {
            let scope = format!("{resource}/{name}");
            let answer = password(&idp, "alice@contoso.com", "pass", &scope).await;
            if !consented {
                assert_eq!(refused(&answer).2, 65_001, "{scope}");
                continue;
            }
            let token = claims(&answer.member("access_token"));
            let (aud, sub) = (&token["aud"], &token["sub"]);
            assert_eq!((aud, sub), (&json!(SERVICE), &usual["sub"]), "{scope}");
        }
        let answer = app_token(&idp, APP, "right", &resource).await;
        let token = claims(&answer.member("access_token"));
        let roles = json!(["Task.Read", "Task.Write"]);
        let found = (&token["aud"], &token["roles"]);
        assert_eq!(found, (&json!(SERVICE), &roles), "{resource}");

        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", "right"),
            ("resource", &resource),
        ];
        let v1 = idp.post("/contoso.com/oauth2/token", &form).await;
        let token = claims(&v1.member("access_token"));
        let found = (&token["aud"], &token["roles"]);
        assert_eq!(found, (&json!(resource), &roles), "{resource}");
    }
}

#[tokio::test]
async fn a_service_acts_for_who_called_it_by_any_of_its_names_and_for_nobody_elses_caller() {
    let idp = start(None).await;
    let form = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let client = [("client_id", SERVICE), ("client_secret", "secret")];
        let all = client.iter().chain(more);
        all.map(|&(name, value)| (name, value.to_owned())).collect()
    };
    for (resource, error) in [
        ("api://service", None),
        (&*format!("api://{SERVICE}"), None),
        ("https://graph.microsoft.com", Some(500_131)),
    ] {
        let signed_in = form(&[
            ("grant_type", "password"),
            ("username", "alice@contoso.com"),
            ("password", "pass"),
            ("scope", &format!("{resource}/read")),
        ]);
        let assertion = idp
            .token(&borrowed(&signed_in))
            .await
            .member("access_token");
        let acts = form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", &assertion),
            ("scope", "https://graph.microsoft.com/User.Read"),
        ]);
        let answer = idp.token(&borrowed(&acts)).await;
        match error {
            None => assert_eq!(answer.status, 200, "{resource}: {}", answer.text()),
            Some(code) => assert_eq!(refused(&answer).2, code, "{resource}"),
        }
        // v1 tokens are for the name that they were asked for by.
        let mut v1 = borrowed(&signed_in);
        v1.pop();
        v1.push(("resource", resource));
        let called = idp.post("/contoso.com/oauth2/token", &v1).await;
        let called = called.member("access_token");
        assert_eq!(claims(&called)["aud"], resource);
        let mut acts = borrowed(&acts);
        acts[4].1 = &called;
        let answer = idp.token(&acts).await;
        assert_eq!(
            answer.status == 200,
            error.is_none(),
            "{resource}: {}",
            answer.text()
        );
    }
}

fn borrowed<'a>(form: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    form.iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[tokio::test]
async fn too_many_groups_are_somewhere_else() {
    let idp = start(None).await;
    let scope = format!("api://{SERVICE}/read");
    let listed = password(&idp, "carol@contoso.com", "any", &scope).await;
    let listed = claims(&listed.member("access_token"));
    assert_eq!(listed["groups"].as_array().unwrap().len(), 200);
    assert_eq!(listed.get("_claim_names"), None);
    let over = password(&idp, "bob@contoso.com", "any", &scope).await;
    let over = claims(&over.member("access_token"));
    assert_eq!(
        (over.get("groups"), &over["_claim_names"]),
        (None, &json!({ "groups": "src1" }))
    );
    let source = over["_claim_sources"]["src1"]["endpoint"].as_str().unwrap();
    assert!(source.contains(over["oid"].as_str().unwrap()), "{source}");
}

#[tokio::test]
async fn codes_go_to_registered_addresses_only() {
    let idp = start(None).await;
    let scope = ("scope", "openid");
    // `REDIRECT` is the registered address at another port of this machine.
    let redirect = idp
        .authorize(&[scope, ("login_hint", "alice@contoso.com")])
        .await;
    let code = redirect.redirect('?')["code"].clone();
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    assert_eq!(
        refused(&idp.token(&form).await),
        expected(401, "invalid_client", 7_000_218)
    );
    form.push(("client_secret", "right"));
    assert_eq!(idp.token(&form).await.status, 200);

    let elsewhere = format!(
        "/{TENANT}/oauth2/v2.0/authorize?client_id={APP}&response_type=code&scope=openid&redirect_uri="
    );
    for (uri, code) in [
        ("https://evil.example/", "AADSTS50011"),
        ("http://localhost/other", "AADSTS50011"),
    ] {
        let page = idp.get(&format!("{elsewhere}{uri}")).await;
        assert!(
            page.status == 400 && page.text().contains(code),
            "{}",
            page.text()
        );
    }
    // A registered address of this machine lends its name to no other.
    let registered = REDIRECT.strip_prefix("http://localhost").unwrap();
    let path = &registered[registered.find('/').unwrap()..];
    for authority in [
        "localhost:x@evil.example",
        "localhost:1@evil.example",
        "localhost:x",
    ] {
        let page = idp
            .get(&format!("{elsewhere}http://{authority}{path}"))
            .await;
        assert_eq!(page.status, 400, "{authority}");
        let logout = format!("/{TENANT}/oauth2/v2.0/logout?client_id={APP}");
        let logout = format!("{logout}&post_logout_redirect_uri=http://{authority}{path}");
        assert_eq!(idp.get(&logout).await.status, 400, "{authority}");
    }
    let stranger = elsewhere.replace(APP, "nobody");
    let page = idp.get(&format!("{stranger}{REDIRECT}")).await;
    assert!(page.text().contains("AADSTS700016"), "{}", page.text());
    let logout = format!("/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri={REDIRECT}");
    assert_eq!(idp.get(&logout).await.status, 400);
    assert_eq!(
        idp.get(&format!("{logout}&client_id={APP}")).await.status,
        302
    );

    for (parameters, error) in [
        (
            [("scope", "openid"), ("login_hint", "mallory@contoso.com")],
            "invalid_grant",
        ),
        (
            [
                ("scope", "api://service/write"),
                ("login_hint", "bob@contoso.com"),
            ],
            "consent_required",
        ),
    ] {
        let answer = idp.authorize(&parameters).await.redirect('?');
        assert_eq!(answer["error"], error, "{answer:?}");
    }
}

#[tokio::test]
async fn an_assertion_must_be_signed_with_a_registered_certificate() {
    let (registered, other) = (Identity::new(), Identity::new());
    let idp = start(Some(&registered)).await;
    let ask_as = async |client_id: &str, assertion: &str| {
        idp.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
            ("scope", "https://graph.microsoft.com/.default"),
        ])
        .await
    };
    let ask = async |assertion: &str| ask_as(APP, assertion).await;
    let plain = Identity::plain;
    // Without `x5c` too: the certificate is known.
    let header = |of: &Identity| json!({ "alg": "RS256", "x5t": plain(&of.sha1()) });
    let usual = usual(&idp);
    let good = registered.sign(&header(&registered), &usual, plain);
    assert_eq!(ask(&good).await.status, 200);
    let changes = json!({ "iss": PUBLIC, "sub": PUBLIC });
    let of_public = registered.sign(&header(&registered), &with(usual.clone(), &changes), plain);
    let answer = ask_as(PUBLIC, &of_public).await;
    assert_eq!(refused(&answer), expected(401, "invalid_client", 700_025));
    let mut own = header(&other);
    own["x5c"] = json!([Identity::standard(&other.der)]);
    for (what, assertion) in [
        (
            "another certificate, carried along",
            other.sign(&own, &usual, plain),
        ),
        (
            "another key",
            other.sign(&header(&registered), &usual, plain),
        ),
    ] {
        let answer = ask(&assertion).await;
        assert_eq!(
            refused(&answer),
            expected(401, "invalid_client", 700_027),
            "{what}"
        );
    }

    let exchange = |changes: Value| {
        let claims = with(
            json!({
                "iss": "https://issuer.example",
                "sub": "app",
                "aud": "api://AzureADTokenExchange",
                "exp": now() + 300,
            }),
            &changes,
        );
        other.sign(&json!({ "alg": "RS256" }), &claims, plain)
    };
    assert_eq!(ask(&exchange(json!({}))).await.status, 200);
    for (changes, code) in [
        (json!({ "iss": "https://other.example" }), 700_211),
        (json!({ "sub": "other" }), 700_213),
        (json!({ "aud": "api://other" }), 700_212),
    ] {
        let answer = ask(&exchange(changes)).await;
        assert_eq!(refused(&answer), expected(401, "invalid_client", code));
    }
}
