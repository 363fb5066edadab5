//! Real time: sockets, TLS and the wall clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use token_client::result::TokenRequests;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::in_flight::{InFlight, Place};
use super::pacer;
use crate::arrival::{Arrival, Schedule};
use crate::exit::Failure;
use crate::flow::{Caller, Callers, Trouble};
use crate::population::{FlowStreams, Population, Subject};
use crate::record::{Outcome, Recorder, Sample};
use crate::scenario::plan::{Flow, Plan, TrafficPlan};

/// What a run needs.
#[derive(Debug)]
pub struct Run {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Who does it.
    pub callers: Arc<Callers>,
    /// Who takes note.
    pub recorder: Arc<Recorder>,
    population: Population,
    /// By entry of `traffic`.
    streams: Vec<FlowStreams>,
    in_flight: Arc<InFlight>,
    began_at: OnceLock<jiff::Timestamp>,
    sign_in_failed: AtomicBool,
}

/// How often a run has been asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not.
    Run,
    /// No more arrivals; let what is under way end.
    Drain,
    /// At once.
    Now,
}

/// How a run went.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// From the first arrival to the end of the drain.
    pub duration: Duration,
    /// Whether it was stopped before its time.
    pub interrupted: bool,
    /// Operations under way when the drain ended.
    pub under_way: usize,
}

impl Run {
    /// A run of `plan`.
    pub fn new(plan: Arc<Plan>, callers: Arc<Callers>, recorder: Arc<Recorder>) -> Self {
        let population = Population::new(&plan);
        let streams = plan
            .traffic
            .iter()
            .map(|traffic| population.streams(&traffic.name, traffic.flow))
            .collect();
        Self {
            population,
            streams,
            began_at: OnceLock::new(),
            sign_in_failed: AtomicBool::new(false),
            in_flight: InFlight::new(plan.max_in_flight),
            plan,
            callers,
            recorder,
        }
    }

    /// Acquisitions under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// When the first arrival fell due, if it has.
    pub fn began_at(&self) -> Option<jiff::Timestamp> {
        self.began_at.get().copied()
    }

    /// Whom an arrival is about.
    fn subject(&self, arrival: &Arrival) -> Subject {
        self.population
            .drawing_from(self.streams[arrival.flow_index])
            .subject(arrival)
    }

    /// Gets ready: on-behalf-of callers sign in before the clock starts, as
    /// they would have in production. Returns how many did.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a caller cannot sign in.
    pub async fn prepare(&self) -> Result<usize, Failure> {
        /// Sign-ins at a time.
        const AT_ONCE: usize = 32;
        let mut callers = BTreeMap::new();
        let is_on_behalf_of = |traffic: &TrafficPlan| traffic.flow == Flow::OnBehalfOf;
        if !self.plan.traffic.iter().any(is_on_behalf_of) {
            // A day of arrivals need not be drawn to find that out.
            return Ok(0);
        }
        for arrival in Schedule::new(&self.plan) {
            if is_on_behalf_of(&self.plan.traffic[arrival.flow_index]) {
                let subject = self.subject(&arrival);
                callers.insert((subject.application, subject.user), subject);
            }
        }
        let count = callers.len();
        let mut sign_ins = tokio::task::JoinSet::new();
        let mut waiting = callers.into_values();
        loop {
            while sign_ins.len() < AT_ONCE
                && let Some(subject) = waiting.next()
            {
                let callers = Arc::clone(&self.callers);
                sign_ins.spawn(async move { callers.assertion(&subject).await.map(drop) });
            }
            match sign_ins.join_next().await {
                None => return Ok(count),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(reason))) => {
                    return Err(Failure::environment(
                        format!("a user could not sign in: {reason}"),
                        "the identity provider's log tells more",
                    ));
                }
                Some(Err(error)) => return Err(Failure::internal(error.to_string())),
            }
        }
    }

    /// Offers every arrival of the plan when it is due, and waits for what was
    /// begun to end.
    ///
    /// # Errors
    ///
    /// When the pacer's thread cannot be started.
    pub async fn go(self: &Arc<Self>, mut stop: watch::Receiver<Stop>) -> Result<Ended, Failure> {
        let begin = Instant::now();
        self.began_at.get_or_init(jiff::Timestamp::now);
        let stop_pacing = Arc::new(AtomicBool::new(false));
        let mut due = pacer::start(
            Schedule::new(&self.plan),
            begin,
            Arc::clone(&stop_pacing),
            Arc::clone(&self.recorder),
        )
        .map_err(|error| {
            Failure::environment(
                format!("the pacer's thread could not be started: {error}"),
                "the system may be out of threads",
            )
        })?;
        let mut interrupted = false;
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop >= Stop::Drain) => {
                interrupted = true;
                stop_pacing.store(true, Ordering::Relaxed);
                self.start_all(&mut due, begin).await;
            }
            () = self.start_all(&mut due, begin) => {}
        }
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop >= Stop::Now) => interrupted = true,
            _ = tokio::time::timeout(self.plan.graceful_stop, self.idle()) => {}
        }
        Ok(Ended {
            duration: begin.elapsed(),
            interrupted: interrupted || *stop.borrow() > Stop::Run,
            under_way: self.in_flight.count(),
        })
    }

    /// Waits until no operation and no refresh behind one is under way.
    async fn idle(&self) {
        self.in_flight.idle().await;
        while self.recorder.refreshing() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts each arrival as it comes, until no more come.
    async fn start_all(self: &Arc<Self>, due: &mut mpsc::Receiver<Vec<Arrival>>, begin: Instant) {
        while let Some(batch) = due.recv().await {
            for arrival in batch {
                match self.in_flight.enter() {
                    Some(place) => {
                        self.recorder.start();
                        tokio::spawn(Arc::clone(self).one(
                            arrival,
                            begin + arrival.intended,
                            place,
                        ));
                    }
                    None => self.recorder.drop_arrivals(1),
                }
            }
        }
    }

    /// One arrival, from start to sample.
    async fn one(self: Arc<Self>, arrival: Arrival, intended: Instant, _place: Place) {
        let traffic = &self.plan.traffic[arrival.flow_index];
        let subject = self.subject(&arrival);
        let caller = Caller {
            mark: u32::try_from(arrival.flow_index).unwrap_or(u32::MAX),
            flow: traffic.flow,
            subject: &subject,
        };
        let started = Instant::now();
        let call = self.callers.call(caller);
        tokio::pin!(call);
        let in_time = tokio::time::timeout(self.plan.acquire_timeout, &mut call).await;
        let service = started.elapsed();
        let lag = started.saturating_duration_since(intended);
        let outcome = match &in_time {
            Ok(Ok(result)) => Outcome::Token {
                metadata: result.metadata,
                finding: self.callers.judge(caller, result),
            },
            Ok(Err(Trouble::Acquire(error))) => Outcome::Error(error),
            Ok(Err(Trouble::SignIn(reason))) => {
                // The first says it; a thousand more would only bury the report.
                if self.sign_in_failed.swap(true, Ordering::Relaxed) {
                    tracing::debug!(reason, "a user could not sign in");
                } else {
                    tracing::warn!(
                        reason,
                        "a user could not sign in; more are counted, not logged"
                    );
                }
                Outcome::NoSignIn
            }
            Err(_) => Outcome::Timeout,
        };
        self.recorder.record(&Sample {
            flow_index: arrival.flow_index,
            outcome,
            lag,
            service,
        });
        if in_time.is_err() {
            // The sample is taken; its requests still have to be accounted for.
            self.recorder.late(match call.await {
                Ok(result) => result.metadata.token_requests,
                Err(Trouble::Acquire(error)) => error.metadata().token_requests,
                Err(Trouble::SignIn(_)) => TokenRequests::default(),
            });
        }
    }
}
