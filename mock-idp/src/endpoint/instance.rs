//! Instance discovery: is this host an authority, and under which names is it known?

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{reply, trace};
use crate::directory::tenant::Tenant;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::hosts::{CLOUDS, LOOPBACK, is_microsofts};
use crate::idp::Idp;
use crate::origin::{Origin, host_of};

pub(super) async fn get(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let result = Form::parse(query.as_bytes()).and_then(|query| {
        let origin = Origin::of(&parts)
            .ok_or_else(|| Refusal::new(Aadsts::Malformed, &["the request names no valid host"]))?;
        discover(&origin, &query)
    });
    let trace = trace::trace(&idp, &parts, None);
    let response = match &result {
        Ok(document) => reply::json(StatusCode::OK, document),
        Err(refusal) => reply::refusal(refusal, &trace),
    };
    reply::private(response, &parts.headers, &trace)
}

fn discover(origin: &Origin, query: &Form) -> Result<Value, Refusal> {
    let required = |name| {
        query
            .get(name)
            .ok_or_else(|| Refusal::new(Aadsts::MissingField, &[name]))
    };
    let version = required("api-version")?;
    let endpoint = required("authorization_endpoint")?;
    let invalid = || Refusal::from(Aadsts::InvalidInstance);
    let (authority, path) = endpoint
        .strip_prefix("https://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        .ok_or_else(invalid)?;
    // MSAL Python leaves the port out, so the host alone decides.
    let host = host_of(authority).to_ascii_lowercase();
    if host != origin.host() && !LOOPBACK.contains(&host.as_str()) && !is_microsofts(&host) {
        return Err(invalid());
    }
    let (tenant, rest) = path.split_once('/').unwrap_or((path, ""));
    if Tenant::parse(tenant).is_none() {
        return Err(Refusal::new(Aadsts::TenantNotFound, &[tenant]).under("invalid_tenant"));
    }
    let v2 = if rest.to_ascii_lowercase().contains("v2.0") {
        "/v2.0"
    } else {
        ""
    };
    let mut document = json!({
        "tenant_discovery_endpoint":
            format!("{origin}/{tenant}{v2}/.well-known/openid-configuration"),
        "api-version": version,
    });
    if version != "1.0" {
        document["metadata"] = metadata(origin);
    }
    Ok(document)
}

/// Every cloud, this server first when it is addressed as none of them.
fn metadata(origin: &Origin) -> Value {
    let clouds = CLOUDS.iter().map(|cloud| {
        json!({
            "preferred_network": cloud.preferred_network,
            "preferred_cache": cloud.preferred_cache,
            "aliases": cloud.aliases,
        })
    });
    let this_server = (!is_microsofts(origin.authority())).then(|| {
        let mut aliases = vec![origin.authority()];
        if origin.host() != origin.authority() {
            aliases.push(origin.host());
        }
        json!({
            "preferred_network": origin.authority(),
            "preferred_cache": origin.authority(),
            "aliases": aliases,
        })
    });
    this_server.into_iter().chain(clouds).collect()
}
