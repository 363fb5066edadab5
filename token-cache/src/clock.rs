//! Wall time that follows Tokio's clock, so that a paused runtime drives token
//! expiry too. The only reader of the system clock in this crate.
#![expect(
    clippy::disallowed_types,
    reason = "the one place where wall time enters; everything else derives from it"
)]

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::time::Instant;

/// A point in wall time, in milliseconds since the Unix epoch.
///
/// MSAL's cache format writes whole seconds as decimal strings, and so does
/// this type's serde form; the milliseconds live only in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From whole seconds since the Unix epoch; values beyond what
    /// milliseconds can hold saturate.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Rounded down to the second, as it is written.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }

    /// This much later, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This much earlier, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.unix_seconds(), self.0.rem_euclid(1_000))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.unix_seconds())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A decimal string is the format; msal-java and hand-made blobs write
        // numbers, which MSAL.NET's Newtonsoft build reads as well.
        struct Seconds;
        impl de::Visitor<'_> for Seconds {
            type Value = i64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("Unix seconds as a decimal string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
                text.parse().map_err(|_| {
                    E::invalid_value(de::Unexpected::Str("text that is no number"), &self)
                })
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<i64, E> {
                Ok(seconds)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<i64, E> {
                i64::try_from(seconds)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(seconds), &self))
            }
        }
        deserializer
            .deserialize_any(Seconds)
            .map(Self::from_unix_seconds)
    }
}

/// Turns Tokio's instants into wall time. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    wall_at_anchor: Timestamp,
}

impl Clock {
    /// Wall time as the system has it now, and from here on as Tokio's clock
    /// runs.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::starting_at(Timestamp::default().plus(since_epoch))
    }

    /// Wall time that is `wall` at this moment: for runs that must be the same
    /// whenever they happen.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self {
            anchor: Instant::now(),
            wall_at_anchor: wall,
        }
    }

    /// The same clock, set forward by so many seconds, or back when below zero.
    #[must_use]
    pub fn stepped(self, seconds: i64) -> Self {
        Self {
            wall_at_anchor: Timestamp(
                self.wall_at_anchor
                    .0
                    .saturating_add(seconds.saturating_mul(1_000)),
            ),
            ..self
        }
    }

    /// Wall time now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// Wall time at `instant`.
    pub fn at(&self, instant: Instant) -> Timestamp {
        if instant >= self.anchor {
            self.wall_at_anchor
                .plus(instant.duration_since(self.anchor))
        } else {
            self.wall_at_anchor
                .minus(self.anchor.duration_since(instant))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wall_time_follows_the_paused_clock() {
        let clock = Clock::starting_at(Timestamp::from_unix_seconds(1_000));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now(), Timestamp::from_unix_seconds(4_600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stepped_clock_is_off_by_its_step_and_runs_on() {
        let clock = Clock::starting_at(Timestamp::from_unix_seconds(1_000));
        for (step, expected) in [(360, 1_420), (-360, 700), (0, 1_060)] {
            let stepped = clock.stepped(step);
            let later = Instant::now() + Duration::from_secs(60);
            assert_eq!(stepped.at(later), Timestamp::from_unix_seconds(expected));
        }
    }

    #[test]
    fn a_timestamp_is_written_as_whole_seconds_in_a_string() {
        let timestamp =
            Timestamp::from_unix_seconds(1_795_339_987).plus(Duration::from_millis(999));
        assert_eq!(serde_json::to_string(&timestamp).unwrap(), "\"1795339987\"");
    }

    #[test]
    fn a_timestamp_reads_from_a_string_or_a_number() {
        for text in ["\"1795339987\"", "1795339987"] {
            let timestamp: Timestamp = serde_json::from_str(text).unwrap();
            assert_eq!(timestamp.unix_seconds(), 1_795_339_987, "{text}");
        }
        for text in ["\"soon\"", "\"\"", "[]", "null"] {
            assert!(serde_json::from_str::<Timestamp>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let late = Timestamp::from_unix_seconds(i64::MAX);
        assert_eq!(late.plus(Duration::MAX), late.plus(Duration::ZERO));
        assert_eq!(Timestamp::default().since(late), Duration::ZERO);
    }
}
