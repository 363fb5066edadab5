//! The instance metadata service of a virtual machine.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::{Granted, Refused, answer, grant, head, query, require_metadata};
use crate::endpoint::reply;
use crate::idp::Idp;

/// Where the machine is.
const REGION: &str = "westeurope";

/// A token. Without the `Metadata` header it answers 400, by which clients find out whether they
/// are on a machine in Azure.
pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    answer(decide(&idp, &head(request)).await)
}

async fn decide(idp: &Idp, request: &Parts) -> Result<Granted, Refused> {
    require_metadata(request)?;
    let form = query(request)?;
    check_version(&form)?;
    grant(idp, request, &form).await
}

fn check_version(form: &crate::form::Form) -> Result<(), Refused> {
    if form.get("api-version").is_none() {
        return Err(Refused::request(
            "Bad request. api-version was not specified in the request.",
        ));
    }
    Ok(())
}

/// The machine, as far as clients look at it.
pub(super) async fn instance(request: Request) -> Response {
    described(&head(request), || json!({ "compute": machine() }))
}

/// The machine's computing part.
pub(super) async fn compute(request: Request) -> Response {
    described(&head(request), machine)
}

/// The region alone, as text.
pub(super) async fn location(request: Request) -> Response {
    let request = head(request);
    match admitted(&request) {
        Ok(()) => reply::text(StatusCode::OK, REGION),
        Err(refused) => refused.into_response(),
    }
}

fn described(request: &Parts, describe: impl FnOnce() -> Value) -> Response {
    match admitted(request) {
        Ok(()) => reply::json(StatusCode::OK, &describe()),
        Err(refused) => refused.into_response(),
    }
}

fn admitted(request: &Parts) -> Result<(), Refused> {
    require_metadata(request)?;
    check_version(&query(request)?)
}

fn machine() -> Value {
    json!({
        "azEnvironment": "AzurePublicCloud",
        "location": REGION,
        "name": "mock-idp",
        "osType": "Linux",
        "provider": "Microsoft.Compute",
        "resourceGroupName": "mock-idp",
        "subscriptionId": "00000000-0000-0000-0000-000000000000",
        "vmSize": "Standard_D2s_v5",
    })
}
