//! The public signing keys.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::discovery::locate;
use super::{Version, reply};
use crate::idp::Idp;
use crate::issuer::issuer;

pub(super) async fn v1(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    keys(Version::V1, &idp, &tenant, request).await
}

pub(super) async fn v2(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    keys(Version::V2, &idp, &tenant, request).await
}

async fn keys(version: Version, idp: &Idp, tenant: &str, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (origin, _) = match locate(idp, &parts, tenant) {
        Ok(located) => located,
        Err(refused) => return *refused,
    };
    // Keys are shared by all tenants, so the issuer they may sign for is a template.
    let issuer = match version {
        Version::V1 => None,
        Version::V2 => Some(issuer(
            idp.settings().issuer,
            version,
            &origin,
            "{tenantid}",
        )),
    };
    let keys = match idp.signer.shown(idp.clock.now()).await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(%error, "no keys to publish");
            return reply::text(StatusCode::SERVICE_UNAVAILABLE, "no keys\n");
        }
    };
    let public: Vec<_> = keys
        .iter()
        .map(|key| key.public(issuer.as_deref()))
        .collect();
    reply::json(StatusCode::OK, &json!({ "keys": public }))
}
