//! Tables keep what has expired until somebody deletes it. As with ASP.NET's
//! stores that is done now and then, behind an operation that found it due.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// When the next sweep is due.
#[derive(Debug)]
pub(super) struct Sweep {
    every: Duration,
    last: Mutex<Option<Timestamp>>,
}

impl Sweep {
    /// Due at once, and then not before `every` has passed; never for
    /// [`Duration::MAX`].
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Mutex::default(),
        }
    }

    /// Whether the caller is the one to sweep at `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        if self.every == Duration::MAX {
            return false;
        }
        let mut last = self.last.lock();
        let due = last.is_none_or(|last| now.since(last) >= self.every);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_a_sweep_is_due_at_first_and_at_most_once_in_its_interval() {
        let half_an_hour = Duration::from_secs(1_800);
        let sweep = Sweep::new(half_an_hour);
        let start = Timestamp::from_unix_seconds(1_000);
        assert!(sweep.is_due(start));
        assert!(!sweep.is_due(start));
        assert!(!sweep.is_due(start.plus(half_an_hour).minus(Duration::from_secs(1))));
        assert!(sweep.is_due(start.plus(half_an_hour)));
        assert!(!sweep.is_due(start.plus(half_an_hour)));
    }
}
