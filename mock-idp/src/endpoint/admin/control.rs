//! The server as a whole: its configuration, its snapshots, and the runs apart from it.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{bad_request, problem, read_text};
use crate::config::Config;
use crate::endpoint::reply;
use crate::idp::Idp;
use crate::runs::{RunPath, RunsError, check_name};

pub(super) async fn reset(State(idp): State<Arc<Idp>>) -> Response {
    idp.reset();
    reply::json(StatusCode::OK, &json!({}))
}

/// Puts the sections in force that are given, as a configuration file has them.
pub(super) async fn reconfigure(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let text = match read_text(&idp, body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    let before = idp.config();
    let changed = Config::clone(&before).with_text(&text, FilePath::new("."));
    match changed {
        Ok(config) if config.needs_restart(&before) => {
            bad_request("what is in `server` changes only with a start")
        }
        Ok(config) => match idp.reconfigure(&config) {
            Ok(()) => reply::json(StatusCode::OK, &json!({})),
            Err(error) => bad_request(error),
        },
        Err(error) => bad_request(error),
    }
}

pub(super) async fn schema() -> Response {
    reply::json(StatusCode::OK, &Config::schema())
}

pub(super) async fn list_snapshots(State(idp): State<Arc<Idp>>) -> Response {
    snapshots(&idp)
}

pub(super) async fn keep(State(idp): State<Arc<Idp>>, Path(name): Path<String>) -> Response {
    if let Err(error) = check_name(&name) {
        return bad_request(error);
    }
    if idp.snapshots.keep(&name, &idp) {
        snapshots(&idp)
    } else {
        problem(
            StatusCode::CONFLICT,
            "there are too many snapshots; delete one",
        )
    }
}

pub(super) async fn restore(State(idp): State<Arc<Idp>>, Path(name): Path<String>) -> Response {
    if idp.snapshots.restore(&name, &idp) {
        snapshots(&idp)
    } else {
        no_such(&name)
    }
}

pub(super) async fn forget(State(idp): State<Arc<Idp>>, Path(name): Path<String>) -> Response {
    if idp.snapshots.forget(&name) {
        snapshots(&idp)
    } else {
        no_such(&name)
    }
}

pub(super) async fn list_runs(State(idp): State<Arc<Idp>>) -> Response {
    runs(&idp)
}

pub(super) async fn begin(
    State(idp): State<Arc<Idp>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    if request.extensions().get::<RunPath>().is_some() {
        return bad_request("a run has no runs of its own");
    }
    match idp.runs.begin(&idp, &name) {
        Ok(()) => runs(&idp),
        Err(RunsError::TooMany) => problem(StatusCode::CONFLICT, RunsError::TooMany),
        Err(error) => bad_request(error),
    }
}

pub(super) async fn end(State(idp): State<Arc<Idp>>, Path(name): Path<String>) -> Response {
    if idp.runs.end(&name) {
        runs(&idp)
    } else {
        no_such(&name)
    }
}

fn snapshots(idp: &Idp) -> Response {
    reply::json(StatusCode::OK, &idp.snapshots.names())
}

fn runs(idp: &Idp) -> Response {
    reply::json(StatusCode::OK, &idp.runs.list())
}

fn no_such(name: &str) -> Response {
    problem(StatusCode::NOT_FOUND, format!("there is no `{name}`"))
}
