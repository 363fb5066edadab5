//! Who is signed in, and with what their front ends call the web API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use token_cache::{HomeAccountId, Timestamp};
use token_client::UserAssertion;

use crate::population::Subject;

/// A front end replaces its token when it has this little left.
const MARGIN: Duration = Duration::from_secs(30);

/// What the users' browsers and front ends hold, by application and user.
#[derive(Debug, Default)]
pub struct Sessions {
    accounts: parking_lot::Mutex<HashMap<(u32, u32), HomeAccountId>>,
    assertions: Slots<HeldAssertion>,
}

/// One user's place; whoever changes what is in it holds the lock meanwhile.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

#[derive(Debug)]
struct Slots<T>(parking_lot::Mutex<HashMap<(u32, u32), Slot<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(parking_lot::Mutex::default())
    }
}

/// An assertion and when it ends.
#[derive(Debug, Clone)]
pub struct HeldAssertion {
    assertion: UserAssertion,
    expires_on: Timestamp,
}

impl HeldAssertion {
    /// Takes both.
    pub fn new(assertion: UserAssertion, expires_on: Timestamp) -> Self {
        Self {
            assertion,
            expires_on,
        }
    }

    /// The assertion, if it is still good at `now`.
    pub fn at(&self, now: Timestamp) -> Option<UserAssertion> {
        (self.expires_on > now.plus(MARGIN)).then(|| self.assertion.clone())
    }
}

impl Sessions {
    /// The account that the subject's user is signed in with, if they are.
    pub fn account(&self, subject: &Subject) -> Option<HomeAccountId> {
        self.accounts.lock().get(&key(subject)).cloned()
    }

    /// The subject's user has signed in.
    pub fn sign_in(&self, subject: &Subject, account: HomeAccountId) {
        self.accounts.lock().insert(key(subject), account);
    }

    /// The assertion that the subject's front end holds.
    pub fn assertion(&self, subject: &Subject) -> Slot<HeldAssertion> {
        self.assertions.of(subject)
    }
}

impl<T> Slots<T> {
    fn of(&self, subject: &Subject) -> Slot<T> {
        Arc::clone(self.0.lock().entry(key(subject)).or_default())
    }
}

fn key(subject: &Subject) -> (u32, u32) {
    (subject.application, subject.user.unwrap_or_default())
}
