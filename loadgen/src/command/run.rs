//! `loadgen run`: run a scenario and say what happened.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use telemetry::serve::MetricsServer;
use token_cache::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::real::{Run, Stop};
use crate::exit::{Exit, Failure};
use crate::flow::Callers;
use crate::flow::session::Sessions;
use crate::oracle::Oracle;
use crate::progress::{self, Progress};
use crate::record::Recorder;
use crate::report::build::{Evidence, build};
use crate::report::judge::Circumstances;
use crate::report::model::{Report, Verdict};
use crate::report::{judge, text};
use crate::scenario::plan::{IdpPlan, Plan};
use crate::scrape::Scrape;
use crate::target::provider::OwnRequests;
use crate::target::{Directory, Fleet, Provider};

/// What `loadgen run` was asked.
#[derive(Debug)]
pub struct Options {
    /// What to run.
    pub plan: Plan,
    /// Where to write `report.json` and `report.txt`, if anywhere.
    pub out: Option<PathBuf>,
    /// How to print the report.
    pub format: Format,
    /// Where to serve metrics, if anywhere.
    pub metrics_addr: Option<SocketAddr>,
    /// How to show progress.
    pub progress: Progress,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// `report.json`.
    Json,
}

/// A report and the code to end with.
#[derive(Debug)]
pub struct Finished {
    /// For stdout.
    pub printed: String,
    /// For the shell.
    pub exit: Exit,
}

/// Runs the scenario.
///
/// # Errors
///
/// A [`Failure`] when there is no report to show.
pub async fn run(options: Options) -> Result<Finished, Failure> {
    // Made first, so that a run is not lost for want of a place to put it.
    if let Some(out) = &options.out {
        fs::create_dir_all(out).map_err(|error| cannot_write(out, &error))?;
    }
    let (report, exit) = measure(&options).await?;
    let json = serde_json::to_string_pretty(&report)
        .map_err(|error| Failure::internal(format!("the report has no JSON form: {error}")))?;
    let text = text::render(&report);
    if let Some(out) = &options.out {
        for (name, content) in [("report.json", &json), ("report.txt", &text)] {
            let path = out.join(name);
            fs::write(&path, content).map_err(|error| cannot_write(&path, &error))?;
        }
    }
    Ok(Finished {
        exit,
        printed: match options.format {
            Format::Text => text,
            Format::Json => json + "\n",
        },
    })
}

async fn measure(options: &Options) -> Result<(Report, Exit), Failure> {
    let mut stop = stop_on_signals()?;
    let ready = tokio::select! {
        biased;
        Ok(_) = stop.wait_for(|stop| *stop > Stop::Run) => return Err(Failure::interrupted()),
        ready = Ready::get(options) => ready?,
    };
    let Ready {
        run,
        started_at,
        _metrics,
    } = ready;
    let (plan, callers, recorder) = (
        Arc::clone(&run.plan),
        Arc::clone(&run.callers),
        Arc::clone(&run.recorder),
    );
    let ledger_before = callers.provider.ledger().await?;
    let own_before = callers.provider.own_requests();
    let shown = progress::show(options.progress, &run);
    let ended = run.go(stop).await?;
    drop(shown);
    let seen = recorder.recorded();
    let own = callers.provider.own_requests();
    let driver_requests = OwnRequests {
        answered: own.answered - own_before.answered,
        unanswered: own.unanswered.saturating_sub(own_before.unanswered),
    };
    // Whatever became of the provider, what was measured is reported.
    let ledger_after = tokio::time::timeout(LEDGER_WAIT, callers.provider.ledger())
        .await
        .map_err(|_| format!("no answer in {LEDGER_WAIT:?}"))
        .and_then(|read| read.map_err(|failure| failure.message));
    let mut report = build(Evidence {
        plan: &plan,
        recorded: &seen,
        cache: callers.fleet.report(),
        ledger_before: &ledger_before,
        ledger_after: ledger_after.as_ref().ok(),
        driver_requests,
        started_at: run.began_at().unwrap_or(started_at).to_string(),
        duration: ended.duration,
        environment: environment(&plan),
    });
    let circumstances = Circumstances {
        interrupted: ended.interrupted,
        under_way: ended.under_way as u64,
        ledger_unread: ledger_after.err(),
    };
    let exit = match judge::judge(&mut report, &plan.thresholds, &circumstances) {
        Ok(()) => report.verdict.into(),
        Err(failure) => {
            // A report that contradicts itself is shown, and says so.
            report.verdict = Verdict::Invalid;
            report.exit_code = failure.exit.code();
            report.reasons.insert(0, failure.message);
            failure.exit
        }
    };
    if report.verdict == Verdict::Invalid {
        tracing::warn!("the run is invalid: its numbers cannot be trusted");
    }
    stop_provider(run, callers).await;
    Ok((report, exit))
}

/// The ledger is read at the end for no longer than this.
const LEDGER_WAIT: Duration = Duration::from_secs(2);

/// Everything that must be there before the first arrival.
struct Ready {
    run: Arc<Run>,
    started_at: jiff::Timestamp,
    /// Serves until dropped.
    _metrics: Option<MetricsServer>,
}

impl Ready {
    async fn get(options: &Options) -> Result<Self, Failure> {
        let plan = Arc::new(options.plan.clone());
        let clock = Clock::system();
        let started_at = jiff::Timestamp::now();
        let provider = Provider::start(&plan.idp, plan.seed).await?;
        let oracle = Oracle::new(&provider.keys().await?).map_err(|reason| {
            Failure::environment(
                format!("the provider's keys cannot be used: {reason}"),
                "the provider must publish a JWKS document",
            )
        })?;
        let recorder = Arc::new(Recorder::new(plan.traffic.len()));
        let directory = Directory::new(&plan.population);
        let fleet = Fleet::new(&plan, &directory, &provider, clock, &recorder);
        let callers = Arc::new(Callers {
            directory,
            fleet,
            provider,
            sessions: Sessions::default(),
            oracle,
            recorder: Arc::clone(&recorder),
            clock,
        });
        let run = Arc::new(Run::new(plan, callers, recorder));
        let metrics = serve_metrics(options.metrics_addr, &run, started_at).await?;

        let preparing = Instant::now();
        let signed_in = run.prepare().await?;
        if signed_in > 0 {
            tracing::info!(users = signed_in, took = ?preparing.elapsed(), "on-behalf-of callers signed in");
        }
        Ok(Self {
            run,
            started_at,
            _metrics: metrics,
        })
    }
}

/// Stops an embedded provider, if no acquisition still holds on to it.
async fn stop_provider(run: Arc<Run>, callers: Arc<Callers>) {
    drop(run);
    if let Some(callers) = Arc::into_inner(callers) {
        callers.provider.stop().await;
    }
}

async fn serve_metrics(
    address: Option<SocketAddr>,
    run: &Arc<Run>,
    started_at: jiff::Timestamp,
) -> Result<Option<MetricsServer>, Failure> {
    let Some(address) = address else {
        return Ok(None);
    };
    let weak = Arc::downgrade(run);
    let unix = |at: jiff::Timestamp| at.as_millisecond() as f64 / 1_000.0;
    let scrape = move || {
        weak.upgrade().map_or_else(String::new, |run| {
            Scrape {
                plan: &run.plan,
                recorded: &run.recorder.recorded(),
                cache: run.callers.fleet.report(),
                in_flight: run.in_flight(),
                started_at: unix(started_at),
                // Zero until the first arrival.
                began_at: run.began_at().map_or(0.0, unix),
            }
            .render()
        })
    };
    let server = MetricsServer::start(address, scrape)
        .await
        .map_err(|error| {
            Failure::environment(
                format!("metrics cannot be served at {address}: {error}"),
                "choose another --metrics-addr; port 0 lets the system choose",
            )
        })?;
    tracing::info!(address = %format!("http://{}/metrics", server.address()), "serving metrics");
    Ok(Some(server))
}

/// The first signal drains, the second stops at once.
fn stop_on_signals() -> Result<watch::Receiver<Stop>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::environment(
                format!("signals cannot be listened to: {error}"),
                "the system may be out of file descriptors",
            )
        })
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let (sender, receiver) = watch::channel(Stop::Run);
    tokio::spawn(async move {
        for step in [Stop::Drain, Stop::Now] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!(
                "stopping{}",
                if step == Stop::Drain {
                    "; once more stops at once"
                } else {
                    " at once"
                }
            );
            if sender.send(step).is_err() {
                return;
            }
        }
        // Kept, so that receivers never see a closed channel.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

fn environment(plan: &Plan) -> BTreeMap<String, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let idp = match &plan.idp {
        IdpPlan::Embedded(_) => "embedded mock-idp over TLS on loopback, RS256".to_owned(),
        IdpPlan::External { url, .. } => format!("external, {url}"),
    };
    let cache = format!(
        "{} preset, {} instance{}, {}, {}",
        plan.cache.preset.as_str(),
        plan.fleet.instances,
        if plan.fleet.instances == 1 { "" } else { "s" },
        if plan.cache.l1.is_some() {
            "L1"
        } else {
            "no L1"
        },
        if plan.cache.l2.is_some() {
            "L2 in memory"
        } else {
            "no L2"
        },
    );
    BTreeMap::from([
        ("cache".to_owned(), cache),
        ("identity provider".to_owned(), idp),
        (
            "machine".to_owned(),
            format!("{cores} cores, load generator and provider share them"),
        ),
    ])
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(
        format!("`{}` cannot be written: {error}", path.display()),
        "choose another --out",
    )
}
