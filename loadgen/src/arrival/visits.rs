//! Users who come, make some calls with time to think in between, perhaps come
//! back after a while, and leave.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::schedule::{Call, Spaced};
use crate::population::Stream;
use crate::scenario::plan::VisitsPlan;
use crate::target::latency::draw;

/// The calls of all sessions, by time. Each session draws from a stream of its
/// own, so what one does moves no other.
#[derive(Debug, Clone)]
pub struct Visits {
    plan: VisitsPlan,
    starts: Peekable<Spaced>,
    /// Sessions that began.
    begun: u64,
    sessions: Stream,
    duration: Duration,
    /// Sessions with a call to come.
    waiting: BinaryHeap<Reverse<Waiting>>,
}

/// A session and its next call; ordered by time, then by session.
#[derive(Debug, Clone)]
struct Waiting {
    at: Duration,
    session: u64,
    random: Pcg64Mcg,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.session).cmp(&(other.at, other.session))
    }
}

impl Visits {
    /// The calls before `duration` of sessions that begin at `starts`.
    pub fn new(plan: VisitsPlan, starts: Spaced, sessions: Stream, duration: Duration) -> Self {
        Self {
            plan,
            starts: starts.peekable(),
            begun: 0,
            sessions,
            duration,
            waiting: BinaryHeap::new(),
        }
    }

    /// Lets every session begin whose time has come before the next call.
    fn begin(&mut self) {
        while let Some(start) = self.starts.peek().copied() {
            let is_later = self
                .waiting
                .peek()
                .is_some_and(|Reverse(next)| next.at < start);
            if is_later {
                return;
            }
            self.starts.next();
            self.waiting.push(Reverse(Waiting {
                at: start,
                session: self.begun,
                random: self.sessions.at(self.begun),
            }));
            self.begun += 1;
        }
    }
}

impl Iterator for Visits {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        loop {
            self.begin();
            let Reverse(mut waiting) = self.waiting.pop()?;
            if waiting.at >= self.duration {
                continue;
            }
            let mut call = Call {
                offset: waiting.at,
                session: Some(waiting.session),
                signs_out: false,
                is_last: false,
            };
            let random = &mut waiting.random;
            // Geometric: after each call the visit goes on with the same chance.
            let pause = if random.random_bool(1.0 - 1.0 / self.plan.calls) {
                Some(draw(&self.plan.think, random))
            } else if random.random_bool(self.plan.returns.get()) {
                Some(draw(&self.plan.idle, random))
            } else {
                call.is_last = true;
                call.signs_out = random.random_bool(self.plan.sign_out.get());
                None
            };
            if let Some(pause) = pause {
                waiting.at = waiting.at.saturating_add(pause);
                self.waiting.push(Reverse(waiting));
            }
            return Some(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::scenario::plan::{Arrivals, LatencyPlan, RatePlan};
    use crate::scenario::units::{Rate, Share};

    fn plan(calls: f64, returns: f64) -> VisitsPlan {
        VisitsPlan {
            starts: RatePlan::steady(Arrivals::Poisson, Rate::try_per_second(2.0).unwrap()),
            calls,
            think: LatencyPlan::Exponential {
                mean: Duration::from_secs(5),
            },
            returns: Share::try_new(returns).unwrap(),
            idle: LatencyPlan::Fixed(Duration::from_secs(600)),
            sign_out: Share::try_new(0.25).unwrap(),
        }
    }

    fn calls(plan: &VisitsPlan, seed: u64, duration: Duration) -> Vec<Call> {
        let starts = Spaced::new(&plan.starts, Stream::named(seed, "starts"), duration);
        Visits::new(
            plan.clone(),
            starts,
            Stream::named(seed, "visits"),
            duration,
        )
        .collect()
    }

    #[test]
    fn sessions_have_the_calls_and_the_endings_they_were_given() {
        let plan = plan(4.0, 0.5);
        // Long enough that few sessions are cut off.
        let calls = calls(&plan, 1, Duration::from_secs(40_000));
        assert!(calls.is_sorted_by_key(|call| call.offset));
        let mut by_session: HashMap<u64, u32> = HashMap::new();
        for call in &calls {
            *by_session.entry(call.session.unwrap()).or_default() += 1;
        }
        let sessions = by_session.len() as f64;
        let mean = calls.len() as f64 / sessions;
        // 4 calls a visit, 2 visits a session.
        assert!(
            (mean - plan.calls_a_session()).abs() < 0.3,
            "{mean} calls a session"
        );
        let endings = calls.iter().filter(|call| call.signs_out).count() as f64 / sessions;
        assert!((endings - 0.25).abs() < 0.02, "{endings} sign out");
    }

    #[test]
    fn a_longer_run_begins_with_the_same_calls() {
        let plan = plan(3.0, 0.2);
        let short = calls(&plan, 7, Duration::from_secs(500));
        let long = calls(&plan, 7, Duration::from_secs(1_500));
        assert!(short.len() > 500);
        assert_eq!(short, long[..short.len()]);
    }
}
