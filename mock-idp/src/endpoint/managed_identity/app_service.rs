//! App Service, Functions and Container Apps (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), and Azure
//! Machine Learning (`MSI_ENDPOINT`, `MSI_SECRET`): one path, told apart by the version asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::{Granted, Refused, answer, grant, head, query};
use crate::idp::Idp;

/// The versions served, each with the header that proves that the caller runs in the app.
const VERSIONS: [(&str, &str); 2] = [
    ("2019-08-01", "x-identity-header"),
    ("2017-09-01", "secret"),
];

pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    answer(decide(&idp, &head(request)).await)
}

async fn decide(idp: &Idp, request: &Parts) -> Result<Granted, Refused> {
    let form = query(request)?;
    let version = form.get("api-version").unwrap_or_default();
    let Some((_, secret)) = VERSIONS.iter().find(|(known, _)| *known == version) else {
        return Err(Refused::request("Unsupported api-version."));
    };
    // Any secret is right, as in the open directory; none is not.
    let presented = request.headers.get(*secret);
    if presented.is_none_or(http::HeaderValue::is_empty) {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            format!("The header {secret} is missing."),
        ));
    }
    grant(idp, request, &form).await
}
