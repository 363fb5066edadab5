//! `/common/userrealm`: where does this user sign in? Asked before a password is handed over.
//!
//! All domains are managed: nobody is sent to a federation server.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;

use super::{reply, trace};
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::idp::Idp;

/// The user is the last segment of the path, as MSAL asks.
pub(super) async fn by_path(
    State(idp): State<Arc<Idp>>,
    Path((_, user)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    answer(&idp, &parts, &user)
}

/// The user is a parameter, as pages and older clients ask.
pub(super) async fn by_query(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let user = query.map(|query| query.get("user").unwrap_or_default().to_owned());
    answer(&idp, &parts, &user.unwrap_or_default())
}

fn answer(idp: &Idp, request: &Parts, user: &str) -> Response {
    let domain = user.rsplit_once('@').map(|(_, domain)| domain);
    let trace = trace::trace(idp, request, None);
    let response = match domain {
        Some(domain) if !domain.is_empty() => reply::json(
            StatusCode::OK,
            &json!({
                "ver": "1.0",
                "account_type": "Managed",
                "domain_name": domain,
                "cloud_instance_name": "microsoftonline.com",
                "cloud_audience_urn": "urn:federation:MicrosoftOnline",
            }),
        ),
        _ => reply::refusal(&Refusal::new(Aadsts::MissingField, &["user"]), &trace),
    };
    reply::private(response, &request.headers, &trace)
}
