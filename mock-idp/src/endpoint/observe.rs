//! What happens around every request: it is paced, measured and counted.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{FromFnLayer, Next, from_fn_with_state};
use axum::response::Response;
use http::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::Endpoint;
use crate::idp::Idp;
use crate::ledger::{GrantType, status_of};

type Observed = (Arc<Idp>, Endpoint);
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Observer =
    FromFnLayer<fn(State<Observed>, Request, Next) -> Answer, Observed, (State<Observed>, Request)>;

/// Observes the routes of one endpoint.
pub(super) fn observer(idp: &Arc<Idp>, endpoint: Endpoint) -> Observer {
    from_fn_with_state(
        (Arc::clone(idp), endpoint),
        |State((idp, endpoint)), request, next| Box::pin(observe(idp, endpoint, request, next)),
    )
}

async fn observe(idp: Arc<Idp>, endpoint: Endpoint, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let not_before = arrived + idp.pace.draw(endpoint);
    let mut observation = Observation::begin(idp, endpoint, arrived);
    let response = next.run(request).await;
    if let Some(&grant) = response.extensions().get::<GrantType>() {
        observation.grant = grant;
    }
    if not_before > Instant::now() {
        sleep_until(not_before).await;
    }
    observation.status = Some(response.status());
    response
}

/// Counts its request when it is dropped: also when the client goes away and the request's future
/// is dropped with it.
struct Observation {
    idp: Arc<Idp>,
    endpoint: Endpoint,
    arrived: Instant,
    grant: GrantType,
    status: Option<StatusCode>,
}

impl Observation {
    fn begin(idp: Arc<Idp>, endpoint: Endpoint, arrived: Instant) -> Self {
        idp.metrics.begun();
        Self {
            idp,
            endpoint,
            arrived,
            grant: GrantType::Other,
            status: None,
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.idp
            .metrics
            .ended(self.endpoint, self.status, self.arrived.elapsed());
        if self.endpoint == Endpoint::Token {
            self.idp.ledger.request(self.grant, status_of(self.status));
        }
    }
}
