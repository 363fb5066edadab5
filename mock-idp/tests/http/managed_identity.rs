//! Tokens for the identity of a machine.

use std::sync::Arc;

use http::Method;
use mock_idp::{
    ClosedDirectory, Config, Directory, GrantType, Matcher, RequestFilter, RetryAfter,
    ThrottleKind, ThrottleLimit, ThrottlePolicy,
};
use serde_json::{Value, json};

use crate::support::{Answer, Door as _, TENANT, TestServer, claims, client_credentials, form};
use crate::temp_dir::TempDir;

const OTHER: &str = "66666666-6666-6666-6666-666666666666";
const RESOURCE: &str = "resource=https://vault.azure.net";

struct Machine {
    idp: TestServer,
    keys: TempDir,
}

impl Machine {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let keys = TempDir::new();
        let idp = TestServer::with(Config {
            imds: Some(([127, 0, 0, 1], 0).into()),
            arc_key_dir: Some(keys.path().join("tokens")),
            ..config
        })
        .await;
        Self { idp, keys }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let address = self.idp.server.imds_addr().unwrap();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.idp
            .send(request.body(body.to_owned().into()).unwrap())
            .await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }
}

const METADATA: (&str, &str) = ("metadata", "true");

/// Checks an answer against what all clients insist on.
fn assert_granted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let all_text = body.as_object().unwrap().values().all(Value::is_string);
    assert!(all_text, "{body}");
    let token = claims(&answer.member("access_token"));
    assert_eq!(answer.member("expires_on"), token["exp"].to_string());
    assert_eq!(answer.member("expires_in"), "86399");
    assert_eq!(answer.member("token_type"), "Bearer");
    assert_eq!(token["aud"], "https://vault.azure.net");
    assert_eq!(body["client_id"], token["appid"]);
    assert_eq!(
        (&token["appidacr"], &token["idtyp"]),
        (&"2".into(), &"app".into())
    );
    token
}

#[tokio::test]
async fn a_virtual_machine_gets_a_token_that_the_published_keys_verify() {
    let machine = Machine::start().await;
    let path = format!("/metadata/identity/oauth2/token/?api-version=2018-02-01&{RESOURCE}");
    let answer = machine.get(&path, &[METADATA]).await;
    let token = assert_granted(&answer);
    let issuer = token["iss"].as_str().unwrap();
    let document = issuer.strip_prefix(&machine.idp.origin()).unwrap();
    let document = machine
        .idp
        .get(&format!("{document}.well-known/openid-configuration"))
        .await;
    assert_eq!(document.member("issuer"), issuer);
    let keys = machine.idp.get("/common/discovery/keys").await.json();
    let header = jsonwebtoken::decode_header(answer.member("access_token")).unwrap();
    assert_eq!(keys["keys"][0]["kid"], header.kid.unwrap());

    let ledger = machine.idp.server.ledger();
    assert_eq!(
        (ledger.token_requests, ledger.redundant_token_requests),
        (1, 0)
    );
    machine.get(&path, &[METADATA]).await;
    machine
        .get(&format!("{path}&bypass_cache=true"), &[METADATA])
        .await;
    let ledger = machine.idp.server.ledger();
    assert_eq!(ledger.by_grant[&GrantType::ManagedIdentity], 3);
    assert_eq!(ledger.redundant_token_requests, 1);
}

#[tokio::test]
async fn an_identity_is_found_by_each_of_its_names() {
    let machine = Machine::start().await;
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
    let mut seen = Vec::new();
    for name in [
        "",
        "&client_id=00000000-0000-0000-0000-00000000000a",
        "&object_id=00000000-0000-0000-0000-00000000000b",
        "&msi_res_id=/subscriptions/s/x",
        "&mi_res_id=/subscriptions/s/y",
    ] {
        let path = format!("{path}{name}");
        let first = assert_granted(&machine.get(&path, &[METADATA]).await)["appid"].clone();
        let again = assert_granted(&machine.get(&path, &[METADATA]).await)["appid"].clone();
        assert_eq!(first, again);
        assert!(!seen.contains(&first), "{name}");
        seen.push(first);
    }
    assert_eq!(seen[1], "00000000-0000-0000-0000-00000000000a");
    let unknown = machine
        .get(&format!("{path}&client_id=x"), &[METADATA])
        .await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn who_does_not_belong_here_is_refused() {
    let machine = Machine::start().await;
    let imds = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
    let arc = format!("/arc{imds}");
    let app = format!("/msi/token?api-version=2019-08-01&{RESOURCE}");
    let ml = format!("/msi/token?api-version=2017-09-01&{RESOURCE}");
    let forwarded = [METADATA, ("x-forwarded-for", "1.2.3.4")];
    for (path, headers, status) in [
        (imds.as_str(), &[][..], 400),
        (&imds, &[("metadata", "false")], 400),
        (&imds, &forwarded, 400),
        (
            &format!("/metadata/identity/oauth2/token?{RESOURCE}"),
            &[METADATA],
            400,
        ),
        (
            "/metadata/identity/oauth2/token?api-version=2018-02-01",
            &[METADATA],
            400,
        ),
        (
            "/metadata/instance/compute/location?api-version=2020-06-01",
            &[],
            400,
        ),
        (&app, &[METADATA], 401),
        (&app, &[("secret", "s")], 401),
        (&ml, &[("x-identity-header", "s")], 401),
        (
            &format!("/msi/token?{RESOURCE}"),
            &[("x-identity-header", "s")],
            400,
        ),
        (&arc, &[], 400),
        (&arc, &[METADATA, ("authorization", "Basic guess")], 401),
        ("/common/v2.0/.well-known/openid-configuration", &[], 404),
        ("/admin/ledger", &[], 404),
    ] {
        let answer = machine.get(path, headers).await;
        assert_eq!(
            answer.status,
            status,
            "{path} {headers:?}: {}",
            answer.text()
        );
    }
    // The machine's address is not the identity provider's, which knows Service Fabric's way alone.
    assert_eq!(machine.idp.get(&arc).await.status, 404);
    assert_eq!(machine.idp.get(&imds).await.status, 401);
}

#[tokio::test]
async fn the_other_hosts_have_ways_of_their_own() {
    let machine = Machine::start().await;
    let app = format!("/msi/token?api-version=2019-08-01&{RESOURCE}");
    assert_granted(&machine.get(&app, &[("X-IDENTITY-HEADER", "any")]).await);
    let ml = format!(
        "/msi/token?api-version=2017-09-01&{RESOURCE}&clientid=00000000-0000-0000-0000-00000000000a"
    );
    let token = assert_granted(&machine.get(&ml, &[("secret", "any")]).await);
    assert_eq!(token["appid"], "00000000-0000-0000-0000-00000000000a");
    let body = form(&[("resource", "https://vault.azure.net")]);
    let headers = [
        METADATA,
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_granted(
        &machine
            .send(Method::POST, "/oauth2/token", &headers, &body)
            .await,
    );
}

#[tokio::test]
async fn on_arc_a_key_file_proves_the_caller_and_is_good_once() {
    let machine = Machine::start().await;
    let path = format!("/arc/metadata/identity/oauth2/token?api-version=2020-06-01&{RESOURCE}");
    let challenge = machine.get(&path, &[METADATA]).await;
    assert_eq!(challenge.status, 401);
    let file = challenge.header("www-authenticate").unwrap();
    let file = std::path::Path::new(file.strip_prefix("Basic realm=").unwrap());
    assert_eq!(file.parent().unwrap(), machine.keys.path().join("tokens"));
    assert_eq!(file.extension().unwrap(), "key");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let proof = format!("Basic {}", std::fs::read_to_string(file).unwrap());
    let headers = [METADATA, ("authorization", proof.as_str())];
    assert_granted(&machine.get(&path, &headers).await);
    assert_eq!(machine.get(&path, &headers).await.status, 401);
    assert!(!file.exists());
    // Files that nobody comes back for do not pile up, and are gone when the server is.
    for _ in 0..70 {
        machine.get(&path, &[METADATA]).await;
    }
    let left = || {
        std::fs::read_dir(machine.keys.path().join("tokens"))
            .unwrap()
            .count()
    };
    assert_eq!(left(), 64);
    machine.idp.server.stop().await;
    assert_eq!(left(), 0);
}

#[tokio::test]
async fn throttles_and_faults_are_for_machines_too() {
    let matcher = Matcher {
        grant: Some(GrantType::ManagedIdentity),
        ..Matcher::default()
    };
    let [mut rate, concurrency] = ThrottlePolicy::imds(&matcher);
    rate.limit = ThrottleLimit::Rate {
        per_second: 0.001,
        burst: 3,
    };
    rate.retry_after = Some(RetryAfter::Seconds(7));
    let rule = json!({
        "name": "once", "match": { "client": "00000000-0000-0000-0000-00000000000a" },
        "trigger": { "when": { "first": 1 } }, "fault": { "kind": "status", "status": 503 }
    });
    let machine = Machine::with(Config {
        throttles: vec![rate, concurrency],
        rules: vec![serde_json::from_value(rule).unwrap()],
        ..Config::default()
    })
    .await;
    let imds = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
    let one = format!("{imds}&client_id=00000000-0000-0000-0000-00000000000A");
    assert_eq!(machine.get(&one, &[METADATA]).await.status, 503);
    assert_granted(&machine.get(&one, &[METADATA]).await);
    // Arc's first answer, the challenge, counts as well.
    let arc = format!("/arc{imds}");
    assert_eq!(machine.get(&arc, &[METADATA]).await.status, 401);
    for path in [&imds, &arc] {
        let refused = machine.get(path, &[METADATA]).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), Some("7"));
    }
    let form = client_credentials("api://x/.default");
    assert_eq!(machine.idp.token(&form).await.status, 200, "no machine");
    let ledger = machine.idp.server.ledger();
    assert_eq!(ledger.by_grant[&GrantType::ManagedIdentity], 5);
    assert_eq!(ledger.throttled[&ThrottleKind::Rate], 2);
    assert_eq!(ledger.faults_injected, 1);
    let found = machine.idp.server.idp().requests(&RequestFilter {
        grant: Some(GrantType::ManagedIdentity),
        ..RequestFilter::default()
    });
    let statuses: Vec<_> = found.requests.iter().map(|found| found.status).collect();
    assert_eq!(statuses, [503, 200, 401, 429, 429]);
    assert_eq!(
        found.requests[1].client,
        "00000000-0000-0000-0000-00000000000a"
    );
}

#[tokio::test]
async fn a_machine_knows_its_region() {
    let machine = Machine::start().await;
    let text = machine
        .get(
            "/metadata/instance/compute/location?api-version=2020-06-01&format=text",
            &[METADATA],
        )
        .await;
    assert_eq!(text.text(), "westeurope");
    let json = machine
        .get(
            "/metadata/instance/compute?api-version=2021-02-01",
            &[METADATA],
        )
        .await;
    assert_eq!(json.member("location"), "westeurope");
}

#[tokio::test]
async fn service_fabric_has_https_a_secret_and_errors_of_its_own() {
    let idp = TestServer::start().await;
    let path = "/metadata/identity/oauth2/token";
    let ask = async |origin: &str, query: &str, secret: Option<&str>| {
        let mut request = http::Request::get(format!("{origin}{path}?{query}"));
        if let Some(secret) = secret {
            request = request.header("Secret", secret);
        }
        idp.send(request.body(String::new().into()).unwrap()).await
    };
    let good = format!("api-version=2019-07-01-preview&{RESOURCE}");
    let origin = idp.origin();
    let granted = ask(&origin, &good, Some("secret")).await;
    assert_granted(&granted);
    let token = claims(&granted.member("access_token"));
    assert_eq!(token["aud"], "https://vault.azure.net");
    assert_eq!(idp.server.ledger().by_grant[&GrantType::ManagedIdentity], 1);

    let plain = format!("http://{}", idp.server.http_addr().unwrap());
    for (origin, query, secret, status, code) in [
        (&origin, good.as_str(), None, 401, "SecretHeaderNotFound"),
        (&origin, &good, Some(""), 401, "SecretHeaderNotFound"),
        (&origin, RESOURCE, Some("secret"), 400, "InvalidApiVersion"),
        (
            &origin,
            "api-version=2019-07-01-preview",
            Some("secret"),
            400,
            "ArgumentNullOrEmpty",
        ),
        (&plain, &good, Some("secret"), 400, "InvalidScheme"),
    ] {
        let refused = ask(origin, query, secret).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert_eq!(refused.json()["error"]["code"], code);
    }
    let thumbprint = idp.server.certificate_thumbprint().unwrap();
    assert!(
        thumbprint.len() == 40
            && thumbprint
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
        "{thumbprint}"
    );
}

#[tokio::test]
async fn the_machines_identities_live_in_a_tenant_of_the_closed_directory() {
    for (domain, tenant) in [("contoso.com", OTHER), ("fabrikam.com", TENANT)] {
        let tenants = json!([{ "id": TENANT }, { "id": OTHER, "domains": [domain] }]);
        let file = json!({ "tenants": tenants }).to_string();
        let directory = ClosedDirectory::parse(&file).unwrap();
        let machine = Machine::with(Config {
            directory: Directory::Closed(Arc::new(directory)),
            ..Config::default()
        })
        .await;
        let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
        let token = assert_granted(&machine.get(&path, &[METADATA]).await);
        assert_eq!(token["tid"], tenant, "{domain}");
        let requests = machine.idp.server.idp().requests(&RequestFilter::default());
        assert_eq!(requests.requests[0].tenant, tenant, "{domain}");
    }
}
