//! The admin API: asks the server what happened, and makes it misbehave while it runs.
//!
//! All bodies are JSON. Every request answers 200 with a document, 400 with
//! `{"error": "<what is wrong>"}`, 401 without the right token, or 403 from another machine.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /admin/ledger` | | a [`LedgerSnapshot`](crate::LedgerSnapshot) |
//! | `DELETE /admin/ledger` | | `{}`; counts start anew |
//! | `GET /admin/requests?FILTER` | | [`RecordedRequests`](crate::RecordedRequests) |
//! | `POST /admin/verify` | a [`Verification`](requests::Verification) | 200, or 409 with the difference |
//! | `GET /admin/faults` | | a list of [`RuleStatus`](crate::RuleStatus) |
//! | `POST /admin/faults` | a [`Rule`](crate::Rule) | the list; one of the same name is replaced |
//! | `PUT /admin/faults` | a list of them | the list; these and no others |
//! | `DELETE /admin/faults/NAME` | | the list, or 404 |
//! | `GET`, `POST`, `PUT /admin/throttles`, `DELETE /admin/throttles/NAME` | the same with [`ThrottlePolicy`](crate::ThrottlePolicy) | the list |
//! | `GET /admin/clock` | | `now`, `now_s`, `since_start_s`, `offset`, `frozen` |
//! | `POST /admin/clock` | any of `{"offset": "-1h", "advance": "5m", "frozen": true}` | the same |
//! | `POST /admin/config` | sections of a configuration file, in force from now on | `{}` |
//! | `GET /admin/config/schema` | | the JSON Schema of such a file |
//! | `POST /admin/reset` | | `{}`; all is as at the start, apart from the keys |
//! | `GET /admin/snapshots` | | their names |
//! | `PUT`, `POST`, `DELETE /admin/snapshots/NAME` | | the names; keeps how the server is, makes it so again, forgets it. The ledger goes on |
//! | `GET /admin/runs` | | the runs apart from this one |
//! | `PUT`, `DELETE /admin/runs/NAME` | | the runs; begins or ends one, which has all of this at `/run/NAME` |
//! | `GET /admin/keys` | | `schedule`, and the `keys` with their times |
//! | `PUT /admin/keys` | a [`KeySchedule`](crate::KeySchedule), in force from the next key on | the same |
//! | `POST /admin/keys/rollover` | any of `{"publish_ahead": "1m", "retire_after": "1h"}`, or `{"emergency": true}`: the keys there are leave at once | the same |
//! | `POST /admin/revoke` | `{"user": "alice@contoso.com"}`: refresh tokens issued until now end with AADSTS50173 | a claims challenge |
//! | `GET /admin/claims-challenge` | | `claims`, and the `www_authenticate` a resource would send |
//!
//! The clock drives lifetimes, throttles, `Retry-After` dates and the windows of rules; latencies
//! and the limits on slow clients follow real time.
//!
//! A rule and a policy, with everything that may be left out but the trigger's window:
//!
//! ```json
//! { "name": "throttled-once",
//!   "match": { "endpoint": "token", "tenant": "contoso.com", "client": "ID", "scope": "api://x/.default",
//!              "grant": "client_credentials", "sku": "msal_python", "reason": "expired" },
//!   "trigger": { "when": { "first": 1 }, "from": "10s", "until": "1m", "at_most": 1 },
//!   "fault": { "kind": "status", "status": 429, "retry_after": { "seconds": 3 } } }
//!
//! { "name": "tenant-budget", "match": {}, "per": "tenant",
//!   "limit": { "rate": { "per_second": 20, "burst": 20 } }, "retry_after": { "date": 5 } }
//! ```
//!
//! `when` is `"always"`, `{"probability": 0.1}`, `{"first": 3}` or `{"every": 3}`; `fault` is one
//! of [`Fault`](crate::Fault), `limit` one of [`ThrottleLimit`](crate::ThrottleLimit).
//!
//! `FILTER` is any of `grant`, `tenant`, `client`, `sku`, `reason`, `status`, `correlation_id`,
//! `since` and `limit`, as in [`RequestFilter`](crate::RequestFilter).
//!
//! Without an admin token only clients on this machine are served, and what changes something must
//! be sent as `application/json`, which no foreign page can make a browser do unasked. With a
//! token every request needs `Authorization: Bearer TOKEN`, wherever it comes from.

mod control;
mod keys;
mod misbehavior;
mod requests;
mod state;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::reply;
use crate::idp::Idp;
use crate::request::Peer;

/// Bytes of a body; the largest is a list of rules.
const LARGEST_BODY: usize = 1024 * 1024;

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

pub(super) fn routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    let guard: fn(State<Arc<Idp>>, Request, Next) -> Answer =
        |State(idp), request, next| Box::pin(guard(idp, request, next));
    Router::new()
        .route(
            "/admin/ledger",
            get(requests::ledger).delete(requests::reset),
        )
        .route("/admin/requests", get(requests::list))
        .route("/admin/verify", post(requests::verify))
        .route(
            "/admin/faults",
            get(misbehavior::list_faults)
                .post(misbehavior::add_fault)
                .put(misbehavior::replace_faults),
        )
        .route("/admin/faults/{name}", delete(misbehavior::remove_fault))
        .route(
            "/admin/throttles",
            get(misbehavior::list_throttles)
                .post(misbehavior::add_throttle)
                .put(misbehavior::replace_throttles),
        )
        .route(
            "/admin/throttles/{name}",
            delete(misbehavior::remove_throttle),
        )
        .route("/admin/clock", get(state::clock).post(state::change_clock))
        .route("/admin/reset", post(control::reset))
        .route("/admin/config", post(control::reconfigure))
        .route("/admin/config/schema", get(control::schema))
        .route("/admin/snapshots", get(control::list_snapshots))
        .route(
            "/admin/snapshots/{name}",
            put(control::keep)
                .post(control::restore)
                .delete(control::forget),
        )
        .route("/admin/runs", get(control::list_runs))
        .route(
            "/admin/runs/{name}",
            put(control::begin).delete(control::end),
        )
        .route("/admin/keys", get(keys::list).put(keys::reschedule))
        .route("/admin/keys/rollover", post(keys::roll))
        .route("/admin/revoke", post(state::revoke))
        .route("/admin/claims-challenge", get(state::challenge))
        .layer(from_fn_with_state(Arc::clone(idp), guard))
}

async fn guard(idp: Arc<Idp>, request: Request, next: Next) -> Response {
    match refusal(&idp, &request) {
        None => next.run(request).await,
        Some((status, why)) => problem(status, why),
    }
}

/// Why a request may not be served, if so.
fn refusal(idp: &Idp, request: &Request) -> Option<(StatusCode, &'static str)> {
    if let Some(token) = &idp.admin_token {
        let right = bearer(request.headers()).is_some_and(|given| token.is(given));
        return (!right).then_some((StatusCode::UNAUTHORIZED, "the admin token is needed"));
    }
    let peer = request.extensions().get::<Peer>();
    if !peer.is_none_or(|Peer(address)| address.to_canonical().is_loopback()) {
        return Some((
            StatusCode::FORBIDDEN,
            "without an admin token only this machine is served",
        ));
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/json"));
    (*request.method() == Method::POST && !is_json).then_some((
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body must be application/json",
    ))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn problem(status: StatusCode, error: impl std::fmt::Display) -> Response {
    reply::json(status, &json!({ "error": error.to_string() }))
}

fn bad_request(error: impl std::fmt::Display) -> Response {
    problem(StatusCode::BAD_REQUEST, error)
}

/// The document in a request's body, or the answer that says what is wrong with it.
async fn read<T: DeserializeOwned>(idp: &Idp, body: Body) -> Result<T, Response> {
    let bytes = read_bytes(idp, body).await?;
    serde_json::from_slice(&bytes).map_err(bad_request)
}

/// The text of a request's body.
async fn read_text(idp: &Idp, body: Body) -> Result<String, Response> {
    let bytes = read_bytes(idp, body).await?;
    String::from_utf8(bytes.into()).map_err(bad_request)
}

async fn read_bytes(idp: &Idp, body: Body) -> Result<bytes::Bytes, Response> {
    tokio::time::timeout(idp.limits.body, axum::body::to_bytes(body, LARGEST_BODY))
        .await
        .map_err(|_| {
            problem(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )
        })?
        .map_err(|error| problem(StatusCode::PAYLOAD_TOO_LARGE, error))
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::{AdminToken, Config};
    use crate::signing::Signing;

    fn router(admin_token: Option<&str>) -> Router {
        let config = Config {
            admin_token: admin_token.and_then(AdminToken::new),
            signing: Signing::Inline,
            ..Config::default()
        };
        crate::router(Arc::new(Idp::new(&config).unwrap()))
    }

    /// The status that this peer gets, whatever it says of itself.
    async fn ask(router: &Router, method: Method, path: &str, peer: &str, token: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("x-forwarded-for", "127.0.0.1")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .extension(Peer(peer.parse().unwrap()))
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn other_machines_are_served_with_the_token_alone() {
        let (here, there) = ("127.0.0.1", "192.0.2.1");
        for (admin_token, peer, token, expected) in [
            (None, here, "", 200),
            (None, "::1", "", 200),
            (None, "::ffff:127.0.0.1", "", 200),
            (None, there, "", 403),
            (None, "2001:db8::1", "", 403),
            (None, "::ffff:192.0.2.1", "", 403),
            (None, there, "open-sesame", 403),
            (Some("open-sesame"), here, "", 401),
            (Some("open-sesame"), there, "", 401),
            (Some("open-sesame"), there, "open-sesame", 200),
        ] {
            let router = router(admin_token);
            // A run has the same door.
            let right = admin_token.unwrap_or_default();
            let begun = ask(&router, Method::PUT, "/admin/runs/one", here, right).await;
            assert_eq!(begun, 200);
            for path in ["/admin/ledger", "/run/one/admin/ledger"] {
                let status = ask(&router, Method::GET, path, peer, token).await;
                assert_eq!(status, expected, "{path} {peer} {token} {admin_token:?}");
            }
        }
    }
}
