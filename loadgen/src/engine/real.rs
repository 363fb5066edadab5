//! Real time: sockets, TLS and the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::early_end::Watch;
use super::gauges::Gauges;
use super::machine::Machine;
use super::pacer;
use super::run::{Ended, Run, Stop};
use crate::arrival::{Arrival, Schedule};
use crate::exit::Failure;
use crate::fault::Driven;

impl Run {
    /// Offers every arrival of the plan when it is due, and waits for what was
    /// begun to end.
    ///
    /// # Errors
    ///
    /// When the pacer's thread cannot be started.
    pub async fn go(self: &Arc<Self>, mut stop: watch::Receiver<Stop>) -> Result<Ended, Failure> {
        let begin = Instant::now();
        self.recorder.begin(begin);
        let machine = Machine::watch();
        let _held = Gauges::begin(self, begin);
        let _faults = Driven::begin(&self.plan, begin, &self.callers);
        let _watched = Watch::begin(self, begin);
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
        let mut users = self.users(begin, &stop);
        let mut interrupted = false;
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop >= Stop::Drain) => {
                interrupted = true;
                stop_pacing.store(true, Ordering::Relaxed);
                self.start_all(&mut due, begin).await;
            }
            () = self.aborted() => {
                stop_pacing.store(true, Ordering::Relaxed);
                self.start_all(&mut due, begin).await;
            }
            () = async {
                self.start_all(&mut due, begin).await;
                stop_pacing.store(true, Ordering::Relaxed);
                let end = begin + self.plan.duration;
                let all_gone = async { while users.join_next().await.is_some() {} };
                let _ = tokio::time::timeout_at(end, all_gone).await;
            } => {}
        }
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop >= Stop::Now) => interrupted = true,
            _ = tokio::time::timeout(self.plan.graceful_stop, self.idle()) => {}
        }
        Ok(Ended {
            duration: begin.elapsed(),
            interrupted: interrupted || *stop.borrow() > Stop::Run,
            aborted: self.abortion(),
            under_way: self.in_flight.count(),
            generator: machine.end(&self.recorder),
        })
    }

    /// Waits until no operation and no refresh behind one is under way.
    pub(super) async fn idle(&self) {
        self.in_flight.idle().await;
        while self.recorder.refreshing() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts each arrival as it comes, until no more come.
    async fn start_all(self: &Arc<Self>, due: &mut mpsc::Receiver<Vec<Arrival>>, begin: Instant) {
        while let Some(batch) = due.recv().await {
            if self.is_aborted() {
                due.close();
            }
            for arrival in batch {
                if self.is_aborted() {
                    // What the pacer had handed out is offered already.
                    self.recorder.drop_arrivals(&[arrival]);
                    continue;
                }
                match self.in_flight.enter() {
                    Some(place) => {
                        self.recorder.start();
                        tokio::spawn(Arc::clone(self).one(
                            arrival,
                            begin + arrival.intended,
                            place,
                        ));
                    }
                    None => self.no_room(arrival),
                }
            }
        }
    }
}
