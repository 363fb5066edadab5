//! Users whose sessions were revoked, as by a change of password.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::clock::UnixTime;

/// Users remembered; beyond it half of them are forgotten.
const MOST: usize = 65_536;

/// When each user's sessions were last revoked.
#[derive(Default)]
pub(crate) struct RevokedSessions(Mutex<HashMap<String, UnixTime>>);

impl RevokedSessions {
    /// Forgets what it holds for what `other` holds.
    pub(crate) fn become_like(&self, other: &Self) {
        let like = other.0.lock().clone();
        *self.0.lock() = like;
    }

    /// Ends what was issued to a user until now.
    pub(crate) fn revoke(&self, user: &str, now: UnixTime) {
        let mut revoked = self.0.lock();
        if revoked.len() >= MOST {
            // The half that was revoked first: their tokens are the likeliest to be gone.
            let mut times: Vec<_> = revoked.values().copied().collect();
            let (_, &mut median, _) = times.select_nth_unstable(MOST / 2);
            revoked.retain(|_, at| *at > median);
        }
        revoked.insert(user.trim().to_ascii_lowercase(), now);
    }

    /// Whether what was issued to a user then has ended.
    pub(crate) fn covers(&self, user: &str, issued: UnixTime) -> bool {
        let revoked = self.0.lock().get(user).copied();
        revoked.is_some_and(|at| issued <= at)
    }
}
