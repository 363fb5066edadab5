//! Service Fabric (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`, `IDENTITY_SERVER_THUMBPRINT`): the only
//! one over HTTPS, with a certificate that clients know by its thumbprint, and errors of its own
//! shape.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::{Granted, Refused, answer, grant, head, query, readable};
use crate::form::Form;
use crate::idp::Idp;
use crate::origin::Scheme;

/// The versions that clients ask for.
const VERSIONS: [&str; 2] = ["2019-07-01-preview", "2020-05-01"];

pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let request = head(request);
    let form = query(&request);
    let form = form.as_ref();
    answer(&idp, &request, form, decide(&idp, &request, form)).await
}

async fn decide(idp: &Idp, request: &Parts, form: Option<&Form>) -> Result<Granted, Refused> {
    let bad = |code, words: &str| refused(StatusCode::BAD_REQUEST, code, words);
    if request.extensions.get() == Some(&Scheme::Http) {
        return Err(bad("InvalidScheme", "Service Fabric's endpoint is https."));
    }
    // Any secret is right, as in the open directory; none is not.
    let secret = request.headers.get("secret");
    if secret.is_none_or(http::HeaderValue::is_empty) {
        return Err(refused(
            StatusCode::UNAUTHORIZED,
            "SecretHeaderNotFound",
            "Secret is not found in the request headers.",
        ));
    }
    let form = readable(form)?;
    let version = form.get("api-version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(bad(
            "InvalidApiVersion",
            "The api-version is not supported.",
        ));
    }
    if form.get("resource").is_none() {
        return Err(bad(
            "ArgumentNullOrEmpty",
            "The parameter 'resource' is empty.",
        ));
    }
    grant(idp, request, form).await
}

fn refused(status: StatusCode, code: &'static str, words: &str) -> Refused {
    Refused {
        fabric: true,
        ..Refused::new(status, code, words)
    }
}
