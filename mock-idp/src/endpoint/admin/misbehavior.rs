//! Fault rules and throttle policies, changed while the server runs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::{bad_request, problem, read};
use crate::behavior::rule::Rule;
use crate::behavior::throttle::ThrottlePolicy;
use crate::endpoint::reply;
use crate::idp::Idp;

pub(super) async fn list_faults(State(idp): State<Arc<Idp>>) -> Response {
    faults(&idp)
}

pub(super) async fn add_fault(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let rule: Rule = match read(&idp, body).await {
        Ok(rule) => rule,
        Err(refused) => return refused,
    };
    match idp.rules.set(rule) {
        Ok(()) => faults(&idp),
        Err(error) => bad_request(error),
    }
}

pub(super) async fn replace_faults(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let rules: Vec<Rule> = match read(&idp, body).await {
        Ok(rules) => rules,
        Err(refused) => return refused,
    };
    match idp.set_rules(rules) {
        Ok(()) => faults(&idp),
        Err(error) => bad_request(error),
    }
}

pub(super) async fn remove_fault(
    State(idp): State<Arc<Idp>>,
    Path(name): Path<String>,
) -> Response {
    if idp.rules.remove(&name) {
        faults(&idp)
    } else {
        no_such(&name)
    }
}

pub(super) async fn list_throttles(State(idp): State<Arc<Idp>>) -> Response {
    throttles(&idp)
}

pub(super) async fn add_throttle(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let policy: ThrottlePolicy = match read(&idp, body).await {
        Ok(policy) => policy,
        Err(refused) => return refused,
    };
    match idp.throttles.set(policy) {
        Ok(()) => throttles(&idp),
        Err(error) => bad_request(error),
    }
}

pub(super) async fn replace_throttles(State(idp): State<Arc<Idp>>, body: Body) -> Response {
    let policies: Vec<ThrottlePolicy> = match read(&idp, body).await {
        Ok(policies) => policies,
        Err(refused) => return refused,
    };
    match idp.set_throttles(policies) {
        Ok(()) => throttles(&idp),
        Err(error) => bad_request(error),
    }
}

pub(super) async fn remove_throttle(
    State(idp): State<Arc<Idp>>,
    Path(name): Path<String>,
) -> Response {
    if idp.throttles.remove(&name) {
        throttles(&idp)
    } else {
        no_such(&name)
    }
}

fn faults(idp: &Idp) -> Response {
    reply::json(StatusCode::OK, &idp.rules())
}

fn throttles(idp: &Idp) -> Response {
    reply::json(StatusCode::OK, &idp.throttles.list())
}

fn no_such(name: &str) -> Response {
    problem(StatusCode::NOT_FOUND, format!("there is no `{name}`"))
}
