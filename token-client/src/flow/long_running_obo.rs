//! Long-running on-behalf-of: a web API goes on for its caller after the
//! caller's own token has ended. The partition is a session of the API's own
//! naming, and the refresh token is kept in it.

use std::sync::Arc;

use token_cache::{AssertionHash, PartitionKeyRef, Secret};

use super::on_behalf_of::UserAssertion;

/// A session of a web API with one caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LongRunningSession {
    key: AssertionHash,
}

impl LongRunningSession {
    /// The session with this key, which names the partition to the letter.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self {
            key: AssertionHash::of_session(key),
        }
    }

    /// The session of an assertion for which nobody made up a key: its hash.
    pub fn of(assertion: &UserAssertion) -> Self {
        Self {
            key: assertion.hash().clone(),
        }
    }

    /// The key: keep it, to come back to the session.
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    pub(crate) fn hash(&self) -> &AssertionHash {
        &self.key
    }

    pub(super) fn partition(&self) -> PartitionKeyRef<'_> {
        PartitionKeyRef::Assertion(&self.key)
    }
}

/// The begin of a long-running session; MSAL's
/// `InitiateLongRunningProcessInWebApi`.
#[derive(Debug, Clone)]
pub struct InitiateLongRunning {
    pub(super) assertion: UserAssertion,
    pub(super) session: LongRunningSession,
    pub(super) search: SearchInCache,
}

/// Whether the begin of a session looks for one that has begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchInCache {
    /// No: the assertion is traded in each time.
    #[default]
    No,
    /// Yes: as a plain on-behalf-of call, whose token may be cached.
    Yes,
}

impl InitiateLongRunning {
    /// A session for the bearer of `assertion`. An empty session key becomes
    /// the assertion's hash; [`InitiateLongRunning::session`] has it.
    pub fn new(assertion: Secret, session_key: &str, search: SearchInCache) -> Self {
        let assertion = UserAssertion::new(assertion);
        let session = if session_key.is_empty() {
            LongRunningSession::of(&assertion)
        } else {
            LongRunningSession::new(session_key)
        };
        Self {
            assertion,
            session,
            search,
        }
    }

    /// The session it begins.
    pub fn session(&self) -> &LongRunningSession {
        &self.session
    }
}
