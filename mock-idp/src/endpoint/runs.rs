//! `/run/NAME/...`: what a test run finds there is what others find at the root.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use http::StatusCode;
use tower::ServiceExt as _;

use super::{reply, with_path};
use crate::idp::Idp;
use crate::runs::{RunDoor, RunPath};

/// What follows `/run`: leads to the run that the path names. Nested, because a path's captures
/// would be among those of the routes inside.
pub(super) fn service(idp: Arc<Idp>, door: RunDoor) -> MethodRouter {
    any(move |State(idp): State<Arc<Idp>>, request: Request| lead(idp, door, request))
        .with_state(idp)
}

async fn lead(idp: Arc<Idp>, door: RunDoor, mut request: Request) -> Response {
    let path = request.uri().path();
    let name = path.split('/').nth(1).unwrap_or_default().to_owned();
    let inside = path.splitn(3, '/').nth(2).unwrap_or_default();
    let query = request.uri().query();
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let inside = format!("/{inside}{query}");
    let Some(router) = idp.runs.door(&name, door) else {
        return reply::text(
            StatusCode::NOT_FOUND,
            "there is no such run; PUT /admin/runs/NAME begins one\n",
        );
    };
    let run = RunPath(format!("/run/{name}").into());
    request.extensions_mut().insert(run);
    match router.oneshot(with_path(request, inside)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
