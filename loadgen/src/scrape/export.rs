//! Where a run's numbers go while it runs and when it has ended: to scrapers,
//! and to a file with time stamps.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::serve::{MetricsServer, Pages};
use telemetry::{Family, Timeline};
use token_client::TokenSource;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Scrape;
use crate::engine::Run;
use crate::exit::Failure;

/// Whose names the metrics are shown under, beside our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compat {
    /// MSAL.NET's, at /metrics/msal.
    MsalDotnet,
}

/// Moments that a file with time stamps holds at most: two minutes apart for a
/// day, a second for ten minutes.
const MOST_MOMENTS: u32 = 720;

/// Makes scrapes of a run, also after its end.
#[derive(Debug)]
pub struct Exporter {
    run: Weak<Run>,
    started_at: jiff::Timestamp,
    ended_at: OnceLock<jiff::Timestamp>,
    last: Mutex<Option<[Vec<Family>; 2]>>,
}

/// Takes a run's numbers at regular moments of its own clock.
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    timeline: Arc<Mutex<Timeline>>,
    exporter: Arc<Exporter>,
}

fn own_names(scrape: &Scrape<'_>) -> Vec<Family> {
    scrape.families()
}

fn msal_dotnet_names(scrape: &Scrape<'_>) -> Vec<Family> {
    scrape.msal_dotnet()
}

fn unix(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

impl Exporter {
    /// An exporter of `run`, whose caches started at `started_at`.
    pub fn new(run: &Arc<Run>, started_at: jiff::Timestamp) -> Arc<Self> {
        Arc::new(Self {
            run: Arc::downgrade(run),
            started_at,
            ended_at: OnceLock::new(),
            last: Mutex::new(None),
        })
    }

    /// The run has ended: from here on its last numbers are shown.
    pub fn end(&self) {
        self.ended_at.get_or_init(jiff::Timestamp::now);
        let last = [self.families(), self.msal_dotnet()];
        *self.last.lock() = Some(last);
    }

    /// Everything under our names.
    pub fn families(&self) -> Vec<Family> {
        self.scrape(0, own_names)
    }

    /// Everything under our names, and from when to when it was counted.
    #[cfg(feature = "otlp")]
    pub fn pushed(&self) -> (Vec<Family>, telemetry::otlp::Span) {
        let nanoseconds =
            |at: jiff::Timestamp| u64::try_from(at.as_nanosecond()).unwrap_or_default();
        let to = self.ended_at.get().copied();
        let span = telemetry::otlp::Span {
            from: nanoseconds(self.started_at),
            to: nanoseconds(to.unwrap_or_else(jiff::Timestamp::now)),
        };
        (self.families(), span)
    }

    /// Everything under MSAL.NET's names.
    pub fn msal_dotnet(&self) -> Vec<Family> {
        self.scrape(1, msal_dotnet_names)
    }

    fn scrape(&self, which: usize, families: impl Fn(&Scrape<'_>) -> Vec<Family>) -> Vec<Family> {
        if let Some(last) = &*self.last.lock() {
            return last[which].clone();
        }
        let Some(run) = self.run.upgrade() else {
            return Vec::new();
        };
        let remaining = [TokenSource::Cache, TokenSource::IdentityProvider]
            .map(|source| run.recorder.remaining_lifetimes(source));
        families(&Scrape {
            plan: &run.plan,
            recorded: &run.recorder.recorded(),
            remaining,
            cache: run.callers.fleet.report(),
            store: run.callers.fleet.meter(),
            fetching: run.recorder.fetching(),
            in_flight: run.in_flight(),
            started_at: unix(self.started_at),
            began_at: run.began_at().map_or(0.0, unix),
            ended_at: self.ended_at.get().copied().map_or(0.0, unix),
            now: unix(jiff::Timestamp::now()),
        })
    }

    /// Serves the run's metrics at `address`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn serve(
        self: &Arc<Self>,
        address: SocketAddr,
        compat: Option<Compat>,
    ) -> Result<MetricsServer, Failure> {
        let own = Arc::clone(self);
        let mut pages = Pages::default().page("/metrics", move || own.families());
        if compat == Some(Compat::MsalDotnet) {
            let own = Arc::clone(self);
            pages = pages.page("/metrics/msal", move || own.msal_dotnet());
        }
        let server = MetricsServer::start(address, pages)
            .await
            .map_err(|error| {
                Failure::environment(
                    format!("metrics cannot be served at {address}: {error}"),
                    "choose another --metrics-addr; port 0 lets the system choose",
                )
            })?;
        tracing::info!(address = %format!("http://{}/metrics", server.address()), "serving metrics");
        Ok(server)
    }

    /// Takes the numbers every so often from now on, for a run of this length.
    pub fn watch(self: &Arc<Self>, length: Duration) -> Watch {
        let every = (length / MOST_MOMENTS).max(Duration::from_secs(1));
        let timeline = Arc::new(Mutex::new(Timeline::default()));
        let (exporter, sink) = (Arc::clone(self), Arc::clone(&timeline));
        // Time stamps follow Tokio's clock, which a run in virtual time moves.
        let (wall, begin) = (unix(jiff::Timestamp::now()), Instant::now());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                let at = wall + begin.elapsed().as_secs_f64();
                sink.lock().push(at, exporter.families());
            }
        });
        Watch {
            task,
            timeline,
            exporter: Arc::clone(self),
        }
    }
}

impl Watch {
    /// The numbers taken, the last ones now, as OpenMetrics with time stamps.
    pub fn finish(self) -> String {
        self.task.abort();
        let mut timeline = std::mem::take(&mut *self.timeline.lock());
        let at = self.exporter.ended_at.get().copied();
        let at = at.unwrap_or_else(jiff::Timestamp::now);
        timeline.push(unix(at), self.exporter.families());
        timeline.render()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps serving after a run's end: for `patience`, or until each page that has
/// been scraped, or else the first, has been scraped once more.
pub async fn linger(server: &MetricsServer, patience: Duration) {
    let before = server.served();
    let nobody_came = before.iter().all(|served| *served == 0);
    let scraped = || {
        let pages = before.iter().zip(server.served()).enumerate();
        pages
            .filter(|(page, (before, _))| **before > 0 || (nobody_came && *page == 0))
            .all(|(_, (before, now))| now > *before)
    };
    let deadline = Instant::now() + patience;
    while !scraped() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The last answer is still on its way when it is counted.
    tokio::time::sleep(Duration::from_millis(50)).await;
}
