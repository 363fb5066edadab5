//! Which authorization codes were redeemed: each can be once.

use std::collections::HashMap;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::clock::UnixTime;

/// The codes redeemed that have not expired yet. An expired code is refused by its own date, so it
/// can be forgotten.
#[derive(Default)]
pub(crate) struct RedeemedCodes(Mutex<Redeemed>);

#[derive(Default, Clone)]
struct Redeemed {
    expiries: HashMap<Uuid, UnixTime>,
    swept_to: usize,
}

impl RedeemedCodes {
    /// Forgets what it holds for what `other` holds.
    pub(crate) fn become_like(&self, other: &Self) {
        let like = other.0.lock().clone();
        *self.0.lock() = like;
    }

    /// Marks a code; `false` when it was marked before.
    pub(crate) fn redeem(&self, id: Uuid, expires: UnixTime, now: UnixTime) -> bool {
        let mut redeemed = self.0.lock();
        if redeemed.expiries.len() >= 1024.max(redeemed.swept_to * 2) {
            redeemed.expiries.retain(|_, expires| *expires > now);
            redeemed.swept_to = redeemed.expiries.len();
        }
        redeemed.expiries.insert(id, expires).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_code_is_redeemed_once_and_forgotten_after_its_expiry() {
        let (codes, start) = (RedeemedCodes::default(), Clock::system().now());
        for number in 0..10_000_u64 {
            let now = start.plus(Duration::from_secs(number));
            let id = Uuid::from_u128(number.into());
            let expires = now.plus(Duration::from_mins(10));
            assert!(codes.redeem(id, expires, now));
            assert!(!codes.redeem(id, expires, now));
        }
        assert!(codes.0.lock().expiries.len() < 3_000);
    }
}
