//! Metrics pushed to an OpenTelemetry collector: OTLP over HTTP, protobuf.
//!
//! Histograms go as exponential ones where they are known finely enough. A
//! collector that does not answer costs numbers, never the program: each push is
//! bounded in time, what fails is logged, and the next has all of it again, since
//! everything counts from the start.

mod encode;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message as _;
use tokio::task::JoinHandle;

use crate::exposition::Family;

/// A push takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read; it says at most why something was refused.
const LONGEST_ANSWER: usize = 64 * 1024;

/// From when to when something was counted, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When counting began.
    pub from: u64,
    /// When it was read.
    pub to: u64,
}

/// Where a collector is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

/// Why a push did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Nobody answered.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the collector took longer than {PATIENCE:?}")]
    Slow,
    /// It answered, with another status than 200.
    #[error("the collector answered {0}")]
    Refused(http::StatusCode),
}

/// Something that can be read for a push.
pub type Source = Arc<dyn Fn() -> (Vec<Family>, Span) + Send + Sync>;

/// Pushes until dropped.
pub struct Exporter {
    task: JoinHandle<()>,
    push: Push,
}

#[derive(Clone)]
struct Push {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Endpoint,
    service: &'static str,
    source: Source,
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    /// `http://HOST:PORT`, to which OTLP's path is added when there is none, as
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` has it.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("`{text}` is no URL: {error}"))?;
        let Some(authority) = uri.authority() else {
            return Err(format!("`{text}` has no host: write http://127.0.0.1:4318"));
        };
        if uri.scheme_str() != Some("http") {
            return Err(format!(
                "`{text}` is not plain HTTP: write http://127.0.0.1:4318, a collector beside this program"
            ));
        }
        let path = match uri.path() {
            "" | "/" => "/v1/metrics",
            path => path,
        };
        format!("http://{authority}{path}")
            .parse()
            .map(Self)
            .map_err(|error| format!("`{text}` is no URL: {error}"))
    }
}

impl Exporter {
    /// Pushes what `source` gives, as `service`, every so often from now on.
    pub fn start(
        endpoint: Endpoint,
        every: Duration,
        service: &'static str,
        source: Source,
    ) -> Self {
        let push = Push {
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            endpoint,
            service,
            source,
        };
        let own = push.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            // The first is at once, when there is nothing to tell.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if let Err(error) = own.once().await {
                    tracing::warn!(%error, "metrics were not pushed");
                }
            }
        });
        Self { task, push }
    }

    /// Pushes the last numbers and stops.
    ///
    /// # Errors
    ///
    /// When they did not arrive.
    pub async fn finish(self) -> Result<(), PushError> {
        self.task.abort();
        self.push.once().await
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Push {
    async fn once(&self) -> Result<(), PushError> {
        tokio::time::timeout(PATIENCE, self.send())
            .await
            .map_err(|_| PushError::Slow)?
    }

    async fn send(&self) -> Result<(), PushError> {
        let source = Arc::clone(&self.source);
        let service = self.service;
        // Folding histograms takes its time: not on a thread that paces others.
        let body = tokio::task::spawn_blocking(move || {
            let (families, span) = source();
            encode::request(service, &families, span).encode_to_vec()
        })
        .await
        .unwrap_or_default();
        let unreachable = |error: &dyn std::error::Error| {
            let cause = error.source().map(ToString::to_string);
            PushError::Unreachable(cause.unwrap_or_else(|| error.to_string()))
        };
        let request = Request::post(self.endpoint.0.clone())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::from(body))
            .map_err(|error| unreachable(&error))?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = answer.status();
        // Read, so that the connection serves again.
        let _ = Limited::new(answer.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        if status.is_success() {
            Ok(())
        } else {
            Err(PushError::Refused(status))
        }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter")
            .field("endpoint", &self.push.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
