//! What was asked of the token endpoint: counts, records, and whether they are as expected.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{bad_request, read};
use crate::endpoint::reply;
use crate::idp::Idp;
use crate::recent::{RecordedRequest, RequestFilter};

/// How many requests are expected, and which.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verification {
    expect: u64,
    #[serde(default)]
    matching: RequestFilter,
}

/// What a verification found.
#[derive(Debug, Serialize)]
struct Verdict {
    expected: u64,
    found: u64,
    /// Found less expected.
    difference: i64,
    /// Above zero, some that fit may have been forgotten, so nothing is verified.
    forgotten: u64,
    /// The latest that fit, oldest first.
    requests: Vec<RecordedRequest>,
}

/// Records shown of those that fit, when the filter has no limit.
const SHOWN: usize = 20;

pub(super) async fn ledger(State(idp): State<Arc<Idp>>) -> Response {
    reply::json(StatusCode::OK, &idp.ledger.snapshot())
}

pub(super) async fn reset(State(idp): State<Arc<Idp>>) -> Response {
    idp.ledger.reset();
    reply::json(StatusCode::OK, &json!({}))
}

pub(super) async fn list(State(idp): State<Arc<Idp>>, uri: Uri) -> Response {
    match Query::<RequestFilter>::try_from_uri(&uri) {
        Ok(Query(filter)) => reply::json(StatusCode::OK, &idp.requests(&filter)),
        Err(error) => bad_request(error.body_text()),
    }
}

pub(super) async fn verify(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let Verification { expect, matching } = match read(&idp, body).await {
        Ok(verification) => verification,
        Err(refused) => return refused,
    };
    let filter = RequestFilter {
        limit: matching.limit.or(Some(SHOWN)),
        ..matching
    };
    let found = idp.requests(&filter);
    let as_signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let status = if found.count == expect && found.forgotten == 0 {
        StatusCode::OK
    } else {
        StatusCode::CONFLICT
    };
    let verdict = Verdict {
        expected: expect,
        found: found.count,
        difference: as_signed(found.count) - as_signed(expect),
        forgotten: found.forgotten,
        requests: found.requests,
    };
    reply::json(status, &verdict)
}
