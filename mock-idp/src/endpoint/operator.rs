//! For whoever runs the server: is it up, what are its numbers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use telemetry::Format;

use super::reply;
use crate::idp::Idp;

pub(super) async fn healthz() -> Response {
    reply::text(StatusCode::OK, "ok\n")
}

pub(super) async fn metrics(State(idp): State<Arc<Idp>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept);
    let families = idp.metrics.families(&idp.ledger.snapshot());
    reply::reply(
        StatusCode::OK,
        HeaderValue::from_static(format.content_type()),
        telemetry::encode(families, format),
    )
}
