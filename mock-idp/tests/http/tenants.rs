//! A closed directory of several tenants: each is one under all its names, and has its own.

use std::sync::Arc;

use mock_idp::{
    ClosedDirectory, Config, Directory, Latencies, RequestFilter, Rule, ThrottlePolicy,
};
use serde_json::{Value, json};

use crate::support::{APP, Answer, Door as _, InProcess, REDIRECT, SERVICE, TENANT, form};

/// Another tenant.
const OTHER: &str = "66666666-6666-6666-6666-666666666666";

fn tenants() -> Value {
    json!([
        { "id": TENANT, "domains": ["contoso.com", "contoso.onmicrosoft.com"] },
        { "id": OTHER, "domains": ["fabrikam.com"] },
    ])
}

fn start(applications: &Value, users: &Value, config: Config) -> InProcess {
    let file = json!({ "tenants": tenants(), "applications": applications, "users": users });
    let directory = ClosedDirectory::parse(&file.to_string()).unwrap();
    InProcess::new(Config {
        directory: Directory::Closed(Arc::new(directory)),
        ..config
    })
}

async fn app_token(idp: &InProcess, tenant: &str, client_id: &str, resource: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", "secret"),
        ("scope", &format!("{resource}/.default")),
    ];
    idp.post(&format!("/{tenant}/oauth2/v2.0/token"), &form)
        .await
}

const GRAPH: &str = "https://graph.microsoft.com";

#[tokio::test]
async fn a_tenant_is_one_under_all_its_names_to_the_ledger_rules_and_throttles() {
    let rule: Vec<Rule> = serde_json::from_value(json!([{
        "name": "busy",
        "match": { "tenant": "CONTOSO.com" },
        "trigger": { "when": { "first": 1 } },
        "fault": { "kind": "status", "status": 503 },
    }]))
    .unwrap();
    let throttle: Vec<ThrottlePolicy> = serde_json::from_value(json!([{
        "name": "budget",
        "match": { "tenant": TENANT },
        "per": "tenant",
        "limit": { "rate": { "per_second": 0.001, "burst": 4 } },
    }]))
    .unwrap();
    let idp = start(
        &json!([{ "client_id": APP, "secrets": ["secret"] }]),
        &json!([]),
        Config {
            rules: rule,
            throttles: throttle,
            ..Config::default()
        },
    );
    for (tenant, status) in [
        (TENANT, 503),
        ("contoso.com", 200),
        ("Contoso.OnMicrosoft.com", 200),
        (TENANT, 200),
        ("contoso.com", 429),
        ("fabrikam.com", 200),
        ("nowhere.example", 400),
        ("COMMON", 400),
    ] {
        let answer = app_token(&idp, tenant, APP, GRAPH).await;
        assert_eq!(answer.status, status, "{tenant}: {}", answer.text());
    }
    for (tenant, count, recorded) in [
        (TENANT, 5, TENANT),
        ("contoso.com", 5, TENANT),
        ("fabrikam.com", 1, OTHER),
        ("Nowhere.example", 1, "nowhere.example"),
        ("common", 1, "common"),
    ] {
        let found = idp.idp.requests(&RequestFilter {
            tenant: Some(tenant.to_owned()),
            ..RequestFilter::default()
        });
        assert_eq!(found.count, count, "{tenant}");
        assert!(found.requests.iter().all(|found| found.tenant == recorded));
    }
    // The second and third had the first's token already, under another name of its tenant.
    assert_eq!(idp.idp.ledger().redundant_token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn requests_under_several_names_of_a_tenant_are_one_herd() {
    let idp = start(
        &json!([{ "client_id": APP, "secrets": ["secret"] }]),
        &json!([]),
        Config {
            latency: Latencies {
                token: "fixed:1s".parse().unwrap(),
                ..Latencies::default()
            },
            ..Config::default()
        },
    );
    tokio::join!(
        app_token(&idp, TENANT, APP, GRAPH),
        app_token(&idp, "contoso.com", APP, GRAPH),
        app_token(&idp, "fabrikam.com", APP, GRAPH),
    );
    assert_eq!(idp.idp.ledger().largest_herd, 2);
}

const MULTI: &str = "77777777-7777-7777-7777-777777777777";
const EVERYWHERE: &str = "88888888-8888-8888-8888-888888888888";

/// An application of each kind, and a user.
fn owned() -> InProcess {
    let app = |client_id: &str| json!({ "client_id": client_id, "secrets": ["secret"] });
    let app_of = |client_id: &str, tenant: &str, multi_tenant: bool| {
        let mut app = app(client_id);
        app["tenant"] = json!(tenant);
        app["multi_tenant"] = json!(multi_tenant);
        app["redirect_uris"] = json!([REDIRECT]);
        app
    };
    start(
        &json!([
            app_of(APP, "Contoso.com", false),
            app_of(SERVICE, OTHER, false),
            app_of(MULTI, TENANT, true),
            app(EVERYWHERE),
        ]),
        &json!([
            { "name": "alice@contoso.com", "guest_of": [] },
            { "name": "bob@contoso.com", "guest_of": ["fabrikam.com"] },
            { "name": "carol@contoso.com" },
        ]),
        Config::default(),
    )
}

/// The AADSTS code of a refusal, and whether its words name `place`; zero for no refusal.
fn refused(answer: &Answer, place: &str) -> (u64, bool) {
    if answer.status == 200 {
        return (0, true);
    }
    let says = answer.member("error_description").contains(place);
    (answer.refusal().2, says)
}

#[tokio::test]
async fn an_application_and_a_resource_are_in_the_tenants_they_were_put_into() {
    let idp = owned();
    for (tenant, client_id, code) in [
        ("contoso.com", APP, 0),
        ("fabrikam.com", APP, 700_016),
        ("contoso.com", SERVICE, 700_016),
        ("fabrikam.com", SERVICE, 0),
        ("fabrikam.com", MULTI, 0),
        ("fabrikam.com", EVERYWHERE, 0),
        ("contoso.com", "nobody", 700_016),
    ] {
        let answer = app_token(&idp, tenant, client_id, GRAPH).await;
        let place = format!("directory '{tenant}'");
        assert_eq!(
            refused(&answer, &place),
            (code, true),
            "{tenant} {client_id}"
        );
        let device = [("client_id", client_id), ("scope", "openid")];
        let path = format!("/{tenant}/oauth2/v2.0/devicecode");
        let answer = idp.post(&path, &device).await;
        assert_eq!(
            refused(&answer, &place),
            (code, true),
            "{tenant} {client_id}"
        );
        if code != 0 {
            let asked = [("client_id", client_id), ("redirect_uri", REDIRECT)];
            let path = format!("/{tenant}/oauth2/v2.0/authorize?{}", form(&asked));
            let page = idp.get(&path).await;
            assert!(page.text().contains("AADSTS700016"), "{}", page.text());
        }
    }
    for (tenant, resource, code) in [
        ("contoso.com", APP, 0),
        ("fabrikam.com", APP, 500_011),
        ("contoso.com", SERVICE, 500_011),
        ("fabrikam.com", SERVICE, 0),
        ("fabrikam.com", MULTI, 0),
    ] {
        let answer = app_token(&idp, tenant, EVERYWHERE, resource).await;
        let found = refused(&answer, &format!("the tenant named {tenant}"));
        assert_eq!(found, (code, true), "{tenant} {resource}");
    }
}

async fn password(idp: &InProcess, tenant: &str, client_id: &str, user: &str) -> Answer {
    let form = [
        ("grant_type", "password"),
        ("client_id", client_id),
        ("client_secret", "secret"),
        ("username", user),
        ("password", "any"),
        ("scope", "User.Read offline_access"),
    ];
    idp.post(&format!("/{tenant}/oauth2/v2.0/token"), &form)
        .await
}

#[tokio::test]
async fn a_user_signs_in_at_home_and_where_it_is_a_guest() {
    let idp = owned();
    for (tenant, user, code) in [
        ("contoso.com", "alice@contoso.com", 0),
        ("fabrikam.com", "alice@contoso.com", 50_034),
        ("fabrikam.com", "bob@contoso.com", 0),
        ("fabrikam.com", "carol@contoso.com", 0),
        ("fabrikam.com", "nobody@contoso.com", 50_034),
        ("organizations", "alice@contoso.com", 0),
    ] {
        let answer = password(&idp, tenant, MULTI, user).await;
        let place = format!("{user} does not exist in the {tenant} directory");
        assert_eq!(
            refused(&answer, &place.replace("organizations", "contoso.com")),
            (code, true)
        );
    }
    // What was begun elsewhere does not bring the user in.
    let signed_in = password(&idp, "contoso.com", MULTI, "alice@contoso.com").await;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", MULTI),
        ("client_secret", "secret"),
        ("refresh_token", &signed_in.member("refresh_token")),
        ("scope", "User.Read"),
    ];
    for (tenant, code) in [("contoso.com", 0), ("fabrikam.com", 50_034)] {
        let answer = idp
            .post(&format!("/{tenant}/oauth2/v2.0/token"), &form)
            .await;
        assert_eq!(refused(&answer, tenant), (code, true));
    }
}

#[tokio::test]
async fn only_applications_of_several_tenants_are_used_without_naming_one() {
    let idp = owned();
    for (client_id, code) in [
        (APP, 50_194),
        (MULTI, 0),
        (EVERYWHERE, 0),
        ("nobody", 700_016),
    ] {
        let answer = password(&idp, "organizations", client_id, "bob@contoso.com").await;
        assert_eq!(refused(&answer, client_id), (code, true), "{client_id}");
    }
}
