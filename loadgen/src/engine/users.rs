//! Closed loops: users who wait for each answer and think before they call again.
//!
//! Their pace is up to the answers, so a slow provider makes them call less: what
//! they would have waited for at a steady rate is in no number here, and a report
//! says so. A call has no instant at which it should have begun; it is due when
//! its user has thought, and counts as begun then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use super::run::{Run, Stop};
use crate::arrival::Arrival;
use crate::population::Stream;
use crate::scenario::plan::{LatencyPlan, Load, Plan, UsersPlan};
use crate::target::latency::draw;

/// Users who need not think let others have their turn after so many calls.
const CALLS_IN_A_ROW: u64 = 64;

/// How long a user thinks, time after time.
pub(super) struct Pauses {
    think: LatencyPlan,
    random: Pcg64Mcg,
    is_first: bool,
}

impl Pauses {
    /// Those of this user of a closed loop.
    pub(super) fn of(plan: &Plan, flow_index: usize, users: &UsersPlan, user: u64) -> Self {
        let name = &plan.traffic[flow_index].name;
        Self {
            think: users.think.clone(),
            random: Stream::named(plan.draw_seed(), &format!("users/{name}")).at(user),
            is_first: true,
        }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = draw(&self.think, &mut self.random);
        if std::mem::take(&mut self.is_first) {
            // The run begins in the middle of everybody's life: not all think from
            // its first moment on.
            return pause.mul_f64(self.random.random::<f64>());
        }
        pause
    }
}

/// The closed loops of `plan`, each by its entry of `traffic`.
pub(super) fn closed_loops(plan: &Plan) -> Vec<(usize, UsersPlan)> {
    let traffic = plan.traffic.iter().enumerate();
    let closed = traffic.filter_map(|(index, traffic)| match &traffic.load {
        Load::Users(plan) => Some((index, plan.clone())),
        Load::Rate(_) | Load::Visits(_) | Load::Bursts(_) | Load::Trace(_) => None,
    });
    closed.collect()
}

/// The first call of every user of a closed loop, to tell whom they are about.
pub(super) fn first_calls(plan: &Plan) -> impl Iterator<Item = Arrival> {
    let loops = closed_loops(plan).into_iter();
    loops.flat_map(|(flow_index, plan)| {
        (0..plan.count).map(move |user| Arrival::numbered(flow_index, user, Duration::ZERO))
    })
}

/// A user's call of this round, before it is known which of the run it is and when.
pub(super) fn call(flow_index: usize, users: &UsersPlan, user: u64, round: u64) -> Arrival {
    Arrival {
        number: 0,
        flow_index,
        number_in_flow: round * users.count + user,
        intended: Duration::ZERO,
        session: user,
        signs_out: false,
        is_last: false,
    }
}

/// A user who is there, until dropped.
struct Present(Arc<AtomicUsize>);

impl Present {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Run {
    /// Lets the users of all closed loops come. Each leaves after its last call.
    pub(super) fn users(
        self: &Arc<Self>,
        begin: Instant,
        stop: &watch::Receiver<Stop>,
    ) -> JoinSet<()> {
        let mut users = JoinSet::new();
        for (flow_index, plan) in closed_loops(&self.plan) {
            for user in 0..plan.count {
                let plan = plan.clone();
                let run = Arc::clone(self);
                users.spawn(run.user(flow_index, plan, user, begin, stop.clone()));
            }
        }
        users
    }

    async fn user(
        self: Arc<Self>,
        flow_index: usize,
        plan: UsersPlan,
        user: u64,
        begin: Instant,
        mut stop: watch::Receiver<Stop>,
    ) {
        let _present = Present::of(&self.present);
        let mut pauses = Pauses::of(&self.plan, flow_index, &plan, user);
        let end = begin + self.plan.duration;
        for round in 0_u64.. {
            let pause = pauses.next();
            if pause.is_zero() {
                if round % CALLS_IN_A_ROW == CALLS_IN_A_ROW - 1 {
                    yield_now().await;
                }
            } else {
                let due = (Instant::now() + pause).min(end);
                tokio::select! {
                    biased;
                    Ok(_) = stop.wait_for(|stop| *stop >= Stop::Drain) => return,
                    () = self.aborted() => return,
                    () = sleep_until(due) => {}
                }
            }
            let now = Instant::now();
            if now >= end || self.is_aborted() || *stop.borrow() >= Stop::Drain {
                return;
            }
            let arrival = Arrival {
                number: self.called.fetch_add(1, Ordering::Relaxed),
                intended: now.duration_since(begin),
                ..call(flow_index, &plan, user, round)
            };
            self.recorder.offer(&[arrival]);
            match self.in_flight.enter() {
                Some(place) => {
                    self.recorder.start();
                    Arc::clone(&self).one_at(now, arrival, now, place).await;
                }
                None => self.no_room(arrival),
            }
        }
    }
}
