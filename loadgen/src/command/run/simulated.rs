//! A run in virtual time, or of the model: on a thread of its own, while this
//! one listens for signals.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mock_idp::LedgerSnapshot;
use token_cache::{Clock, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::environment::environment;
use super::{Measured, Options, conclude};
use crate::engine::past::Past;
use crate::engine::{Run, Stop, model};
use crate::exit::Failure;
use crate::flow::session::Sessions;
use crate::flow::{Callers, application_cache};
use crate::oracle::Oracle;
use crate::record::Recorder;
use crate::report::build::{Evidence, build};
use crate::report::judge::Circumstances;
use crate::report::model::{Cache, Generator};
use crate::scenario::plan::{EmbeddedIdpPlan, IdpPlan, Mode, Plan, Start};
use crate::scrape::export::{Exporter, Watch};
use crate::snapshot::{self, Snapshot};
use crate::target::in_process::EPOCH;
use crate::target::provider::OwnRequests;
use crate::target::{Directory, Fleet, Listener, Provider};
use crate::theory;
use crate::theory::shadow::{Causes, Shadow};

/// What a report is made of, the plan and wall time apart.
struct Outcome {
    recorder: Arc<Recorder>,
    cache: Cache,
    /// Before the first arrival: users who are signed in had to sign in.
    ledger_before: LedgerSnapshot,
    ledger: LedgerSnapshot,
    driver_requests: u64,
    duration: Duration,
    circumstances: Circumstances,
    causes: Causes,
    most_fetches_of_a_key: Option<u64>,
    timeline: Option<String>,
    snapshot: Option<Result<Snapshot, Failure>>,
}

/// What is asked of a run beside its report.
struct Asked {
    timeline: bool,
    /// Where a snapshot of its end goes, if one is wanted.
    snapshot_to: Option<PathBuf>,
}

/// Runs the scenario of `options` in virtual time or by the model.
pub(super) async fn measure(
    options: &Options,
    stop: watch::Receiver<Stop>,
) -> Result<Measured, Failure> {
    let IdpPlan::Embedded(idp_plan) = options.plan.idp.clone() else {
        return Err(Failure::usage(
            "a provider elsewhere can only be asked in real time",
            "leave `idp.url` out, or run with --mode real",
        ));
    };
    if options.metrics_addr.is_some() || options.otlp.is_some() {
        return Err(Failure::usage(
            "metrics are served in real time only",
            "leave --metrics-addr and --otlp-endpoint out, or run with --mode real; \
             --openmetrics-out writes them in virtual time",
        ));
    }
    let asked = Asked {
        timeline: options.openmetrics_out.is_some(),
        snapshot_to: options.snapshot_out.clone(),
    };
    if asked.timeline && options.plan.mode == Mode::Model {
        return Err(Failure::usage(
            "the model has no caches to take metrics from",
            "leave --openmetrics-out out, or run with --mode virtual",
        ));
    }
    let plan = Arc::new(options.plan.clone());
    let started_at = jiff::Timestamp::now();
    let began = Instant::now();
    tracing::info!(mode = plan.mode.as_str(), "simulation began");
    let outcome = on_a_thread({
        let (plan, idp) = (Arc::clone(&plan), idp_plan.clone());
        move || match plan.mode {
            Mode::Model => Ok(simulate(&plan, &idp, &stop)),
            Mode::Real | Mode::Virtual => on_a_paused_clock(run(plan, *idp, asked, stop)),
        }
    })
    .await?;
    let recorded = outcome.recorder.recorded();
    let mut report = build(Evidence {
        plan: &plan,
        recorded: &recorded,
        course: outcome.recorder.course(),
        violations: outcome.recorder.violations(),
        popularity: outcome.recorder.popularity(),
        generator: Generator::default(),
        cache: outcome.cache,
        ledger_before: &outcome.ledger_before,
        ledger_after: Some(&outcome.ledger),
        driver_requests: OwnRequests {
            answered: outcome.driver_requests,
            unanswered: 0,
        },
        started_at: started_at.to_string(),
        wall: began.elapsed(),
        duration: outcome.duration,
        environment: environment(&plan),
    });
    report.idp.max_concurrent_fetches_per_key = outcome.most_fetches_of_a_key;
    // What a run that was cut short did is not what the model of a whole one does,
    // and that may take longer than whoever stopped it has patience.
    if !outcome.circumstances.interrupted && outcome.circumstances.aborted.is_none() {
        report.theory = theory::beside(&plan, &idp_plan, &report, &outcome.causes);
    }
    let exit = conclude(&mut report, &plan.thresholds, &outcome.circumstances);
    Ok(Measured {
        report,
        exit,
        metrics: None,
        timeline: outcome.timeline,
        snapshot: outcome.snapshot,
    })
}

/// Does `work` on a thread that nothing else runs on.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("simulation".to_owned())
        .spawn(move || sender.send(work()))
        .map_err(|error| {
            Failure::environment(
                format!("no thread could be started: {error}"),
                "the system may be out of threads",
            )
        })?;
    receiver
        .await
        .unwrap_or_else(|_| Err(Failure::internal("the simulation panicked")))
}

fn on_a_paused_clock<T>(run: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| Failure::internal(format!("no runtime could be made: {error}")))?
        .block_on(run)
}

async fn run(
    plan: Arc<Plan>,
    idp: EmbeddedIdpPlan,
    asked: Asked,
    stop: watch::Receiver<Stop>,
) -> Result<Outcome, Failure> {
    let now = match &plan.start {
        Start::Cold | Start::Stationary => Timestamp::default().plus(EPOCH),
        Start::Snapshot(snapshot) => snapshot.taken_at,
    };
    let clock = Clock::starting_at(now);
    let provider = Provider::in_process(&idp, plan.seed, now)?;
    let oracle = Oracle::of_simulation(&provider.keys().await?).map_err(Failure::internal)?;
    let recorder = Arc::new(Recorder::of_plan(&plan));
    let directory = Directory::new(&plan.population);
    let listener = Listener::recording(&recorder);
    let fleet = Fleet::new(&plan, &directory, &provider, clock, listener)?;
    let callers = Arc::new(Callers {
        directory,
        fleet,
        provider,
        sessions: Sessions::new(&plan),
        oracle,
        recorder: Arc::clone(&recorder),
        clock,
        application_cache: application_cache(&plan),
        shadow: Shadow::default(),
    });
    let run = Arc::new(Run::new(
        Arc::clone(&plan),
        Arc::clone(&callers),
        Arc::clone(&recorder),
    ));
    run.live_through(&Past::of_plan(&plan, &idp)).await;
    if let Start::Snapshot(snapshot) = &plan.start {
        callers.fleet.fill(&snapshot.instances, &snapshot.l2);
        callers.sessions.hold(&snapshot.users);
    }
    let exporter = asked.timeline.then(|| Exporter::of_virtual(&run));
    run.sign_in_beforehand().await?;
    let own_before = callers.provider.own_requests().answered;
    let ledger_before = callers.provider.ledger().await?;
    let watch = exporter
        .as_ref()
        .map(|exporter| exporter.watch(plan.duration));
    let begin = Instant::now();
    let ended = run.go_virtual(stop).await;
    if let Some(exporter) = &exporter {
        exporter.end();
    }
    let timeline = watch.map(Watch::finish);
    let cache = callers.fleet.final_report().await;
    let ledger = callers.provider.ledger().await?;
    let driver_requests = callers.provider.own_requests().answered - own_before;
    // Last, for time passes until it is taken.
    let snapshot = match &asked.snapshot_to {
        Some(to) => Some(snapshot::take(to, &plan, &callers, begin, &ended).await),
        None => None,
    };
    Ok(Outcome {
        timeline,
        snapshot,
        cache,
        ledger,
        driver_requests,
        ledger_before,
        duration: ended.duration,
        circumstances: Circumstances {
            interrupted: ended.interrupted,
            under_way: ended.under_way as u64,
            aborted: ended.aborted,
            ledger_unread: None,
        },
        causes: callers.shadow.causes(),
        most_fetches_of_a_key: Some(callers.fleet.most_fetches_of_a_key()),
        recorder,
    })
}

fn simulate(plan: &Plan, idp: &EmbeddedIdpPlan, stop: &watch::Receiver<Stop>) -> Outcome {
    let recorder = Arc::new(Recorder::of_plan(plan));
    let is_stopped = || *stop.borrow() > Stop::Run;
    let found = model::simulate(plan, idp, &recorder, is_stopped);
    let token_requests = found.by_grant.values().sum::<u64>() + found.driver_requests;
    let mut by_grant = found.by_grant;
    if found.driver_requests > 0 {
        // Front ends redeem codes.
        *by_grant
            .entry(mock_idp::GrantType::AuthorizationCode)
            .or_default() += found.driver_requests;
    }
    Outcome {
        recorder,
        cache: Cache {
            l1: found.l1,
            l2: found.l2,
            ..Cache::default()
        },
        ledger_before: LedgerSnapshot::default(),
        ledger: LedgerSnapshot {
            token_requests,
            by_grant,
            by_status: [(200, token_requests)].into(),
            ..LedgerSnapshot::default()
        },
        driver_requests: found.driver_requests,
        duration: found.duration,
        circumstances: Circumstances {
            interrupted: is_stopped(),
            ..Circumstances::default()
        },
        causes: Causes::default(),
        most_fetches_of_a_key: None,
        timeline: None,
        snapshot: None,
    }
}
