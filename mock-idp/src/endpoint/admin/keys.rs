//! The signing keys: which there are, when the next one follows, and what validators see of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{bad_request, problem, read};
use crate::endpoint::reply;
use crate::idp::Idp;
use crate::signing::{KeySchedule, Rollover};

pub(super) async fn list(State(idp): State<Arc<Idp>>) -> Response {
    listed(&idp).await
}

pub(super) async fn reschedule(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let schedule: KeySchedule = match read(&idp, body).await {
        Ok(schedule) => schedule,
        Err(refused) => return refused,
    };
    if let Err(error) = schedule.validate() {
        return bad_request(error);
    }
    idp.keys.reschedule(schedule);
    listed(&idp).await
}

pub(super) async fn roll(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let rollover: Rollover = match read(&idp, body).await {
        Ok(rollover) => rollover,
        Err(refused) => return refused,
    };
    match idp.keys.roll(rollover, idp.clock.now()).await {
        Ok(()) => listed(&idp).await,
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn listed(idp: &Idp) -> Response {
    match idp.keys.status(idp.clock.now()).await {
        Ok(keys) => {
            let schedule = idp.keys.schedule();
            reply::json(
                StatusCode::OK,
                &json!({ "schedule": schedule, "keys": keys }),
            )
        }
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}
