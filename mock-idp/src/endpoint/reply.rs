//! The shapes answers have.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::{Refusal, Trace};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What an answer with one token fits into, in bytes.
const USUAL_BODY: usize = 2048;

/// A JSON document.
pub(super) fn json(status: StatusCode, content: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(USUAL_BODY);
    match serde_json::to_writer(&mut body, content) {
        Ok(()) => reply(status, JSON, body),
        Err(error) => {
            tracing::error!(%error, "answer not serialised");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}

/// Plain text.
pub(super) fn text(status: StatusCode, content: &'static str) -> Response {
    reply(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        content,
    )
}

/// A page.
pub(super) fn html(status: StatusCode, content: String) -> Response {
    reply(
        status,
        HeaderValue::from_static("text/html; charset=utf-8"),
        content,
    )
}

/// Any other body.
pub(super) fn reply(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Entra's JSON error.
pub(super) fn refusal(refusal: &Refusal, trace: &Trace) -> Response {
    let mut response = json(refusal.status(), &refusal.body(trace));
    if refusal.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Marks an answer as nobody's to keep, and as the one to this request.
pub(super) fn private(mut response: Response, request: &HeaderMap, trace: &Trace) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    let id = |id: uuid::Uuid| HeaderValue::try_from(id.to_string()).ok();
    if let Some(id) = id(trace.id) {
        headers.insert("x-ms-request-id", id);
    }
    let wants_echo = request
        .get("return-client-request-id")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if let Some(id) = id(trace.correlation_id).filter(|_| wants_echo) {
        headers.insert("client-request-id", id);
    }
    response
}

/// For paths that lead nowhere.
pub(super) async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "there is nothing here\n")
}
