//! For whoever runs the server: is it up, what are its numbers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::reply;
use crate::idp::Idp;

pub(super) async fn healthz() -> Response {
    reply::text(StatusCode::OK, "ok\n")
}

pub(super) async fn metrics(State(idp): State<Arc<Idp>>) -> Response {
    let text = idp.metrics.render(&idp.ledger.snapshot());
    reply::reply(
        StatusCode::OK,
        HeaderValue::from_static(telemetry::CONTENT_TYPE),
        text,
    )
}
