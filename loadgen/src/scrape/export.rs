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

use super::msal_dotnet::MsalDotnet;
use super::{Scrape, Stages};
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
    clock: RunClock,
    stages: Stages,
    /// The same run as MSAL.NET's meter would have it, where somebody asked.
    msal_dotnet: Option<Arc<MsalDotnet>>,
    ended: OnceLock<Instant>,
    last: Mutex<Option<[Vec<Family>; 2]>>,
}

/// What time it is in a run. Tokio's clock says how much has passed, which virtual
/// time moves as it likes.
#[derive(Debug, Clone, Copy)]
struct RunClock {
    /// When the caches started, by Tokio's clock and as it is shown.
    start: Instant,
    shown: jiff::Timestamp,
    is_virtual: bool,
}

/// Takes a run's numbers at regular moments of its own clock.
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    timeline: Arc<Mutex<Timeline>>,
    exporter: Arc<Exporter>,
}

fn unix(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

impl RunClock {
    fn at(self, instant: Instant) -> jiff::Timestamp {
        let passed = instant.saturating_duration_since(self.start);
        let passed = jiff::SignedDuration::try_from(passed).unwrap_or_default();
        // Too late for a calendar: no run is so long.
        self.shown.checked_add(passed).unwrap_or(self.shown)
    }

    fn now(self) -> jiff::Timestamp {
        self.at(Instant::now())
    }
}

impl Exporter {
    /// An exporter of `run`, in real time, whose caches start now.
    pub fn new(run: &Arc<Run>, msal_dotnet: Option<Arc<MsalDotnet>>) -> Arc<Self> {
        let clock = RunClock {
            start: Instant::now(),
            shown: jiff::Timestamp::now(),
            is_virtual: false,
        };
        Self::of(run, clock, msal_dotnet)
    }

    /// An exporter of `run`, in virtual time, whose caches start now. It is shown as
    /// if it ended about now: a server of metrics refuses, or forgets at once, what
    /// is years old.
    pub fn of_virtual(run: &Arc<Run>) -> Arc<Self> {
        let now = jiff::Timestamp::now();
        let length = run.plan.duration + run.plan.graceful_stop;
        let length = jiff::SignedDuration::try_from(length).unwrap_or_default();
        let clock = RunClock {
            start: Instant::now(),
            shown: now.checked_sub(length).unwrap_or(now),
            is_virtual: true,
        };
        Self::of(run, clock, None)
    }

    fn of(run: &Arc<Run>, clock: RunClock, msal_dotnet: Option<Arc<MsalDotnet>>) -> Arc<Self> {
        Arc::new(Self {
            run: Arc::downgrade(run),
            clock,
            stages: Stages::of_plan(&run.plan),
            msal_dotnet,
            ended: OnceLock::new(),
            last: Mutex::new(None),
        })
    }

    /// The run has ended: from here on its last numbers are shown.
    pub fn end(&self) {
        self.ended.get_or_init(Instant::now);
        let last = [self.families(), self.msal_dotnet()];
        *self.last.lock() = Some(last);
    }

    /// Everything under our names, and from when to when it was counted.
    #[cfg(feature = "otlp")]
    pub fn pushed(&self) -> (Vec<Family>, telemetry::otlp::Span) {
        let nanoseconds =
            |at: jiff::Timestamp| u64::try_from(at.as_nanosecond()).unwrap_or_default();
        let span = telemetry::otlp::Span {
            from: nanoseconds(self.clock.shown),
            to: nanoseconds(self.until()),
        };
        (self.families(), span)
    }

    /// The end of the run, or now.
    fn until(&self) -> jiff::Timestamp {
        let ended = self.ended.get().copied();
        self.clock.at(ended.unwrap_or_else(Instant::now))
    }

    /// Everything under MSAL.NET's names; nothing if nobody asked for them.
    pub fn msal_dotnet(&self) -> Vec<Family> {
        if let Some([_, last]) = &*self.last.lock() {
            return last.clone();
        }
        self.msal_dotnet
            .as_ref()
            .map(|kept| kept.families())
            .unwrap_or_default()
    }

    /// Everything under our names.
    pub fn families(&self) -> Vec<Family> {
        if let Some([last, _]) = &*self.last.lock() {
            return last.clone();
        }
        let Some(run) = self.run.upgrade() else {
            return Vec::new();
        };
        let remaining = [TokenSource::Cache, TokenSource::IdentityProvider]
            .map(|source| run.recorder.remaining_lifetimes(source));
        let shown = |instant: Option<Instant>| instant.map_or(0.0, |at| unix(self.clock.at(at)));
        let scrape = Scrape {
            plan: &run.plan,
            folded: run.recorder.folded(),
            remaining,
            levels: run.callers.fleet.levels(),
            store: run.callers.fleet.meter(),
            fetching: run.recorder.fetching(),
            in_flight: run.in_flight(),
            users: run.users_present(),
            stages: &self.stages,
            started_at: unix(self.clock.shown),
            began_at: shown(run.recorder.began()),
            ended_at: shown(self.ended.get().copied()),
            now: unix(self.clock.now()),
        };
        let mut families = scrape.families();
        // A process lives in real time: beside virtual times its processor time
        // and memory would say nothing.
        if !self.clock.is_virtual {
            families.extend(telemetry::process::families());
        }
        families
    }

    /// Serves the run's metrics at `address`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn serve(
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
        let server = MetricsServer::start(address, pages).map_err(|error| {
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
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                let at = unix(exporter.clock.now());
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
        timeline.push(unix(self.exporter.until()), self.exporter.families());
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
