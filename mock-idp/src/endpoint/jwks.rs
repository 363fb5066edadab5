//! The public signing keys.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::discovery::locate;
use super::{Version, reply};
use crate::directory::tenant::PERSONAL_ACCOUNTS;
use crate::idp::Idp;
use crate::issuer::issuer;
use crate::signing::Accounts;

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
    let (origin, tenant) = match locate(idp, &parts, tenant) {
        Ok(located) => located,
        Err(refused) => return *refused,
    };
    let mode = idp.settings().issuer;
    // Organisations share their keys, so the issuer these may sign for is a template.
    let shared = issuer(mode, version, &origin, "{tenantid}");
    let personal = issuer(mode, version, &origin, PERSONAL_ACCOUNTS);
    let keys = match idp.keys.shown(tenant, idp.clock.now()).await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(%error, "no keys to publish");
            return reply::text(StatusCode::SERVICE_UNAVAILABLE, "no keys\n");
        }
    };
    let public: Vec<_> = keys
        .iter()
        .map(|(accounts, key)| {
            let issuer = match accounts {
                Accounts::Organizations => &shared,
                Accounts::Personal => &personal,
            };
            key.public((version == Version::V2).then_some(issuer.as_str()))
        })
        .collect();
    reply::json(StatusCode::OK, &json!({ "keys": public }))
}
