//! Wall time that follows Tokio's clock, so that a paused runtime drives expiry as well.
//!
//! The system clock is read once, when the clock is made; from then on time is what Tokio's
//! monotonic clock says has passed. Nothing else in this crate asks the system for the time.

use std::time::Duration;

use jiff::SignedDuration;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::duration::{as_optional_text, as_text};

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

    pub(crate) fn since_epoch(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; nothing when it is before.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Years to seconds, the way Entra writes them in error bodies: `2026-08-13 03:04:05Z`.
    pub(crate) fn to_text(self) -> String {
        match self.to_jiff() {
            Some(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            None => "9999-12-31 23:59:59Z".to_owned(),
        }
    }

    /// As HTTP headers have dates: `Thu, 13 Aug 2026 03:04:05 GMT`.
    pub(crate) fn to_http_date(self) -> String {
        match self.to_jiff() {
            Some(time) => time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            None => "Fri, 31 Dec 9999 23:59:59 GMT".to_owned(),
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

/// Tells the time, which can be set.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: UnixTime,
    setting: Mutex<Setting>,
}

/// How a clock differs from one that was never touched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// Added to the time that has passed.
    ahead: SignedDuration,
    /// The time that has passed when it was stopped.
    frozen: Option<Duration>,
}

/// What to do to a clock, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClockChange {
    /// How far ahead of its own time it is to be: `1h`, or `-1h` for behind.
    #[serde(with = "as_optional_text")]
    offset: Option<SignedDuration>,
    /// How far it is to jump from where it is.
    #[serde(with = "as_optional_text")]
    advance: Option<Duration>,
    /// Whether it is to stand still.
    frozen: Option<bool>,
}

/// What a clock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClockStatus {
    now: String,
    now_s: u64,
    since_start_s: u64,
    #[serde(with = "as_text")]
    offset: SignedDuration,
    frozen: bool,
}

impl Clock {
    /// A clock set by the system's, running with Tokio's.
    pub(crate) fn system() -> Self {
        let now = jiff::Timestamp::now().as_duration();
        Self::starting_at(now.try_into().unwrap_or_default())
    }

    /// A clock that says at this moment that so much time has passed since the epoch.
    pub(crate) fn starting_at(since_epoch: Duration) -> Self {
        Self {
            started: Instant::now(),
            started_at: UnixTime(since_epoch),
            setting: Mutex::default(),
        }
    }

    /// A clock for tests of what needs no runtime's time: 13 August 2026.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        Self {
            started: Instant::now(),
            started_at: UnixTime(Duration::from_secs(1_786_590_245)),
            setting: Mutex::new(Setting {
                frozen: Some(Duration::ZERO),
                ..Setting::default()
            }),
        }
    }

    /// How long the clock has run, what it was moved by included.
    pub(crate) fn since_start(&self) -> Duration {
        let since_start = self.shown();
        Duration::try_from(since_start).unwrap_or_default()
    }

    pub(crate) fn now(&self) -> UnixTime {
        let shown = self.shown();
        if shown.is_negative() {
            self.started_at.minus(shown.unsigned_abs())
        } else {
            self.started_at.plus(shown.unsigned_abs())
        }
    }

    /// Moves, stops or starts the clock. One that starts again goes on from where it stood.
    pub(crate) fn change(&self, change: ClockChange) {
        let passed = self.started.elapsed();
        let mut setting = self.setting.lock();
        if let Some(offset) = change.offset {
            setting.ahead = offset;
        }
        if let Some(advance) = change.advance {
            let advance = SignedDuration::try_from(advance).unwrap_or(SignedDuration::MAX);
            setting.ahead = setting.ahead.saturating_add(advance);
        }
        match (change.frozen, setting.frozen) {
            (Some(true), None) => setting.frozen = Some(passed),
            (Some(false), Some(at)) => {
                let missed = SignedDuration::try_from(passed.saturating_sub(at));
                setting.ahead = setting.ahead.saturating_sub(missed.unwrap_or_default());
                setting.frozen = None;
            }
            _ => {}
        }
    }

    /// How the clock was set.
    pub(crate) fn setting(&self) -> Setting {
        *self.setting.lock()
    }

    /// Sets it as it was, or right by default.
    pub(crate) fn set(&self, setting: Setting) {
        *self.setting.lock() = setting;
    }

    pub(crate) fn status(&self) -> ClockStatus {
        let Setting { ahead, frozen } = *self.setting.lock();
        let now = self.now();
        ClockStatus {
            now: now.to_text(),
            now_s: now.as_seconds(),
            since_start_s: self.since_start().as_secs(),
            offset: ahead,
            frozen: frozen.is_some(),
        }
    }

    fn shown(&self) -> SignedDuration {
        let Setting { ahead, frozen } = *self.setting.lock();
        let passed = frozen.unwrap_or_else(|| self.started.elapsed());
        SignedDuration::try_from(passed)
            .unwrap_or(SignedDuration::MAX)
            .saturating_add(ahead)
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

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_moved_stopped_and_started() {
        let clock = Clock::system();
        let start = clock.now();
        let minute = Duration::from_mins(1);
        let change = |text| clock.change(serde_json::from_str(text).unwrap());
        let pass = || tokio::time::sleep(minute);

        change(r#"{"advance":"1m"}"#);
        change(r#"{"advance":"1m"}"#);
        assert_eq!(clock.now(), start.plus(2 * minute));
        change(r#"{"frozen":true}"#);
        change(r#"{"frozen":true}"#);
        pass().await;
        assert_eq!(clock.now(), start.plus(2 * minute), "it stands still");
        change(r#"{"advance":"1m"}"#);
        assert_eq!(clock.now(), start.plus(3 * minute), "but can be moved");
        change(r#"{"frozen":false}"#);
        change(r#"{"frozen":false}"#);
        assert_eq!(
            clock.now(),
            start.plus(3 * minute),
            "no time is made up for"
        );
        pass().await;
        assert_eq!(clock.now(), start.plus(4 * minute));
        assert_eq!(clock.since_start(), 4 * minute);

        change(r#"{"offset":"-1h"}"#);
        assert_eq!(clock.now(), start.minus(58 * minute));
        assert_eq!(clock.since_start(), Duration::ZERO);
        change(r#"{"offset":"0s"}"#);
        assert_eq!(
            clock.now(),
            start.plus(2 * minute),
            "as if it was never touched"
        );
        change(r#"{"advance":"200000000h"}"#);
        change(r#"{"advance":"2000000000000h"}"#);
        change(r#"{"advance":"2000000000000h"}"#);
        assert_eq!(clock.now().to_text(), "9999-12-31 23:59:59Z");
        assert!(serde_json::from_str::<ClockChange>(r#"{"advance":"-1h"}"#).is_err());
        assert!(serde_json::from_str::<ClockChange>(r#"{"advnace":"1h"}"#).is_err());
    }

    #[test]
    fn times_are_written_as_entra_writes_them() {
        let time = UnixTime(Duration::from_secs(1_786_590_245));
        assert_eq!(time.to_text(), "2026-08-13 03:04:05Z");
        assert_eq!(time.to_http_date(), "Thu, 13 Aug 2026 03:04:05 GMT");
        assert_eq!(time.to_date(), (2026, 8, 13));
    }
}
