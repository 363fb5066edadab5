//! Wall time that follows Tokio's clock, so that a paused runtime drives expiry as well.
//!
//! The system clock is read once, when the clock is made; from then on time is what Tokio's
//! monotonic clock says has passed. Nothing else in this crate asks the system for the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A moment in wall time: the time since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct UnixTime(Duration);

impl UnixTime {
    /// Whole seconds since the epoch, as JWT claims count them.
    pub(crate) fn as_seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Rounded down to the second, as tokens say it.
    pub(crate) fn whole_seconds(self) -> Self {
        Self(Duration::from_secs(self.as_seconds()))
    }

    pub(crate) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    pub(crate) fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }

    /// Years to seconds, the way Entra writes them in error bodies: `2026-08-13 03:04:05Z`.
    pub(crate) fn to_text(self) -> String {
        match self.to_jiff() {
            Some(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            None => "9999-12-31 23:59:59Z".to_owned(),
        }
    }

    /// Year, month and day in UTC.
    pub(crate) fn to_date(self) -> (i32, u8, u8) {
        let Some(time) = self.to_jiff() else {
            return (9999, 12, 31);
        };
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        (
            i32::from(date.year()),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    }

    fn to_jiff(self) -> Option<jiff::Timestamp> {
        let seconds = i64::try_from(self.0.as_secs()).ok()?;
        jiff::Timestamp::from_second(seconds).ok()
    }
}

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_at: UnixTime,
}

impl Clock {
    /// A clock set by the system's, running with Tokio's.
    pub(crate) fn system() -> Self {
        let now = jiff::Timestamp::now().as_duration();
        Self {
            started: Instant::now(),
            started_at: UnixTime(now.try_into().unwrap_or_default()),
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.started_at.plus(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wall_time_follows_a_paused_runtime() {
        let clock = Clock::system();
        let before = clock.now();
        tokio::time::sleep(Duration::from_hours(24)).await;
        assert_eq!(clock.now(), before.plus(Duration::from_hours(24)));
    }

    #[test]
    fn times_are_written_as_entra_writes_them() {
        let time = UnixTime(Duration::from_secs(1_786_590_245));
        assert_eq!(time.to_text(), "2026-08-13 03:04:05Z");
        assert_eq!(time.to_date(), (2026, 8, 13));
    }
}
