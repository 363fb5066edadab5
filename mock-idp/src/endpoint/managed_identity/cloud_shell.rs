//! Azure Cloud Shell (`MSI_ENDPOINT` alone): the resource comes in a form.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::{answer, grant, readable, require_metadata};
use crate::endpoint::body;
use crate::idp::Idp;

pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await.ok();
    let form = form.as_ref();
    let decided = async {
        require_metadata(&parts)?;
        grant(&idp, &parts, readable(form)?).await
    };
    answer(&idp, &parts, form, decided).await
}
