//! `/oidc/userinfo`: what an access token says about its user.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::{reply, trace};
use crate::idp::Idp;
use crate::token::AssertionClaims;

pub(super) async fn answer(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let trace = trace::trace(&idp, &parts, None);
    let token = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let response = match token.and_then(|token| about(&idp, token)) {
        Some(about) => reply::json(StatusCode::OK, &about),
        None => unauthorized(token.is_some()),
    };
    reply::private(response, &parts.headers, &trace)
}

/// What a token of this server says about its user, while it is valid.
fn about(idp: &Idp, token: &str) -> Option<serde_json::Value> {
    let claims: AssertionClaims = idp.keys.verify(token, idp.clock.now())?;
    if claims.exp <= idp.clock.now().as_seconds() || claims.scp.is_none() {
        return None;
    }
    let name = claims.preferred_username?;
    Some(json!({
        "sub": claims.sub?,
        "name": claims.name?,
        "email": name,
        "picture": "https://graph.microsoft.com/v1.0/me/photo/$value",
    }))
}

fn unauthorized(had_token: bool) -> Response {
    let mut response = reply::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "error": {
            "code": "InvalidAuthenticationToken",
            "message": if had_token { "Access token validation failure." } else { "Access token is empty." },
        }}),
    );
    let challenge = HeaderValue::from_static(
        "Bearer error=\"invalid_token\", error_description=\"no valid access token of a user\"",
    );
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
