//! A run's numbers pushed to an OpenTelemetry collector, in a build with the
//! feature `otlp`.

use std::sync::Arc;
use std::time::Duration;

use super::export::Exporter;
use crate::exit::Failure;

/// Where to push metrics, and how often.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// `http://HOST:PORT` of a collector.
    pub endpoint: String,
    /// From push to push.
    pub every: Duration,
}

/// Pushes until it is finished or dropped.
#[derive(Debug)]
pub struct Pusher {
    #[cfg(feature = "otlp")]
    exporter: telemetry::otlp::Exporter,
}

impl Pusher {
    /// Pushes the numbers of `exporter` from now on.
    ///
    /// # Errors
    ///
    /// When the endpoint makes no sense, or this program cannot push.
    #[cfg(feature = "otlp")]
    pub fn start(otlp: &Otlp, exporter: &Arc<Exporter>) -> Result<Self, Failure> {
        let endpoint = otlp.endpoint.parse().map_err(|reason: String| {
            Failure::usage(
                reason,
                "--otlp-endpoint is where a collector listens for OTLP over HTTP",
            )
        })?;
        if otlp.every.is_zero() {
            return Err(Failure::usage(
                "metrics cannot be pushed all the time",
                "choose an --otlp-interval above zero",
            ));
        }
        let exporter = Arc::clone(exporter);
        let source = Arc::new(move || exporter.pushed());
        Ok(Self {
            exporter: telemetry::otlp::Exporter::start(endpoint, otlp.every, "loadgen", source),
        })
    }

    /// Pushes the numbers of `exporter` from now on.
    ///
    /// # Errors
    ///
    /// Always: this program cannot push.
    #[cfg(not(feature = "otlp"))]
    pub fn start(_: &Otlp, _: &Arc<Exporter>) -> Result<Self, Failure> {
        Err(Failure::usage(
            "this program was built without the feature `otlp`",
            "build it with `cargo build --release -p loadgen --features otlp`",
        ))
    }

    /// Pushes the last numbers; that they do not arrive is told, and no more.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(
            clippy::unused_async,
            reason = "there is nothing to wait for without it"
        )
    )]
    pub async fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Err(error) = self.exporter.finish().await {
            tracing::warn!(%error, "the last metrics were not pushed");
        }
    }
}
