//! Keeps a sick L2 from slowing requests down: a time limit for each operation,
//! and a circuit breaker that leaves the store alone after failures in a row.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::policy::L2Guard;

/// What an operation may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Ask, for as long as this, if there is a limit.
    Ask(Option<Duration>),
    /// Leave the store alone.
    Refused,
}

#[derive(Debug)]
pub(super) struct Guard {
    rule: L2Guard,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures_in_a_row: u32,
    /// While it rests: when the next operation may try.
    rests_until: Option<Instant>,
}

impl Guard {
    pub(super) fn new(rule: L2Guard) -> Self {
        Self {
            rule,
            state: Mutex::default(),
        }
    }

    /// Asks for a pass. After the rest one operation gets it, and the others
    /// wait for what that one finds.
    pub(super) fn pass(&self) -> Pass {
        let L2Guard::TimeoutAndBreaker { timeout, rest, .. } = self.rule else {
            return Pass::Ask(None);
        };
        if defect!(GuardWithoutTimeout) {
            return Pass::Ask(None);
        }
        let mut state = self.state.lock();
        if let Some(until) = &mut state.rests_until {
            let now = Instant::now();
            if now < *until {
                return Pass::Refused;
            }
            *until = now + rest;
        }
        Pass::Ask(Some(timeout))
    }

    /// Notes how an operation ended. `Some` when that changed whether the store
    /// rests.
    pub(super) fn note(&self, succeeded: bool) -> Option<bool> {
        let L2Guard::TimeoutAndBreaker { failures, rest, .. } = self.rule else {
            return None;
        };
        let mut state = self.state.lock();
        if succeeded {
            state.failures_in_a_row = 0;
            return state.rests_until.take().map(|_| false);
        }
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        if state.failures_in_a_row < failures || defect!(BreakerNeverOpens) {
            return None;
        }
        let rested = state.rests_until.is_some();
        state.rests_until = Some(Instant::now() + rest);
        (!rested).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: L2Guard = L2Guard::TimeoutAndBreaker {
        timeout: Duration::from_millis(500),
        failures: 3,
        rest: Duration::from_secs(5),
    };

    #[tokio::test(start_paused = true)]
    async fn after_failures_in_a_row_the_store_rests_and_one_operation_tries_again() {
        let guard = Guard::new(RULE);
        let ask = Pass::Ask(Some(Duration::from_millis(500)));
        assert_eq!(guard.note(false), None);
        assert_eq!(guard.note(false), None);
        assert_eq!(guard.note(true), None, "a success starts the count anew");
        assert_eq!((guard.note(false), guard.note(false)), (None, None));
        assert_eq!(guard.pass(), ask);
        assert_eq!(guard.note(false), Some(true));
        assert_eq!(guard.pass(), Pass::Refused);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(guard.pass(), ask, "one tries");
        assert_eq!(guard.pass(), Pass::Refused, "the others wait");
        assert_eq!(guard.note(false), None, "it rests as before");
        assert_eq!(guard.pass(), Pass::Refused);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(guard.pass(), ask);
        assert_eq!(guard.note(true), Some(false));
        assert_eq!(guard.pass(), ask);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_guard_every_operation_passes() {
        let guard = Guard::new(L2Guard::Off);
        for _ in 0..100 {
            assert_eq!(guard.note(false), None);
            assert_eq!(guard.pass(), Pass::Ask(None));
        }
    }
}
