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
    expires_on > now.plus(EXPIRY_BUFFER) && expires_on <= now.plus(BELIEVABLE)
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
}
