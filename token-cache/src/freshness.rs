//! Whether a token may still serve. Pure: the caller says what time it is.

use std::time::Duration;

use crate::clock::Timestamp;

/// MSAL's expiry buffer: a token with no more than this left counts as expired,
/// so that it does not end on its way to the resource
/// (`AccessTokenExpirationBuffer` in MSAL.NET's `Constants.cs`).
pub const EXPIRY_BUFFER: Duration = Duration::from_secs(300);

/// A token that claims to live longer than ten years is not believed, as in
/// MSAL.NET.
const BELIEVABLE: Duration = Duration::from_secs(3_650 * 86_400);

/// Whether a token that ends at `expires_on` may serve at `now`.
pub fn is_fresh(expires_on: Timestamp, now: Timestamp) -> bool {
    if defect!(NothingExpires) {
        return true;
    }
    if defect!(NoExpiryBuffer) {
        return expires_on > now;
    }
    if defect!(LongExpiryBuffer) {
        return expires_on > now.plus(Duration::from_secs(1_800));
    }
    expires_on > now.plus(EXPIRY_BUFFER) && expires_on <= now.plus(BELIEVABLE)
}

/// Whether a token may serve at `now` up to its extended expiry, which the
/// provider grants for the time it is down itself.
pub fn is_fresh_while_provider_is_down(extended: Option<Timestamp>, now: Timestamp) -> bool {
    extended.is_some_and(|end| end > now.plus(EXPIRY_BUFFER))
}

/// How far the moment of a refresh may be from the provider's advice, in
/// seconds (`DefaultJitterRangeInSeconds` in MSAL.NET).
pub const REFRESH_JITTER_S: i64 = 300;

/// Whether a token that the provider advises to replace at `refresh_on` is due
/// for it at `now`, with the moment put off by `jitter_s` seconds.
pub fn refresh_is_due(refresh_on: Timestamp, jitter_s: i64, now: Timestamp) -> bool {
    let jitter = Duration::from_secs(jitter_s.unsigned_abs());
    let moment = if jitter_s < 0 {
        refresh_on.minus(jitter)
    } else {
        refresh_on.plus(jitter)
    };
    moment < now
}

/// Whether some jitter makes a refresh due at `now`.
pub fn refresh_may_be_due(refresh_on: Timestamp, now: Timestamp) -> bool {
    refresh_is_due(refresh_on, -REFRESH_JITTER_S, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist L1, in seconds from now.
    #[test]
    fn a_token_inside_the_expiry_buffer_or_beyond_ten_years_is_expired() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let ten_years = 3_650 * 86_400;
        let table = [
            (-1, false),
            (299, false),
            (300, false),
            (301, true),
            (3_600, true),
            (ten_years, true),
            (ten_years + 1, false),
        ];
        for (offset, fresh) in table {
            let expires_on = Timestamp::from_unix_seconds(now.unix_seconds() + offset);
            assert_eq!(is_fresh(expires_on, now), fresh, "{offset} s from now");
        }
    }

    /// Checklist P1: the lower bound of the jitter counts, in seconds after the
    /// provider's advice.
    #[test]
    fn a_refresh_is_due_once_advice_and_jitter_have_passed() {
        let advice = Timestamp::from_unix_seconds(1_795_000_000);
        for (after, jitter_s, due) in [
            (0, 0, false),
            (1, 0, true),
            (-299, -300, true),
            (-300, -300, false),
            (299, 299, false),
            (300, 299, true),
        ] {
            let now = Timestamp::from_unix_seconds(advice.unix_seconds() + after);
            assert_eq!(
                refresh_is_due(advice, jitter_s, now),
                due,
                "{after} {jitter_s}"
            );
            assert_eq!(refresh_may_be_due(advice, now), after > -300, "{after}");
        }
    }

    /// The share of all jitters by which a refresh is due, in six hundredths:
    /// `clamp((300 − (refresh_on − now)) / 600, 0, 1)`, but that the moment
    /// itself is not past yet.
    #[test]
    fn p1_the_share_of_jitters_that_are_due_falls_over_ten_minutes_around_the_advice() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let table = [
            (-301, 600),
            (-300, 600),
            (-299, 599),
            (-150, 450),
            (0, 300),
            (150, 150),
            (299, 1),
            (300, 0),
            (301, 0),
        ];
        for (ahead, expected) in table {
            let advice = Timestamp::from_unix_seconds(now.unix_seconds() + ahead);
            let due = (-REFRESH_JITTER_S..REFRESH_JITTER_S)
                .filter(|&jitter_s| refresh_is_due(advice, jitter_s, now))
                .count();
            assert_eq!(due, expected, "the advice is {ahead} s ahead");
        }
    }
}
