//! A run, whatever its clock: who arrives, what they do, and the sample taken.

use std::future::{Future as _, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use token_client::result::TokenRequests;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::beforehand;
use super::in_flight::{InFlight, Place};
use super::subjects::Subjects;
use crate::arrival::Arrival;
use crate::exit::Failure;
use crate::flow::{Caller, Callers, Trouble};
use crate::record::{Outcome, Recorder, Sample};
use crate::report::model::{Generator, ThresholdResult};
use crate::scenario::plan::{Flow, Plan, WhenFull};

/// What a run needs.
#[derive(Debug)]
pub struct Run {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Who does it.
    pub callers: Arc<Callers>,
    /// Who takes note.
    pub recorder: Arc<Recorder>,
    subjects: Subjects,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) began_at: OnceLock<jiff::Timestamp>,
    sign_in_failed: AtomicBool,
    aborted: OnceLock<Abort>,
    abort_noticed: Notify,
    /// Calls of closed loops so far, to number them.
    pub(super) called: AtomicU64,
    /// Users of closed loops who are there.
    pub(super) present: Arc<AtomicUsize>,
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

/// What ends a run before its time, other than a signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Abort {
    /// An arrival found `max_in_flight` under way (`when_full: abort`).
    NoRoom,
    /// A threshold with `abort_on_fail` does not hold.
    Threshold(Box<ThresholdResult>),
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Ended {
    /// From the first arrival to the end of the drain.
    pub duration: Duration,
    /// Whether it was stopped before its time.
    pub interrupted: bool,
    /// What ended it before its time, other than a signal.
    pub aborted: Option<Abort>,
    /// Operations under way when the drain ended.
    pub under_way: usize,
    /// What the machine let the generator have; nothing in simulated time.
    pub generator: Generator,
}

impl Run {
    /// A run of `plan`.
    pub fn new(plan: Arc<Plan>, callers: Arc<Callers>, recorder: Arc<Recorder>) -> Self {
        Self {
            subjects: Subjects::of_plan(&plan),
            began_at: OnceLock::new(),
            sign_in_failed: AtomicBool::new(false),
            in_flight: match plan.when_full {
                WhenFull::Queue => InFlight::queueing(plan.max_in_flight),
                WhenFull::Drop | WhenFull::Abort => InFlight::new(plan.max_in_flight),
            },
            aborted: OnceLock::new(),
            abort_noticed: Notify::new(),
            called: AtomicU64::new(0),
            present: Arc::default(),
            plan,
            callers,
            recorder,
        }
    }

    /// Acquisitions under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// Users of closed loops who have come and not left.
    pub fn users_present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// When the first arrival fell due, if it has.
    pub fn began_at(&self) -> Option<jiff::Timestamp> {
        self.began_at.get().copied()
    }

    /// Gets ready: who is to be signed in before the run signs in, and who
    /// brings a token from elsewhere gets it, as they would have in production.
    /// Returns how many did.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a caller cannot sign in.
    pub async fn prepare(&self) -> Result<usize, Failure> {
        let brings = |flow: Flow| {
            matches!(
                flow,
                Flow::OnBehalfOf | Flow::LongRunningObo | Flow::RefreshToken
            )
        };
        Ok(self.beforehand(brings).await? + self.sign_in_beforehand().await?)
    }

    /// Signs in the users who are signed in when the run begins. What it counts
    /// begins after that.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a user cannot sign in.
    pub async fn sign_in_beforehand(&self) -> Result<usize, Failure> {
        let count = self.beforehand(|flow| flow == Flow::Silent).await?;
        self.callers.fleet.begin();
        self.callers.shadow.begin();
        Ok(count)
    }

    async fn beforehand(&self, is_meant: impl Fn(Flow) -> bool) -> Result<usize, Failure> {
        let mut callers = beforehand::callers(&self.plan, &self.subjects, is_meant);
        // Who is still signed in from another run need not do so again.
        callers.retain(|(_, subject)| self.callers.sessions.account(subject).is_none());
        let count = callers.len();
        let mut sign_ins = tokio::task::JoinSet::new();
        let mut waiting = callers.into_iter();
        loop {
            while sign_ins.len() < beforehand::AT_ONCE
                && let Some((flow, subject)) = waiting.next()
            {
                let callers = Arc::clone(&self.callers);
                sign_ins.spawn(async move { callers.get_ready(flow, &subject).await });
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

    /// An arrival found no room; where that ends the run, it ends now.
    pub(super) fn no_room(&self, arrival: Arrival) {
        self.recorder.drop_arrivals(&[arrival]);
        if self.plan.when_full == WhenFull::Abort {
            self.abort(Abort::NoRoom);
        }
    }

    /// Ends the run; the first reason is the one that counts.
    pub(super) fn abort(&self, reason: Abort) {
        let _ = self.aborted.set(reason);
        self.abort_noticed.notify_waiters();
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.get().is_some()
    }

    /// What ended the run before its time.
    pub(super) fn abortion(&self) -> Option<Abort> {
        self.aborted.get().cloned()
    }

    /// Waits until something ends the run before its time.
    pub(super) async fn aborted(&self) {
        let noticed = self.abort_noticed.notified();
        tokio::pin!(noticed);
        // Counted among the waiters before the look, so that none is missed.
        noticed.as_mut().enable();
        if !self.is_aborted() {
            noticed.await;
        }
    }

    /// One arrival, from start to sample.
    pub(super) async fn one(self: Arc<Self>, arrival: Arrival, intended: Instant, place: Place) {
        let due = Instant::now();
        self.one_at(due, arrival, intended, place).await;
    }

    /// The same, for whoever knows that it is `due` now.
    pub(super) async fn one_at(
        self: Arc<Self>,
        due: Instant,
        arrival: Arrival,
        intended: Instant,
        _place: Place,
    ) {
        let traffic = &self.plan.traffic[arrival.flow_index];
        let subject = self.subjects.of(&arrival);
        self.recorder.fingerprint(&arrival, &subject);
        let caller = Caller {
            mark: u32::try_from(arrival.flow_index).unwrap_or(u32::MAX),
            name: &traffic.name,
            flow: traffic.flow,
            code_replayed: traffic.code_replayed,
            subject: &subject,
        };
        let lag = due.saturating_duration_since(intended);
        let turn = self.in_flight.turn().await;
        let started = if self.in_flight.has_queue() {
            Instant::now()
        } else {
            due
        };
        let queued = started.saturating_duration_since(due);
        let call = self.callers.call(caller);
        tokio::pin!(call);
        // Most calls are hits and end at once: they need no timer.
        let in_time = match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => tokio::time::timeout(self.plan.acquire_timeout, &mut call).await,
        };
        let ended = Instant::now();
        let service = ended.saturating_duration_since(started);
        let outcome = match &in_time {
            Ok(Ok(result)) => Outcome::Token {
                metadata: result.metadata,
                finding: self.callers.judge(caller, result, ended).await,
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
            arrival,
            outcome,
            lag,
            queued,
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
        drop(turn);
    }
}
