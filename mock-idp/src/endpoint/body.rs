//! Reads a form body, no larger and for no longer than allowed.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::config::Limits;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;

/// How much of an oversized body is read and thrown away, so that a client that sends before it
/// reads gets to see the answer.
const DISCARDED: usize = 1024 * 1024;

/// The form that a request's body holds.
///
/// # Errors
///
/// A body that is no form, is too large, too slow, or breaks off.
pub(super) async fn form(request: &Parts, body: Body, limits: &Limits) -> Result<Form, Refusal> {
    let bytes = timeout(limits.body, read(body, limits.body_bytes))
        .await
        .map_err(|_| Refusal::from(Aadsts::BodyTooSlow))??;
    // Entra does not look into other bodies, and so misses the first parameter it needs.
    if !is_form(request) {
        return Ok(Form::default());
    }
    Form::parse(&bytes)
}

async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(Aadsts::Malformed, &["the body breaks off"]))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length > DISCARDED {
            break;
        }
    }
    if length > limit {
        return Err(Refusal::new(Aadsts::BodyTooLarge, &[&limit.to_string()]));
    }
    Ok(bytes)
}

fn is_form(request: &Parts) -> bool {
    let content_type = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
