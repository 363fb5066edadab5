//! Azure Cloud Shell (`MSI_ENDPOINT` alone): the resource comes in a form.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::{Refused, answer, grant, require_metadata};
use crate::endpoint::body;
use crate::idp::Idp;

pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    let granted = async {
        require_metadata(&parts)?;
        let form = form.map_err(|_| Refused::request("The form is malformed."))?;
        grant(&idp, &parts, &form).await
    };
    answer(granted.await)
}
