//! The server's clock, and what it holds about users.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{bad_request, read};
use crate::clock::ClockChange;
use crate::endpoint::reply;
use crate::idp::Idp;

/// Whose sessions to end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Such as `alice@contoso.com`.
    user: String,
}

pub(super) async fn clock(State(idp): State<Arc<Idp>>) -> Response {
    reply::json(StatusCode::OK, &idp.clock.status())
}

pub(super) async fn change_clock(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let change: ClockChange = match read(&idp, body).await {
        Ok(change) => change,
        Err(refused) => return refused,
    };
    idp.clock.change(change);
    reply::json(StatusCode::OK, &idp.clock.status())
}

pub(super) async fn revoke(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let Revocation { user } = match read(&idp, body).await {
        Ok(revocation) => revocation,
        Err(refused) => return refused,
    };
    if !user.contains('@') {
        return bad_request("`user` must be a name with its domain, such as alice@contoso.com");
    }
    idp.revoked.revoke(&user, idp.clock.now());
    challenge_of(&idp)
}

pub(super) async fn challenge(State(idp): State<Arc<Idp>>) -> Response {
    challenge_of(&idp)
}

/// What a resource that evaluates access continuously answers once a session was revoked: tokens
/// from before this moment will not do.
fn challenge_of(idp: &Idp) -> Response {
    let not_before = idp.clock.now().as_seconds().to_string();
    let nbf = json!({ "essential": true, "value": not_before });
    let claims = json!({ "access_token": { "nbf": nbf } }).to_string();
    let encoded = STANDARD.encode(&claims);
    let header = format!(
        r#"Bearer realm="", error="insufficient_claims", error_description="Continuous access evaluation resulted in challenge", claims="{encoded}""#
    );
    reply::json(
        StatusCode::OK,
        &json!({ "claims": claims, "www_authenticate": header }),
    )
}
