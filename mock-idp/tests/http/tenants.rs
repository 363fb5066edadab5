//! A closed directory of several tenants: each is one under all its names, and has its own.

use std::sync::Arc;

use mock_idp::{
    ClosedDirectory, Config, Directory, Latencies, RequestFilter, Rule, ThrottlePolicy,
};
use serde_json::{Value, json};

use crate::support::{APP, Answer, Door as _, InProcess, TENANT};

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
