//! What happens around every request: it is paced, measured and counted.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{FromFnLayer, Next, from_fn_with_state};
use axum::response::Response;
use http::StatusCode;
use hyper::body::Body as _;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::counted::counted;
use super::trouble::Trouble;
use super::{Endpoint, trace};
use crate::behavior::forgery::Forgery;
use crate::idp::Idp;
use crate::ledger::{Exchange, GrantType, status_of};
use crate::request::RequestContext;
use crate::socket::HangUp;

type Observed = (Arc<Idp>, Endpoint);
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Observer =
    FromFnLayer<fn(State<Observed>, Request, Next) -> Answer, Observed, (State<Observed>, Request)>;

/// Put into the extensions of an in-process request, lets it be answered at once, without a latency
/// being drawn: for what a simulation has to ask and does not model.
#[derive(Debug, Clone, Copy)]
pub struct Unpaced;

/// Observes the routes of one endpoint.
pub(super) fn observer(idp: &Arc<Idp>, endpoint: Endpoint) -> Observer {
    from_fn_with_state(
        (Arc::clone(idp), endpoint),
        |State((idp, endpoint)), request, next| Box::pin(observe(idp, endpoint, request, next)),
    )
}

/// Where the token endpoint leaves what it read of its request and what was decided about it, so
/// that the request is counted also when the client goes away meanwhile.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<OnceLock<(RequestContext, Trouble)>>);

impl Asked {
    /// Leaves the context of a token request, once, and decides about it.
    pub(super) fn leave(&self, idp: &Idp, context: RequestContext) -> &Trouble {
        let (_, trouble) = self.0.get_or_init(|| {
            idp.ledger.enter(&context);
            let trouble = Trouble::of(idp, &context);
            (context, trouble)
        });
        trouble
    }

    /// What was decided to be wrong with the tokens of the answer.
    pub(super) fn forgery(&self) -> Option<Forgery> {
        self.0.get().and_then(|(_, trouble)| trouble.forgery())
    }
}

async fn observe(idp: Arc<Idp>, endpoint: Endpoint, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let not_before = match request.extensions().get::<Unpaced>() {
        Some(Unpaced) => arrived,
        None => arrived + idp.pace.draw(endpoint),
    };
    let mut observation = Observation::begin(Arc::clone(&idp), endpoint, arrived);
    let hang_up = request.extensions().get::<HangUp>().cloned();
    let asked = observation.asked.clone();
    let request = request.map(|body| counted(body, &observation.received));
    let mut response = answer(&idp, endpoint, request, next, &asked).await;
    let mut delay = Duration::ZERO;
    if let Some((context, trouble)) = asked.0.get() {
        delay = trouble.delay(&idp, context);
        response = trouble.spoil(response).await;
        if let Some(hang_up) = hang_up.filter(|_| trouble.hangs_up()) {
            hang_up.now();
        }
    }
    let not_before = not_before + delay;
    if not_before > Instant::now() {
        sleep_until(not_before).await;
    }
    observation.status = Some(response.status());
    // Bodies are in memory, so that the least they can have is what they have.
    observation.sent = response.body().size_hint().lower();
    response
}

/// The endpoint's answer, or the one of a fault. A token request has to be read first, which its
/// endpoint does; of others the path says enough. The operator is always served.
async fn answer(
    idp: &Idp,
    endpoint: Endpoint,
    request: Request,
    next: Next,
    asked: &Asked,
) -> Response {
    let mut request = request;
    match endpoint {
        Endpoint::Other => next.run(request).await,
        Endpoint::Token | Endpoint::ManagedIdentity => {
            request.extensions_mut().insert(asked.clone());
            next.run(request).await
        }
        _ => {
            let (parts, body) = request.into_parts();
            let tenant = parts.uri.path().split('/').nth(1).unwrap_or_default();
            let context = RequestContext::of_path(
                &idp.settings().directory,
                endpoint,
                tenant,
                &parts,
                Uuid::nil(),
            );
            let (_, trouble) = asked.0.get_or_init(|| {
                let trouble = Trouble::of(idp, &context);
                (context, trouble)
            });
            match trouble.answer(|| trace::trace(idp, &parts, None)) {
                Some(answer) => answer,
                None => next.run(Request::from_parts(parts, body)).await,
            }
        }
    }
}

/// Counts its request when it is dropped: also when the client goes away and the request's future
/// is dropped with it.
struct Observation {
    idp: Arc<Idp>,
    endpoint: Endpoint,
    arrived: Instant,
    asked: Asked,
    status: Option<StatusCode>,
    received: Arc<AtomicU64>,
    sent: u64,
}

impl Observation {
    fn begin(idp: Arc<Idp>, endpoint: Endpoint, arrived: Instant) -> Self {
        idp.metrics.begun();
        Self {
            idp,
            endpoint,
            arrived,
            asked: Asked::default(),
            status: None,
            received: Arc::default(),
            sent: 0,
        }
    }

    /// What was asked for, if that was a token.
    fn grant(&self) -> Option<GrantType> {
        let read = self.asked.0.get().map(|(context, _)| context.grant);
        match self.endpoint {
            Endpoint::Token => Some(read.unwrap_or(GrantType::Other)),
            Endpoint::ManagedIdentity => Some(GrantType::ManagedIdentity),
            _ => None,
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let exchange = Exchange {
            status: status_of(self.status),
            took: self.arrived.elapsed(),
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent,
        };
        let metrics = &self.idp.metrics;
        metrics.ended(self.endpoint, self.grant(), exchange);
        if self.endpoint.gives_tokens() {
            self.idp.ledger.request(
                self.asked.0.get().map(|(context, _)| context),
                exchange,
                self.idp.clock.now(),
            );
        }
    }
}
