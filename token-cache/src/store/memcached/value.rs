//! A value: a head with both ends of the entry, then the blob.

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::store::lifetime::unix_millis;

/// memcached's opaque `flags` of values of this layout.
pub(super) const FLAGS: u32 = 0x5443_0001;

const LENGTH: usize = 16;

/// memcached takes a longer time to live for a point in Unix time.
const LONGEST_RELATIVE_S: i64 = 30 * 86_400;

/// When an entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// At this time, in milliseconds since the Unix epoch.
    pub(super) absolute_ms: Option<i64>,
    /// When left alone for this long.
    pub(super) sliding_s: Option<i64>,
}

impl Head {
    /// The value to store: eight bytes each, big-endian, -1 for none.
    pub(super) fn join(self, blob: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(LENGTH + blob.len());
        for end in [self.absolute_ms, self.sliding_s] {
            value.extend(end.unwrap_or(-1).to_be_bytes());
        }
        value.extend(blob);
        value
    }

    /// Head and blob of a value, or `None` if it is not of this layout.
    pub(super) fn split(flags: u32, value: &Bytes) -> Option<(Self, Bytes)> {
        if flags != FLAGS || value.len() < LENGTH {
            return None;
        }
        let end = |at: usize| -> Option<Option<i64>> {
            let bytes: [u8; 8] = value.get(at..at + 8)?.try_into().ok()?;
            Some(Some(i64::from_be_bytes(bytes)).filter(|end| *end >= 0))
        };
        let head = Self {
            absolute_ms: end(0)?,
            sliding_s: end(8)?,
        };
        Some((head, value.slice(LENGTH..)))
    }

    /// memcached's time to live from `now` on: 0 for none, never 0 otherwise.
    pub(super) fn time_to_live(self, now: Timestamp) -> i64 {
        let now_ms = unix_millis(now);
        let left = self
            .absolute_ms
            .map(|end| (end - now_ms).max(0).div_euclid(1_000) + 1);
        let shortest = match (left, self.sliding_s) {
            (Some(left), Some(sliding)) => left.min(sliding),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return 0,
        };
        if shortest > LONGEST_RELATIVE_S {
            now.unix_seconds().saturating_add(shortest)
        } else {
            shortest.max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_what_is_none_is_told() {
        for (absolute_ms, sliding_s) in [(None, None), (Some(0), Some(1)), (Some(i64::MAX), None)] {
            let head = Head {
                absolute_ms,
                sliding_s,
            };
            let value = Bytes::from(head.join(b"blob"));
            let (found, blob) = Head::split(FLAGS, &value).unwrap();
            assert_eq!((found, &blob[..]), (head, &b"blob"[..]));
            assert_eq!(Head::split(0, &value), None, "another's flags");
            assert_eq!(Head::split(FLAGS, &value.slice(..LENGTH - 1)), None);
        }
    }

    #[test]
    fn a_time_to_live_is_never_the_zero_that_means_forever() {
        let now = Timestamp::from_unix_seconds(1_000_000_000);
        let of = |absolute_s: Option<i64>, sliding_s| {
            let absolute_ms = absolute_s.map(|end| (1_000_000_000 + end) * 1_000);
            Head {
                absolute_ms,
                sliding_s,
            }
            .time_to_live(now)
        };
        assert_eq!(of(None, None), 0);
        assert_eq!(of(Some(0), None), 1);
        assert_eq!(of(None, Some(60)), 60);
        assert_eq!(of(Some(10), Some(60)), 11);
        let month = LONGEST_RELATIVE_S;
        assert_eq!(of(None, Some(month)), month);
        assert_eq!(of(None, Some(month + 1)), 1_000_000_000 + month + 1);
    }
}
