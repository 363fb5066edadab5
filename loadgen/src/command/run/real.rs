//! A run in real time, with what it needs and what is asked of it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use telemetry::serve::MetricsServer;
use token_cache::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::environment::environment;
use super::{Measured, Options, conclude};
use crate::engine::{Run, Stop};
use crate::exit::Failure;
use crate::flow::session::Sessions;
use crate::flow::{Callers, application_cache};
use crate::oracle::Oracle;
use crate::progress;
use crate::record::Recorder;
use crate::report::build::{Evidence, build};
use crate::report::judge::Circumstances;
use crate::scenario::plan::IdpPlan;
use crate::scrape::export::{self, Compat, Exporter, Watch};
use crate::scrape::msal_dotnet::MsalDotnet;
use crate::scrape::otlp::Pusher;
use crate::target::provider::OwnRequests;
use crate::target::{Directory, Fleet, Listener, Provider};
use crate::theory;
use crate::theory::shadow::Shadow;

/// Runs the scenario of `options` in real time.
pub(super) async fn measure(
    options: &Options,
    mut stop: watch::Receiver<Stop>,
) -> Result<Measured, Failure> {
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
    let pusher = match &options.otlp {
        Some(otlp) => Some(Pusher::start(otlp, &exporter)?),
        None => None,
    };
    let shown = progress::show(options.progress, &run);
    let watch = options
        .openmetrics_out
        .as_ref()
        .map(|_| exporter.watch(plan.duration));
    let ended = run.go(stop.clone()).await?;
    exporter.end();
    if let Some(pusher) = pusher {
        pusher.finish().await;
    }
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
        course: recorder.course(),
        violations: recorder.violations(),
        popularity: recorder.popularity(),
        generator: ended.generator,
        cache: callers.fleet.final_report().await,
        ledger_before: &ledger_before,
        ledger_after: ledger_after.as_ref().ok(),
        driver_requests,
        started_at: run.began_at().unwrap_or(started_at).to_string(),
        duration: ended.duration,
        environment: environment(&plan),
        wall: ended.duration,
    });
    report.idp.max_concurrent_fetches_per_key = Some(callers.fleet.most_fetches_of_a_key());
    // A run that was stopped had fewer arrivals than the model has.
    if let IdpPlan::Embedded(idp) = &plan.idp
        && !ended.interrupted
        && ended.aborted.is_none()
    {
        report.theory = theory::beside(&plan, idp, &report, &callers.shadow.causes());
    }
    let circumstances = Circumstances {
        interrupted: ended.interrupted,
        under_way: ended.under_way as u64,
        aborted: ended.aborted,
        ledger_unread: ledger_after.err(),
    };
    let exit = conclude(&mut report, &plan.thresholds, &circumstances);
    callers.fleet.clean_up().await;
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
        metrics: Some(telemetry::render(exporter.families())),
        timeline: watch.map(Watch::finish),
        snapshot: None,
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
        let msal_dotnet = options.metrics_compat.map(|Compat::MsalDotnet| {
            // Only who asks for it pays for it.
            Arc::new(MsalDotnet::default())
        });
        let provider = Provider::start(&plan.idp, plan.seed).await?;
        let oracle = Oracle::new(&provider.keys().await?).map_err(|reason| {
            Failure::environment(
                format!("the provider's keys cannot be used: {reason}"),
                "the provider must publish a JWKS document",
            )
        })?;
        let recorder = Arc::new(Recorder::of_plan(&plan));
        let directory = Directory::new(&plan.population);
        let mut listener = Listener::recording(&recorder);
        if let Some(meter) = &msal_dotnet {
            listener = listener.imitating(Arc::clone(meter) as _, clock);
        }
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
        let run = Arc::new(Run::new(plan, callers, recorder));
        let exporter = Exporter::new(&run, msal_dotnet);
        let metrics = match options.metrics_addr {
            Some(address) => Some(exporter.serve(address, options.metrics_compat)?),
            None => None,
        };

        let preparing = Instant::now();
        let signed_in = run.prepare().await?;
        if signed_in > 0 {
            tracing::info!(users = signed_in, took = ?preparing.elapsed(), "users signed in");
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
