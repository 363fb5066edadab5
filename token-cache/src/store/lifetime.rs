//! What an [`Expiration`] comes to at a moment: how long the server may keep an
//! entry, and .NET's way of writing points and spans of time.

use std::time::Duration;

use super::Expiration;
use crate::clock::Timestamp;

/// How long an entry lives from now on, if it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// Until it is removed.
    Unlimited,
    /// For this long, which is more than nothing.
    For(Duration),
    /// It has gone already.
    Over,
}

impl Expiration {
    /// The earlier of the absolute end and the sliding window, seen at `now`.
    pub(super) fn lifetime(self, now: Timestamp) -> Lifetime {
        let absolute = self.absolute.map(|end| end.since(now));
        let shortest = match (absolute, self.sliding) {
            (Some(absolute), Some(sliding)) => absolute.min(sliding),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Lifetime::Unlimited,
        };
        if shortest.is_zero() {
            Lifetime::Over
        } else {
            Lifetime::For(shortest)
        }
    }
}

/// The last second that SQL's and .NET's calendars know, 9999-12-31T23:59:59Z.
#[cfg(any(feature = "postgres", feature = "memcached", feature = "sql-server"))]
const END_OF_CALENDAR: Timestamp = Timestamp::from_unix_seconds(253_402_300_799);

/// Milliseconds since the Unix epoch, within what calendars can hold.
#[cfg(any(feature = "postgres", feature = "memcached", feature = "sql-server"))]
pub(super) fn unix_millis(time: Timestamp) -> i64 {
    let since_epoch = time.min(END_OF_CALENDAR).since(Timestamp::default());
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, rounded up so that no window is nothing, up to a century.
#[cfg(any(
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server",
    feature = "cosmos"
))]
pub(super) fn seconds_up(span: Duration) -> i64 {
    const CENTURY_S: u64 = 100 * 366 * 86_400;
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    i64::try_from(seconds.min(CENTURY_S)).unwrap_or(i64::MAX)
}

/// .NET's `DateTimeOffset` ticks, 100 ns each, at the Unix epoch.
#[cfg(feature = "redis")]
const TICKS_AT_EPOCH: i64 = 621_355_968_000_000_000;

/// .NET's ticks of a point in time.
#[cfg(feature = "redis")]
pub(super) fn ticks_at(time: Timestamp) -> i64 {
    let since_epoch = time.since(Timestamp::default()).as_millis();
    i64::try_from(since_epoch)
        .unwrap_or(i64::MAX)
        .saturating_mul(10_000)
        .saturating_add(TICKS_AT_EPOCH)
}

/// .NET's ticks of a span of time.
#[cfg(feature = "redis")]
pub(super) fn ticks_of(span: Duration) -> i64 {
    i64::try_from(span.as_nanos() / 100).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000);

    fn lifetime(absolute_s: Option<i64>, sliding_s: Option<u64>) -> Lifetime {
        Expiration {
            absolute: absolute_s.map(Timestamp::from_unix_seconds),
            sliding: sliding_s.map(Duration::from_secs),
        }
        .lifetime(NOW)
    }

    #[test]
    fn the_earlier_end_counts() {
        let for_s = |seconds| Lifetime::For(Duration::from_secs(seconds));
        assert_eq!(lifetime(None, None), Lifetime::Unlimited);
        assert_eq!(lifetime(Some(1_060), None), for_s(60));
        assert_eq!(lifetime(None, Some(60)), for_s(60));
        assert_eq!(lifetime(Some(1_060), Some(10)), for_s(10));
        assert_eq!(lifetime(Some(1_005), Some(10)), for_s(5));
        for past in [1_000, 999] {
            assert_eq!(lifetime(Some(past), Some(10)), Lifetime::Over);
        }
        assert_eq!(lifetime(None, Some(0)), Lifetime::Over);
    }

    /// The values are those of .NET: `new DateTimeOffset(2001, 9, 9, 1, 46, 40,
    /// TimeSpan.Zero).Ticks` and `TimeSpan.FromMinutes(20).Ticks`.
    #[cfg(feature = "redis")]
    #[test]
    fn ticks_are_those_of_dot_net() {
        let billion = Timestamp::from_unix_seconds(1_000_000_000);
        assert_eq!(ticks_at(billion), 631_355_968_000_000_000);
        assert_eq!(ticks_of(Duration::from_secs(1_200)), 12_000_000_000);
    }
}
