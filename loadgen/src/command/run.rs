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
use crate::scrape::export::{self, Compat, Exporter, Watch};
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
    /// Whose names to show them under as well.
    pub metrics_compat: Option<Compat>,
    /// How long to serve them after the end.
    pub linger: Duration,
    /// Where to write them with time stamps, if anywhere.
    pub openmetrics_out: Option<PathBuf>,
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
    // An empty file now is better than none after an hour.
    if let Some(path) = &options.openmetrics_out {
        fs::write(path, "").map_err(|error| cannot_write(path, &error))?;
    }
    let Measured {
        report,
        exit,
        metrics,
        timeline,
    } = measure(&options).await?;
    if let (Some(path), Some(timeline)) = (&options.openmetrics_out, timeline) {
        fs::write(path, timeline).map_err(|error| cannot_write(path, &error))?;
    }
    let json = serde_json::to_string_pretty(&report)
        .map_err(|error| Failure::internal(format!("the report has no JSON form: {error}")))?;
    let text = text::render(&report);
    if let Some(out) = &options.out {
        for (name, content) in [
            ("report.json", &json),
            ("report.txt", &text),
            ("metrics.prom", &metrics),
        ] {
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

/// What a run leaves.
struct Measured {
    report: Report,
    exit: Exit,
    /// A last scrape.
    metrics: String,
    /// Scrapes with time stamps, if they were asked for.
    timeline: Option<String>,
}

async fn measure(options: &Options) -> Result<Measured, Failure> {
    let mut stop = stop_on_signals()?;
    let ready = tokio::select! {
        biased;
        Ok(_) = stop.wait_for(|stop| *stop > Stop::Run) => return Err(Failure::interrupted()),
        ready = Ready::get(options) => ready?,
    };
    let Ready {
        run,
        started_at,
        exporter,
        metrics,
    } = ready;
    let (plan, callers, recorder) = (
        Arc::clone(&run.plan),
        Arc::clone(&run.callers),
        Arc::clone(&run.recorder),
    );
    let ledger_before = callers.provider.ledger().await?;
    let own_before = callers.provider.own_requests();
    let shown = progress::show(options.progress, &run);
    let watch = options
        .openmetrics_out
        .as_ref()
        .map(|_| exporter.watch(plan.duration));
    let ended = run.go(stop.clone()).await?;
    exporter.end();
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
    if let Some(server) = &metrics
        && !options.linger.is_zero()
    {
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop > Stop::Run) => {}
            () = export::linger(server, options.linger) => {}
        }
    }
    Ok(Measured {
        report,
        exit,
        metrics: telemetry::render(exporter.families(), telemetry::Format::Text),
        timeline: watch.map(Watch::finish),
    })
}

/// The ledger is read at the end for no longer than this.
const LEDGER_WAIT: Duration = Duration::from_secs(2);

/// Everything that must be there before the first arrival.
struct Ready {
    run: Arc<Run>,
    started_at: jiff::Timestamp,
    exporter: Arc<Exporter>,
    /// Serves until dropped.
    metrics: Option<MetricsServer>,
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
        let exporter = Exporter::new(&run, started_at);
        let metrics = match options.metrics_addr {
            Some(address) => Some(exporter.serve(address, options.metrics_compat).await?),
            None => None,
        };

        let preparing = Instant::now();
        let signed_in = run.prepare().await?;
        if signed_in > 0 {
            tracing::info!(users = signed_in, took = ?preparing.elapsed(), "on-behalf-of callers signed in");
        }
        Ok(Self {
            run,
            started_at,
            exporter,
            metrics,
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
