//! `/oidc/userinfo`: what an access token says about its user.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

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
    let response = match token.ok_or("Access token is empty.") {
        Ok(token) => about(&idp, token),
        Err(why) => Err(why),
    };
    let response = match response {
        Ok(about) => reply::json(StatusCode::OK, &about),
        Err(why) => unauthorized(why),
    };
    reply::private(response, &parts.headers, &trace)
}

/// What a token of this server says about its user, while it is valid and, in a closed directory,
/// for Graph, whose endpoint this is at Entra. Otherwise what Graph says then.
fn about(idp: &Idp, token: &str) -> Result<Value, &'static str> {
    let invalid = "Access token validation failure.";
    let now = idp.clock.now();
    let claims: AssertionClaims = idp.keys.verify(token, now).ok_or(invalid)?;
    let names = (claims.user_name(), &claims.sub, &claims.name);
    let (Some(_), (Some(email), Some(sub), Some(name))) = (&claims.scp, names) else {
        return Err(invalid);
    };
    if claims.exp <= now.as_seconds() {
        return Err("Lifetime validation failed, the token is expired.");
    }
    if !idp.settings().directory.has_user_info(&claims.aud) {
        return Err("Access token validation failure. Invalid audience.");
    }
    Ok(json!({
        "sub": sub,
        "name": name,
        "email": email,
        "picture": "https://graph.microsoft.com/v1.0/me/photo/$value",
    }))
}

fn unauthorized(why: &str) -> Response {
    let mut response = reply::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "error": {
            "code": "InvalidAuthenticationToken",
            "message": why,
        }}),
    );
    let challenge = HeaderValue::from_static(
        "Bearer error=\"invalid_token\", error_description=\"no valid access token of a user\"",
    );
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
