//! The documents that clients read before they ask for tokens.

use serde_json::Value;

use crate::support::{APP, Door as _, REDIRECT, TENANT, TestServer, form};

const BOTH: &[&str] = &[
    "authorization_endpoint",
    "claims_supported",
    "cloud_graph_host_name",
    "cloud_instance_name",
    "device_authorization_endpoint",
    "end_session_endpoint",
    "frontchannel_logout_supported",
    "http_logout_supported",
    "id_token_signing_alg_values_supported",
    "issuer",
    "jwks_uri",
    "kerberos_endpoint",
    "msgraph_host",
    "rbac_url",
    "response_modes_supported",
    "response_types_supported",
    "scopes_supported",
    "subject_types_supported",
    "tenant_region_scope",
    "token_endpoint",
    "token_endpoint_auth_methods_supported",
    "userinfo_endpoint",
];

fn assert_members(document: &Value, own: &[&str]) {
    let mut expected = [BOTH, own].concat();
    expected.sort_unstable();
    let mut members: Vec<_> = document
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    assert_eq!(members, expected);
}

#[tokio::test]
async fn documents_have_the_members_that_entras_have() {
    let idp = TestServer::start().await;
    let document = idp
        .get("/common/v2.0/.well-known/openid-configuration")
        .await
        .json();
    assert_members(
        &document,
        &["mtls_endpoint_aliases", "request_uri_parameter_supported"],
    );
    let document = idp
        .get("/common/.well-known/openid-configuration")
        .await
        .json();
    assert_members(
        &document,
        &["check_session_iframe", "microsoft_multi_refresh_token"],
    );
}

#[tokio::test]
async fn documents_speak_of_the_tenant_and_the_host_asked() {
    let idp = TestServer::start().await;
    let origin = idp.origin();
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (tenant, in_urls, in_issuer) in [
        (TENANT, TENANT, TENANT),
        ("common", "common", "{tenantid}"),
        ("Organizations", "organizations", "{tenantid}"),
        ("consumers", "consumers", personal),
    ] {
        let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
        let v2 = idp.get(&path).await.json();
        assert_eq!(v2["issuer"], format!("{origin}/{in_issuer}/v2.0"));
        assert_eq!(
            v2["token_endpoint"],
            format!("{origin}/{in_urls}/oauth2/v2.0/token")
        );
        assert_eq!(
            v2["jwks_uri"],
            format!("{origin}/{in_urls}/discovery/v2.0/keys")
        );
        let v1 = idp
            .get(&format!("/{tenant}/.well-known/openid-configuration"))
            .await
            .json();
        assert_eq!(v1["issuer"], format!("{origin}/{in_issuer}/"));
        assert_eq!(
            v1["token_endpoint"],
            format!("{origin}/{in_urls}/oauth2/token")
        );
    }
}

#[tokio::test]
async fn a_domain_is_the_same_tenant_in_documents_and_tokens() {
    let idp = TestServer::start().await;
    let document = idp
        .get("/contoso.com/v2.0/.well-known/openid-configuration")
        .await
        .json();
    let form = crate::support::client_credentials("api://x/.default");
    let token = idp
        .post("/contoso.com/oauth2/v2.0/token", &form)
        .await
        .member("access_token");
    assert_eq!(document["issuer"], crate::support::claims(&token)["iss"]);
}

#[tokio::test]
async fn case_and_slashes_at_the_end_do_not_matter() {
    let idp = TestServer::start().await;
    let plain = idp
        .get("/common/v2.0/.well-known/openid-configuration")
        .await;
    let other = idp
        .get("/COMMON/V2.0/.Well-Known/OpenId-Configuration/")
        .await;
    assert_eq!(plain.json(), other.json());
}

#[tokio::test]
async fn an_unknown_tenant_has_no_documents() {
    let idp = TestServer::start().await;
    for path in [
        "/nowhere/v2.0/.well-known/openid-configuration",
        "/nowhere/.well-known/openid-configuration",
        "/nowhere/discovery/v2.0/keys",
    ] {
        let refusal = idp.get(path).await.refusal();
        assert_eq!(
            refusal,
            (400, "invalid_tenant".to_owned(), 90_002),
            "{path}"
        );
    }
}

#[tokio::test]
async fn keys_say_for_which_issuer_in_v2_only() {
    let idp = TestServer::start().await;
    let v2 = idp.get("/common/discovery/v2.0/keys").await.json();
    let v1 = idp.get("/common/discovery/keys").await.json();
    let (v2, v1) = (&v2["keys"][0], &v1["keys"][0]);
    assert_eq!(v2["issuer"], format!("{}/{{tenantid}}/v2.0", idp.origin()));
    assert!(v1.get("issuer").is_none() && v2.get("alg").is_none());
    assert_eq!((&v1["kid"], &v1["n"]), (&v2["kid"], &v2["n"]));
}

#[tokio::test]
async fn personal_accounts_have_keys_of_their_own_that_say_so() {
    let idp = TestServer::start().await;
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let issuers = async |tenant: &str| {
        let document = idp.get(&format!("/{tenant}/discovery/v2.0/keys")).await;
        let document = document.json();
        let keys = document["keys"].as_array().unwrap().iter();
        let of = |key: &Value| {
            let issuer = key["issuer"].as_str().unwrap().replace(&idp.origin(), "");
            (key["kid"].as_str().unwrap().to_owned(), issuer)
        };
        keys.map(of).collect::<Vec<_>>()
    };
    let (shared, literal) = ("/{tenantid}/v2.0".to_owned(), format!("/{personal}/v2.0"));
    let common = issuers("common").await;
    let found: Vec<_> = common.iter().map(|(_, issuer)| issuer).collect();
    assert_eq!(found, [&shared, &literal]);
    for tenant in ["consumers", personal] {
        assert_eq!(issuers(tenant).await, common[1..], "{tenant}");
    }
    for tenant in ["organizations", TENANT] {
        assert_eq!(issuers(tenant).await, common[..1], "{tenant}");
    }
    // And they sign: access and ID tokens of whoever signs in with such an account.
    for (user, (kid, _)) in [
        ("alice@contoso.com", &common[0]),
        ("bob@outlook.com", &common[1]),
    ] {
        let query = form(&[
            ("client_id", APP),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "api://x/read openid"),
            ("login_hint", user),
        ]);
        let redirect = idp
            .get(&format!("/common/oauth2/v2.0/authorize?{query}"))
            .await;
        let redeem = [
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("code", &redirect.redirect('?')["code"]),
            ("redirect_uri", REDIRECT),
        ];
        let answer = idp.post("/common/oauth2/v2.0/token", &redeem).await;
        for name in ["access_token", "id_token"] {
            let header = crate::support::header_of(&answer.member(name));
            assert_eq!(header["kid"].as_str(), Some(kid.as_str()), "{user} {name}");
        }
    }
}

async fn discover(idp: &TestServer, endpoint: &str, version: &str) -> crate::support::Answer {
    let query = form(&[
        ("authorization_endpoint", endpoint),
        ("api-version", version),
    ]);
    idp.get(&format!("/common/discovery/instance?{query}"))
        .await
}

#[tokio::test]
async fn instance_discovery_leads_back_here() {
    let idp = TestServer::start().await;
    let origin = idp.origin();
    for endpoint in [
        format!("{origin}/{TENANT}/oauth2/v2.0/authorize"),
        format!("https://localhost/{TENANT}/oauth2/v2.0/authorize"),
        format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize"),
        format!("https://westus.login.microsoft.com/{TENANT}/oauth2/v2.0/authorize"),
    ] {
        let answer = discover(&idp, &endpoint, "1.1").await;
        assert_eq!(
            answer.member("tenant_discovery_endpoint"),
            format!("{origin}/{TENANT}/v2.0/.well-known/openid-configuration"),
            "{endpoint}"
        );
        let document = answer.json();
        let here = &document["metadata"][0];
        let authority = origin.strip_prefix("https://").unwrap();
        assert_eq!(here["preferred_network"], authority);
        assert_eq!(here["aliases"], serde_json::json!([authority, "localhost"]));
    }
    let v1 = discover(&idp, &format!("{origin}/common/oauth2/authorize"), "1.0").await;
    assert_eq!(
        v1.member("tenant_discovery_endpoint"),
        format!("{origin}/common/.well-known/openid-configuration")
    );
    assert!(v1.json().get("metadata").is_none());
}

#[tokio::test]
async fn instance_discovery_knows_the_sovereign_clouds() {
    let idp = TestServer::start().await;
    for (host, network) in [
        ("login.microsoftonline.us", "login.microsoftonline.us"),
        ("login.usgovcloudapi.net", "login.microsoftonline.us"),
        (
            "login-us.microsoftonline.com",
            "login-us.microsoftonline.com",
        ),
        (
            "login.partner.microsoftonline.cn",
            "login.partner.microsoftonline.cn",
        ),
        ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
        ("login.microsoftonline.de", "login.microsoftonline.de"),
        ("login.sovcloud-identity.fr", "login.sovcloud-identity.fr"),
        ("login.sovcloud-identity.de", "login.sovcloud-identity.de"),
        ("login.sovcloud-identity.sg", "login.sovcloud-identity.sg"),
        // The public one files tokens under another name than it answers at.
        ("login.windows.net", "login.microsoftonline.com"),
    ] {
        let endpoint = format!("https://{host}/{TENANT}/oauth2/v2.0/authorize");
        let document = discover(&idp, &endpoint, "1.1").await.json();
        let metadata = document["metadata"].as_array().unwrap();
        let mut of_host = metadata.iter().filter(|cloud| {
            let aliases = cloud["aliases"].as_array().unwrap();
            aliases.contains(&host.into())
        });
        let cloud = of_host.next().unwrap_or_else(|| panic!("{host}"));
        assert_eq!(cloud["preferred_network"], network, "{host}");
        let cache = if network == "login.microsoftonline.com" {
            "login.windows.net"
        } else {
            network
        };
        assert_eq!(cloud["preferred_cache"], cache, "{host}");
        assert!(of_host.next().is_none(), "{host} is of one cloud");
    }
}

#[tokio::test]
async fn an_unknown_instance_is_invalid() {
    let idp = TestServer::start().await;
    for (endpoint, version, error, code) in [
        (
            "https://login.example.com/common/oauth2/v2.0/authorize",
            "1.1",
            "invalid_instance",
            50_049,
        ),
        (
            "http://localhost/common/oauth2/v2.0/authorize",
            "1.1",
            "invalid_instance",
            50_049,
        ),
        ("nonsense", "1.0", "invalid_instance", 50_049),
        (
            "https://localhost/nowhere/oauth2/v2.0/authorize",
            "1.1",
            "invalid_tenant",
            90_002,
        ),
        ("", "1.1", "invalid_request", 90_014),
        (
            "https://localhost/common/oauth2/v2.0/authorize",
            "",
            "invalid_request",
            90_014,
        ),
    ] {
        let refusal = discover(&idp, endpoint, version).await.refusal();
        assert_eq!(refusal, (400, error.to_owned(), code), "{endpoint}");
    }
}
