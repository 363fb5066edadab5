//! A server that does not answer is not asked at every call: after a failed
//! attempt to connect the next one waits, and those who come meanwhile are told
//! at once.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{StoreError, StoreErrorKind};

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait: use of a restarted server resumes within this.
const LONGEST: Duration = Duration::from_secs(2);

/// Remembers that a server was down.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<Option<Down>>);

#[derive(Debug, Clone)]
struct Down {
    until: Instant,
    wait: Duration,
    reason: String,
}

impl Backoff {
    /// Whether to try to connect now.
    ///
    /// # Errors
    ///
    /// With the reason of the last failure, while its wait lasts.
    pub(super) fn may_try(&self) -> Result<(), StoreError> {
        match &*self.0.lock() {
            Some(down) if Instant::now() < down.until => {
                let reason = &down.reason;
                Err(StoreError {
                    reason: format!("{reason}; waiting to try again"),
                    kind: StoreErrorKind::NotAsked,
                })
            }
            _ => Ok(()),
        }
    }

    /// An attempt to connect failed; the next one waits.
    pub(super) fn failed(&self, error: &StoreError) {
        let mut down = self.0.lock();
        let wait = down
            .as_ref()
            .map_or(FIRST, |down| (down.wait * 2).min(LONGEST));
        *down = Some(Down {
            until: Instant::now() + wait,
            wait,
            reason: error.reason.clone(),
        });
    }

    /// The server is there.
    pub(super) fn succeeded(&self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_wait_twice_as_long_after_each_failure_up_to_two_seconds() {
        let backoff = Backoff::default();
        let error = StoreError::new("refused");
        for expected_ms in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            assert!(backoff.may_try().is_ok());
            backoff.failed(&error);
            tokio::time::advance(Duration::from_millis(expected_ms - 1)).await;
            let told = backoff.may_try().unwrap_err();
            assert_eq!(told.reason, "refused; waiting to try again");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        backoff.succeeded();
        backoff.failed(&error);
        tokio::time::advance(FIRST).await;
        assert!(backoff.may_try().is_ok(), "a success starts it afresh");
    }
}
