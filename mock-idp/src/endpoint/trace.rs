//! The ids that tie an answer to its request.

use http::request::Parts;
use uuid::Uuid;

use crate::error::Trace;
use crate::form::Form;
use crate::idp::Idp;

/// Where clients put their correlation id: most into the first header, `azure_identity` for Rust
/// into the second, msal-node into the query or the body.
const HEADERS: [&str; 2] = ["client-request-id", "x-ms-client-request-id"];
const PARAMETER: &str = "client-request-id";

/// The ids of the answer to `request`, whose body was `form` if it could be read.
pub(super) fn trace(idp: &Idp, request: &Parts, form: Option<&Form>) -> Trace {
    let from_headers = HEADERS
        .iter()
        .find_map(|name| request.headers.get(*name))
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Uuid::try_parse(value).ok());
    let from_query = || parse(&Form::parse(request.uri.query()?.as_bytes()).ok()?);
    let from_body = || parse(form?);
    Trace {
        id: idp.ids.uuid(),
        correlation_id: from_headers
            .or_else(from_query)
            .or_else(from_body)
            .unwrap_or_else(|| idp.ids.uuid()),
        at: idp.clock.now(),
        style: idp.settings().error_style,
    }
}

fn parse(form: &Form) -> Option<Uuid> {
    Uuid::try_parse(form.get(PARAMETER)?).ok()
}
