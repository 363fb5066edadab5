//! Users whose sessions were revoked, as by a change of password.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::clock::UnixTime;

/// When each user's sessions were last revoked.
#[derive(Default)]
pub(crate) struct RevokedSessions(Mutex<HashMap<String, UnixTime>>);

impl RevokedSessions {
    /// Ends what was issued to a user until now.
    pub(crate) fn revoke(&self, user: &str, now: UnixTime) {
        self.0.lock().insert(user.trim().to_ascii_lowercase(), now);
    }

    /// Whether what was issued to a user then has ended.
    pub(crate) fn covers(&self, user: &str, issued: UnixTime) -> bool {
        let revoked = self.0.lock().get(user).copied();
        revoked.is_some_and(|at| issued <= at)
    }
}
