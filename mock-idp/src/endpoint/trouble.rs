//! Carries out what throttles and fault rules decide about a request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use serde_json::json;
use tokio::time::{Instant, Sleep, sleep};

use super::reply;
use crate::aadsts;
use crate::behavior::fault::{Fault, RetryAfter};
use crate::behavior::forgery::Forgery;
use crate::behavior::throttle::{Permits, ThrottleKind, Throttled};
use crate::error::{Trace, injected};
use crate::idp::Idp;
use crate::request::RequestContext;

/// The status of an answer that is none: nginx logs the same number for connections it closed.
const HUNG_UP: u16 = 444;

/// Pieces in which a slow body arrives.
const PIECES: usize = 10;

/// What was decided about a request.
#[derive(Default)]
pub(super) struct Trouble {
    faults: Vec<Fault>,
    throttled: Option<Throttled>,
    _permits: Permits,
}

impl Trouble {
    /// Decides, and counts what it decided.
    pub(super) fn of(idp: &Idp, request: &RequestContext) -> Self {
        let since_start = idp.clock.since_start();
        let permits = match idp.throttles.admit(request, since_start) {
            Ok(permits) => permits,
            Err(throttled) => {
                idp.ledger.throttled(throttled.kind);
                return Self {
                    throttled: Some(throttled),
                    ..Self::default()
                };
            }
        };
        let faults = idp.rules.strike(request, since_start);
        for fault in &faults {
            idp.ledger.fault(fault.kind());
        }
        Self {
            faults,
            throttled: None,
            _permits: permits,
        }
    }

    /// The answer in the server's place, if there is to be one.
    pub(super) fn answer(&self, trace: impl FnOnce() -> Trace) -> Option<Response> {
        if let Some(Throttled { kind, retry_after }) = self.throttled {
            return Some(match kind {
                ThrottleKind::Rate | ThrottleKind::Concurrency => {
                    refusal(90_055, None, None, Some(retry_after), &trace())
                }
                ThrottleKind::Loop => refusal(50_196, None, None, None, &trace()),
            });
        }
        // At most one of the faults answers, so `trace` is needed once.
        let fault = self.faults.iter().find(|fault| {
            matches!(
                fault,
                Fault::Aadsts { .. }
                    | Fault::Status { .. }
                    | Fault::HtmlPage { .. }
                    | Fault::ResetAfterRequest
            )
        })?;
        match fault {
            Fault::Aadsts {
                code,
                suberror,
                claims,
                retry_after,
            } => {
                let (suberror, claims) = (suberror.clone(), claims.clone());
                Some(refusal(*code, suberror, claims, *retry_after, &trace()))
            }
            Fault::Status {
                status,
                retry_after,
            } => {
                let status = status_of(*status);
                let error = match status.as_u16() {
                    429 | 500.. => "temporarily_unavailable",
                    _ => "invalid_request",
                };
                let words = "An error was injected.";
                let body = json!({ "error": error, "error_description": words });
                Some(with_retry_after(
                    reply::json(status, &body),
                    *retry_after,
                    &trace(),
                ))
            }
            Fault::HtmlPage {
                status,
                retry_after,
            } => {
                let status = status_of(*status);
                let title = status.canonical_reason().unwrap_or("Error");
                let page = format!(
                    "<!DOCTYPE html><html><head><title>{status}</title></head>\
                     <body><h2>{title}</h2><hr><p>HTTP Error {}</p></body></html>\n",
                    status.as_u16()
                );
                Some(with_retry_after(
                    reply::html(status, page),
                    *retry_after,
                    &trace(),
                ))
            }
            _ => {
                let mut response = Response::default();
                *response.status_mut() = status_of(HUNG_UP);
                Some(response)
            }
        }
    }

    /// What is to be wrong with the tokens of the answer.
    pub(super) fn forgery(&self) -> Option<Forgery> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::ForgedToken { forgery } => Some(*forgery),
            _ => None,
        })
    }

    /// How much later than the endpoint's latency alone would have it.
    pub(super) fn delay(&self, idp: &Idp, request: &RequestContext) -> Duration {
        let added = self.faults.iter().map(|fault| match fault {
            Fault::Latency { add } => idp.pace.draw_added(request.endpoint, add),
            _ => Duration::ZERO,
        });
        added.sum()
    }

    /// Whether the connection is to be reset instead of the answer being sent.
    pub(super) fn hangs_up(&self) -> bool {
        self.faults.contains(&Fault::ResetAfterRequest)
    }

    /// The answer, as bad as it is to be.
    pub(super) async fn spoil(&self, response: Response) -> Response {
        let spoiled = self.faults.iter().find_map(|fault| match fault {
            Fault::TruncatedBody => Some(None),
            Fault::SlowBody { over } => Some(Some(*over)),
            _ => None,
        });
        let Some(over) = spoiled else { return response };
        let (mut parts, body) = response.into_parts();
        // Bodies here are in memory already, so there is nothing to wait for or to go wrong.
        let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
            return reply::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
        };
        parts.headers.remove(CONTENT_LENGTH);
        let body = match over {
            None => Body::from(bytes.slice(..bytes.len() / 2)),
            Some(over) => Body::new(Dribble::new(bytes, over)),
        };
        Response::from_parts(parts, body)
    }
}

fn refusal(
    code: u32,
    suberror: Option<String>,
    claims: Option<String>,
    retry_after: Option<RetryAfter>,
    trace: &Trace,
) -> Response {
    let Some(known) = aadsts::find(code) else {
        // Rules with other codes are refused before they are in force.
        return reply::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
    };
    let body = injected(known, suberror, claims, trace);
    with_retry_after(reply::json(known.status, &body), retry_after, trace)
}

fn with_retry_after(
    mut response: Response,
    retry_after: Option<RetryAfter>,
    trace: &Trace,
) -> Response {
    let value = retry_after.and_then(|retry_after| match retry_after {
        RetryAfter::Seconds(seconds) => Some(HeaderValue::from(seconds)),
        RetryAfter::Date(seconds) => {
            let date = trace.at.plus(Duration::from_secs(seconds.into()));
            HeaderValue::try_from(date.to_http_date()).ok()
        }
    });
    if let Some(value) = value {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A body that arrives in pieces, evenly over a time.
struct Dribble {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    next: Pin<Box<Sleep>>,
}

impl Dribble {
    fn new(bytes: Bytes, over: Duration) -> Self {
        let pause = over / u32::try_from(PIECES).unwrap_or(1);
        Self {
            piece: bytes.len().div_ceil(PIECES).max(1),
            rest: bytes,
            pause,
            next: Box::pin(sleep(pause)),
        }
    }
}

impl hyper::body::Body for Dribble {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.next.as_mut().poll(context));
        let pause = self.pause;
        self.next.as_mut().reset(Instant::now() + pause);
        let length = self.piece.min(self.rest.len());
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// At least the rest. No more is promised: with a length, clients would know what to wait for.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        hint
    }
}
