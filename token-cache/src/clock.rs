//! Wall time that follows Tokio's clock, so that a paused runtime drives token
//! expiry too. The only reader of the system clock in this crate, beside the cache's
//! look at whether it was set.
#![expect(
    clippy::disallowed_types,
    reason = "the one place where wall time enters; everything else derives from it"
)]

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::time::Instant;

/// A point in wall time, in milliseconds since the Unix epoch.
///
/// MSAL's cache format writes whole seconds as decimal strings, and so does
/// this type's serde form; the milliseconds live only in memory.
///
/// Never zero, so that an `Option` of it takes no more room: a token has five
/// times, three of which may be absent. The sign bit is flipped, which keeps the
/// order and leaves zero to the earliest millisecond alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

const SIGN: u64 = 1 << 63;

impl Timestamp {
    /// The earliest millisecond of all counts as the second.
    const fn from_millis(millis: i64) -> Self {
        match NonZeroU64::new(millis.cast_unsigned() ^ SIGN) {
            Some(flipped) => Self(flipped),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// From whole seconds since the Unix epoch; values beyond what
    /// milliseconds can hold saturate.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1_000))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.unix_millis().div_euclid(1_000)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// Rounded down to the second, as it is written.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }

    /// This much later, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.unix_millis().saturating_add(millis(duration)))
    }

    /// This much earlier, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.unix_millis().saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.unix_millis().saturating_sub(earlier.unix_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// The Unix epoch.
impl Default for Timestamp {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.unix_millis().rem_euclid(1_000);
        write!(f, "{}.{millis:03}", self.unix_seconds())
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
    is_system: bool,
}

impl Clock {
    /// Wall time as the system has it now, and from here on as Tokio's clock
    /// runs. A [`TokenCache`](crate::TokenCache) that is given it also follows the
    /// system where that sleeps or is set.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            is_system: true,
            ..Self::starting_at(Timestamp::default().plus(since_epoch))
        }
    }

    /// Whether it has its time from the system.
    pub(crate) fn is_system(&self) -> bool {
        self.is_system
    }

    /// Wall time that is `wall` at this moment: for runs that must be the same
    /// whenever they happen.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self {
            anchor: Instant::now(),
            wall_at_anchor: wall,
            is_system: false,
        }
    }

    /// The same clock, set forward by so many seconds, or back when below zero.
    #[must_use]
    pub fn stepped(self, seconds: i64) -> Self {
        Self {
            wall_at_anchor: Timestamp::from_millis(
                self.wall_at_anchor
                    .unix_millis()
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
    fn a_time_that_may_be_absent_takes_the_room_of_one_that_is_there() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<i64>());
    }

    #[test]
    fn times_before_and_after_the_epoch_keep_their_order_and_their_milliseconds() {
        let around = [i64::MIN + 1, -1_001, -1, 0, 1, 999, 1_000, i64::MAX];
        let times = around.map(Timestamp::from_millis);
        assert!(times.is_sorted());
        assert_eq!(times.map(Timestamp::unix_millis), around);
        assert_eq!(Timestamp::from_millis(i64::MIN), times[0]);
        assert_eq!(Timestamp::default(), times[3]);
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let late = Timestamp::from_unix_seconds(i64::MAX);
        assert_eq!(late.plus(Duration::MAX), late.plus(Duration::ZERO));
        assert_eq!(Timestamp::default().since(late), Duration::ZERO);
    }
}
