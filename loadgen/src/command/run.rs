//! `loadgen run`: run a scenario and say what happened.

mod environment;
mod real;
mod simulated;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::engine::Stop;
use crate::exit::{Exit, Failure};
use crate::gate::threshold::Threshold;
use crate::progress::Progress;
use crate::report::judge::Circumstances;
use crate::report::model::{Report, Verdict};
use crate::report::{hlog, judge, text};
use crate::scenario::plan::{Mode, Plan};
use crate::scrape::export::Compat;
use crate::scrape::otlp::Otlp;
use crate::snapshot::{self, Snapshot};

/// What `loadgen run` was asked.
#[derive(Debug)]
pub struct Options {
    /// What to run.
    pub plan: Plan,
    /// Where to write `report.json`, `report.txt` and `acquire.hlog`, if anywhere.
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
    /// Where to write what the caches hold at the end, if anywhere.
    pub snapshot_out: Option<PathBuf>,
    /// Where to push them, if anywhere.
    pub otlp: Option<Otlp>,
    /// How to show progress.
    pub progress: Progress,
}

impl Options {
    /// Runs `plan`, shows and writes nothing, and prints `report.json`.
    pub fn quiet(plan: Plan) -> Self {
        Self {
            plan,
            out: None,
            format: Format::Json,
            metrics_addr: None,
            metrics_compat: None,
            linger: Duration::ZERO,
            openmetrics_out: None,
            snapshot_out: None,
            otlp: None,
            progress: Progress::None,
        }
    }
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
    /// Why some of the files that were asked for are not there; the run is in
    /// `printed` all the same.
    pub unwritten: Option<Failure>,
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
    if let Some(path) = &options.snapshot_out {
        can_leave_snapshot(&options.plan)?;
        snapshot::file::prepare(path)?;
    }
    let stop = stop_on_signals()?;
    let Measured {
        report,
        exit,
        metrics,
        timeline,
        snapshot,
    } = match options.plan.mode {
        Mode::Real => real::measure(&options, stop).await?,
        Mode::Virtual | Mode::Model => simulated::measure(&options, stop).await?,
    };
    let json = serde_json::to_string_pretty(&report)
        .map_err(|error| Failure::internal(format!("the report has no JSON form: {error}")))?;
    let text = text::render(&report);
    let mut files = Vec::new();
    if let Some(out) = &options.out {
        files.push((out.join("report.json"), json.clone()));
        files.push((out.join("report.txt"), text.clone()));
        let log = hlog::render(&report).map_err(Failure::internal)?;
        files.push((out.join("acquire.hlog"), log));
        files.extend(metrics.map(|metrics| (out.join("metrics.prom"), metrics)));
    }
    files.extend(options.openmetrics_out.clone().zip(timeline));
    let unwritten = write(&files)
        .and(snapshot.map_or(Ok(()), write_snapshot))
        .err();
    Ok(Finished {
        exit: match &unwritten {
            None => exit,
            Some(failure) => failure.exit,
        },
        printed: match options.format {
            Format::Text => text,
            Format::Json => json + "\n",
        },
        unwritten,
    })
}

/// Writes the snapshot of a run, if the run left one.
fn write_snapshot(snapshot: Result<Snapshot, Failure>) -> Result<(), Failure> {
    snapshot.and_then(|snapshot| snapshot::file::write(&snapshot))
}

/// Whether a run of `plan` can leave a snapshot.
fn can_leave_snapshot(plan: &Plan) -> Result<(), Failure> {
    let refused = |why: &str, hint: &str| {
        let message = format!("--snapshot-out: {why}");
        Err(Failure::usage(message, hint))
    };
    let virtual_only = "leave --snapshot-out out, or run with --mode virtual";
    match plan.mode {
        Mode::Model => refused("the model has no tokens to keep", virtual_only),
        Mode::Real => refused(
            "in real time the provider's keys end with the run, and so do its tokens",
            virtual_only,
        ),
        Mode::Virtual => match snapshot::unfit(plan) {
            Some(unfit) => refused(&unfit.message, unfit.hint),
            None => Ok(()),
        },
    }
}

/// Writes every file that can be, the most wanted first.
///
/// # Errors
///
/// The first that could not.
fn write(files: &[(PathBuf, String)]) -> Result<(), Failure> {
    let mut written = Ok(());
    // All are tried: where one has no room, a smaller one may have.
    for (path, content) in files {
        let this = fs::write(path, content).map_err(|error| cannot_write(path, &error));
        written = written.and(this);
    }
    written
}

/// What a run leaves.
struct Measured {
    report: Report,
    exit: Exit,
    /// A last scrape; in real time alone.
    metrics: Option<String>,
    /// Scrapes with time stamps, if they were asked for.
    timeline: Option<String>,
    /// How it ended, if that was asked for.
    snapshot: Option<Result<Snapshot, Failure>>,
}

/// Judges `report`, and says with what the program ends.
fn conclude(report: &mut Report, thresholds: &[Threshold], circumstances: &Circumstances) -> Exit {
    let exit = match judge::judge(report, thresholds, circumstances) {
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
    exit
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

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(
        format!("`{}` cannot be written: {error}", path.display()),
        "choose another --out",
    )
}
