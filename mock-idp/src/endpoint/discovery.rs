//! The `OpenID` configuration documents, with the members that Entra's have.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::{Version, reply, trace};
use crate::directory::tenant::{PERSONAL_ACCOUNTS, Tenant};
use crate::error::{Aadsts, Refusal};
use crate::idp::Idp;
use crate::issuer::{IssuerMode, issuer};
use crate::origin::Origin;

pub(super) async fn v1(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    document(&idp, &tenant, request, v1_document)
}

pub(super) async fn v2(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    document(&idp, &tenant, request, v2_document)
}

fn document(
    idp: &Idp,
    tenant: &str,
    request: Request,
    make: impl FnOnce(IssuerMode, &Origin, Tenant) -> Value,
) -> Response {
    let (parts, _) = request.into_parts();
    match locate(idp, &parts, tenant) {
        Ok((origin, tenant)) => {
            let mut document = make(idp.settings().issuer, &origin, tenant);
            let algorithm = idp.keys.algorithm();
            document["id_token_signing_alg_values_supported"] = json!([algorithm]);
            reply::json(StatusCode::OK, &document)
        }
        Err(refused) => *refused,
    }
}

/// Where a request for a document was sent and which tenant it names, or the answer that it makes
/// no sense.
pub(super) fn locate(
    idp: &Idp,
    request: &Parts,
    tenant: &str,
) -> Result<(Origin, Tenant), Box<Response>> {
    let located = match (Origin::of(request), idp.settings().directory.tenant(tenant)) {
        (Some(origin), Ok(tenant)) => Ok((origin, tenant)),
        (None, _) => Err(Refusal::new(
            Aadsts::Malformed,
            &["the request names no valid host"],
        )),
        (_, Err(refusal)) => Err(refusal.under("invalid_tenant")),
    };
    located.map_err(|refusal| {
        let trace = trace::trace(idp, request, None);
        Box::new(reply::private(
            reply::refusal(&refusal, &trace),
            &request.headers,
            &trace,
        ))
    })
}

/// How a tenant's documents spell it in their URLs: MSAL Python takes its `realm` from there.
fn in_urls(tenant: Tenant) -> String {
    match tenant {
        Tenant::Directory(id) => id.to_string(),
        Tenant::Common => "common".to_owned(),
        Tenant::Organizations => "organizations".to_owned(),
        Tenant::Consumers => "consumers".to_owned(),
    }
}

/// How a tenant's documents spell it in the issuer: where any tenant may sign in, a template.
fn in_issuer(tenant: Tenant) -> String {
    match tenant {
        Tenant::Directory(id) => id.to_string(),
        Tenant::Consumers => PERSONAL_ACCOUNTS.to_string(),
        Tenant::Common | Tenant::Organizations => "{tenantid}".to_owned(),
    }
}

fn region(tenant: Tenant) -> Value {
    match tenant {
        Tenant::Directory(_) => json!("NA"),
        Tenant::Common | Tenant::Organizations | Tenant::Consumers => Value::Null,
    }
}

fn v2_document(mode: IssuerMode, origin: &Origin, tenant: Tenant) -> Value {
    let base = format!("{origin}/{}", in_urls(tenant));
    json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(mode, Version::V2, origin, in_issuer(tenant)),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{origin}/oidc/userinfo"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name",
            "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time", "acr",
            "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"
        ],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "mtls_endpoint_aliases": { "token_endpoint": format!("{base}/oauth2/v2.0/token") },
        "tenant_region_scope": region(tenant),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net"
    })
}

fn v1_document(mode: IssuerMode, origin: &Origin, tenant: Tenant) -> Value {
    let base = format!("{origin}/{}", in_urls(tenant));
    json!({
        "token_endpoint": format!("{base}/oauth2/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "response_types_supported":
            ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": issuer(mode, Version::V1, origin, in_issuer(tenant)),
        "microsoft_multi_refresh_token": true,
        "authorization_endpoint": format!("{base}/oauth2/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name",
            "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time", "acr",
            "amr", "nonce", "email", "given_name", "family_name", "nickname"
        ],
        "check_session_iframe": format!("{base}/oauth2/checksession"),
        "userinfo_endpoint": format!("{base}/openid/userinfo"),
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": region(tenant),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net"
    })
}
