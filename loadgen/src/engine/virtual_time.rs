//! Virtual time: the real client and cache on a paused clock, which jumps to
//! whatever happens next as soon as nothing is left to do.
//!
//! Everything runs on one thread, so that a seed decides the order of events as
//! well as the events. Tokio's clock moves by whole milliseconds there: an
//! arrival begins on the first one at or after its intended instant, and that
//! counts as no lag, for nobody was late.

use std::future::{Future as _, ready};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::ReusableBoxFuture;

use super::early_end::Watch;
use super::gauges::Gauges;
use super::past::Past;
use super::run::{Ended, Run, Stop};
use crate::arrival::Schedule;
use crate::fault::Driven;
use crate::flow::Caller;
use crate::report::model::Generator;

/// A stop is looked for each time so many arrivals have begun.
const LOOK_UP: u64 = 1_024;

impl Run {
    /// Lets the time before the run pass, with its fetches. What the caches hold
    /// then is what it is for; nothing of it is counted. Needs a runtime of one
    /// thread whose clock is paused.
    pub async fn live_through(&self, past: &Past) {
        let begin = Instant::now() + past.length;
        let mut under_way = JoinSet::new();
        for fetch in &past.fetches {
            sleep_until(begin - fetch.age).await;
            let (callers, plan) = (Arc::clone(&self.callers), Arc::clone(&self.plan));
            let fetch = *fetch;
            let call = unconstrained(async move {
                let traffic = &plan.traffic[fetch.flow_index];
                let caller = Caller {
                    mark: u32::try_from(fetch.flow_index).unwrap_or(u32::MAX),
                    name: &traffic.name,
                    flow: traffic.flow,
                    code_replayed: false,
                    subject: &fetch.subject,
                };
                if let Err(trouble) = callers.call(caller).await {
                    tracing::warn!(?trouble, "a fetch before the run failed");
                }
            });
            let mut call = Box::pin(call);
            let mut context = Context::from_waker(Waker::noop());
            if call.as_mut().poll(&mut context).is_pending() {
                under_way.spawn(call);
            }
            while under_way.try_join_next().is_some() {}
        }
        let all = async { while under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout_at(begin, all).await;
        sleep_until(begin).await;
    }

    /// Offers every arrival of the plan on a paused clock, and waits for what
    /// was begun to end. Needs a runtime of one thread whose clock is paused.
    pub async fn go_virtual(self: &Arc<Self>, mut stop: watch::Receiver<Stop>) -> Ended {
        let begin = Instant::now();
        self.recorder.begin(begin);
        let _held = Gauges::begin(self, begin);
        let _faults = Driven::begin(&self.plan, begin, &self.callers);
        let _watched = Watch::begin(self, begin);
        self.began_at.get_or_init(jiff::Timestamp::now);
        let mut users = self.users(begin, &stop);
        // Where operations begin, one after the other: a hit needs no memory of its own.
        let mut room = ReusableBoxFuture::new(ready(()));
        let mut now = begin;
        let mut stopped = false;
        for (arrival, number) in Schedule::new(&self.plan).zip(1_u64..) {
            let due = begin + whole_milliseconds(arrival.intended);
            if due > now {
                sleep_until(due).await;
                now = due;
                if self.is_aborted() {
                    break;
                }
            }
            if number.is_multiple_of(LOOK_UP) && *stop.borrow() > Stop::Run {
                stopped = true;
                break;
            }
            self.recorder.offer(&[arrival]);
            let Some(place) = self.in_flight.enter() else {
                self.no_room(arrival);
                if self.is_aborted() {
                    break;
                }
                continue;
            };
            self.recorder.start();
            let operation = Arc::clone(self).one_at(now, arrival, due, place);
            // A hit ends at once and never becomes a task; what has to wait
            // becomes one, in the order of arrivals.
            room.set(unconstrained(operation));
            let mut context = Context::from_waker(Waker::noop());
            if room.poll(&mut context).is_pending() {
                tokio::spawn(mem::replace(&mut room, ReusableBoxFuture::new(ready(()))));
            }
        }
        if !self.is_aborted() {
            let all_gone = async { while users.join_next().await.is_some() {} };
            tokio::select! {
                biased;
                Ok(_) = stop.wait_for(|stop| *stop >= Stop::Drain) => {}
                () = self.aborted() => {}
                _ = tokio::time::timeout_at(begin + self.plan.duration, all_gone) => {}
            }
        }
        if *stop.borrow() < Stop::Now {
            let _ = tokio::time::timeout(self.plan.graceful_stop, self.idle()).await;
        }
        Ended {
            duration: begin.elapsed(),
            interrupted: stopped || *stop.borrow() > Stop::Run,
            aborted: self.abortion(),
            under_way: self.in_flight.count(),
            generator: Generator::default(),
        }
    }
}

/// Rounded up, as the timers of a paused clock are.
pub(super) fn whole_milliseconds(time: Duration) -> Duration {
    let whole = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    if whole < time {
        whole + Duration::from_millis(1)
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_millisecond_counts_as_a_whole_one() {
        for (nanoseconds, milliseconds) in
            [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)]
        {
            assert_eq!(
                whole_milliseconds(Duration::from_nanos(nanoseconds)),
                Duration::from_millis(milliseconds)
            );
        }
    }
}
