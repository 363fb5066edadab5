//! Who is signed in, and with what their front ends call the web API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use token_cache::{HomeAccountId, Secret, Timestamp};
use token_client::{LongRunningSession, UserAssertion};

use crate::population::Subject;
use crate::scenario::plan::{Plan, TrafficPlan};

/// A front end replaces its token when it has this little left.
pub const MARGIN: Duration = Duration::from_secs(30);

/// What [`Sessions`] hold, to be written down. Whose it is comes first: application
/// and user, and which session of theirs, where each has its own.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldByUsers {
    /// Who is signed in.
    pub accounts: Vec<((u32, u32), HomeAccountId)>,
    /// Who has signed out and not been seen since.
    pub signed_out: Vec<((u32, u32), HomeAccountId)>,
    /// Refresh tokens brought from elsewhere.
    pub refresh_tokens: Vec<((u32, u32, u32), Secret)>,
    /// Assertions, and when they end: milliseconds since the Unix epoch.
    pub assertions: Vec<((u32, u32, u32), Secret, i64)>,
    /// Keys of long-running sessions.
    pub long_running: Vec<((u32, u32, u32), String)>,
    /// When tokens were issued that were asked for in place of cached ones:
    /// milliseconds since the Unix epoch.
    renewals: Vec<(Renewable, i64)>,
}

/// What the users' browsers and front ends hold.
#[derive(Debug, Default)]
pub struct Sessions {
    /// By session where each has a cache of its own, else by application and user.
    accounts: parking_lot::Mutex<HashMap<WebSession, HomeAccountId>>,
    /// Whether each session has a cache of its own.
    apart: bool,
    /// The same, of those who have signed out and not been seen since.
    signed_out: parking_lot::Mutex<HashMap<(u32, u32), HomeAccountId>>,
    /// Refresh tokens that users bring from elsewhere.
    refresh_tokens: Slots<Secret>,
    /// When the newest tokens were issued that were asked for in place of cached
    /// ones; `None` where nobody ever asks.
    renewals: Option<parking_lot::Mutex<HashMap<(Renewable, Visitor), Timestamp>>>,
    /// By application, user and session.
    assertions: Slots<HeldAssertion>,
    /// The same; whether the web API has begun to work for them.
    long_running: Slots<LongRunningSession>,
}

/// What a token is renewed for: tenant, application, user, session, resource.
type Renewable = (u32, u32, Option<u32>, u32, u32);

/// Whose visits, where each such session has a cache of its own.
type Visitor = Option<(u32, u64)>;

/// A session of a user with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WebSession {
    application: u32,
    user: u32,
    /// Which of the user's sessions.
    session: u32,
    /// Whose visits, where users come in visits: they begin with a new session.
    visitor: Visitor,
}

impl WebSession {
    /// The session that `subject` calls in.
    pub fn of(subject: &Subject) -> Self {
        let (application, user) = key(subject);
        Self {
            application,
            user,
            session: subject.session,
            visitor: subject.visitor,
        }
    }

    /// The one that stands for all of a user's with an application.
    fn of_all((application, user): (u32, u32)) -> Self {
        Self {
            application,
            user,
            session: 0,
            visitor: None,
        }
    }
}

/// One user's place; whoever changes what is in it holds the lock meanwhile.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

#[derive(Debug)]
struct Slots<T>(parking_lot::Mutex<HashMap<(u32, u32, u32), Slot<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(parking_lot::Mutex::default())
    }
}

/// An assertion and when it ends.
#[derive(Debug, Clone)]
pub struct HeldAssertion {
    secret: Secret,
    assertion: UserAssertion,
    expires_on: Timestamp,
}

impl HeldAssertion {
    /// Takes both.
    pub fn new(secret: Secret, expires_on: Timestamp) -> Self {
        Self {
            assertion: UserAssertion::new(secret.clone()),
            secret,
            expires_on,
        }
    }

    /// The same as its bearer has it, before it is hashed.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The assertion.
    pub fn assertion(&self) -> &UserAssertion {
        &self.assertion
    }

    /// Whether it is still good at `now`.
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.expires_on > now.plus(MARGIN)
    }
}

impl Sessions {
    /// Nobody is signed in. Renewals are watched where calls of `plan` pass over
    /// cached tokens.
    pub fn new(plan: &Plan) -> Self {
        let renews =
            |traffic: &TrafficPlan| traffic.force_refresh.get() > 0.0 || traffic.claims.get() > 0.0;
        Self {
            renewals: plan.traffic.iter().any(renews).then(Default::default),
            apart: plan.cache.is_by_session(),
            ..Self::default()
        }
    }

    /// All they hold, to be written down.
    pub fn held(&self) -> HeldByUsers {
        let clone = |(whose, account): (&(u32, u32), &HomeAccountId)| (*whose, account.clone());
        let account = |(whose, account): (&WebSession, &HomeAccountId)| {
            ((whose.application, whose.user), account.clone())
        };
        let renewals = self.renewals.as_ref().map(|renewals| {
            let renewals = renewals.lock();
            let renewals = renewals.iter();
            sorted(renewals.map(|((what, _), issued)| (*what, issued.unix_millis())))
        });
        let assertions = self.assertions.held().into_iter();
        let long_running = self.long_running.held().into_iter();
        HeldByUsers {
            accounts: sorted(self.accounts.lock().iter().map(account)),
            signed_out: sorted(self.signed_out.lock().iter().map(clone)),
            refresh_tokens: self.refresh_tokens.held(),
            assertions: assertions
                .map(|(whose, held)| (whose, held.secret, held.expires_on.unix_millis()))
                .collect(),
            long_running: long_running
                .map(|(whose, session)| (whose, session.key().to_owned()))
                .collect(),
            renewals: renewals.unwrap_or_default(),
        }
    }

    /// Takes over what others held.
    pub fn hold(&self, held: &HeldByUsers) {
        let at = |unix_millis: i64| {
            Timestamp::default().plus(Duration::from_millis(unix_millis.unsigned_abs()))
        };
        let HeldByUsers {
            accounts,
            signed_out,
            refresh_tokens,
            assertions,
            long_running,
            renewals,
        } = held;
        let accounts = accounts.iter().cloned();
        let accounts = accounts.map(|(whose, account)| (WebSession::of_all(whose), account));
        self.accounts.lock().extend(accounts);
        self.signed_out.lock().extend(signed_out.iter().cloned());
        self.refresh_tokens.hold(refresh_tokens.iter().cloned());
        let assertions = assertions.iter().cloned();
        self.assertions.hold(
            assertions.map(|(whose, secret, ends)| (whose, HeldAssertion::new(secret, at(ends)))),
        );
        let long_running = long_running.iter().cloned();
        self.long_running
            .hold(long_running.map(|(whose, key)| (whose, LongRunningSession::new(key))));
        if let Some(known) = &self.renewals {
            let renewals = renewals.iter();
            known
                .lock()
                .extend(renewals.map(|(what, issued)| ((*what, None), at(*issued))));
        }
    }

    /// Whether anybody asks for new tokens in place of cached ones.
    pub fn watches_renewals(&self) -> bool {
        self.renewals.is_some()
    }

    /// When the newest token was issued that was asked for in place of the
    /// subject's.
    pub fn renewed(&self, subject: &Subject) -> Option<Timestamp> {
        let renewals = self.renewals.as_ref()?.lock();
        renewals.get(&self.renewable(subject)).copied()
    }

    /// A token that was asked for in place of a cached one is there, issued then.
    pub fn renew(&self, subject: &Subject, issued: Timestamp) {
        if let Some(renewals) = &self.renewals {
            let mut renewals = renewals.lock();
            let newest = renewals.entry(self.renewable(subject)).or_insert(issued);
            *newest = issued.max(*newest);
        }
    }

    /// The account of the subject's user, if they have signed out and nobody
    /// has asked since. Of a user with several sessions one may have signed out
    /// and another not.
    pub fn take_signed_out(&self, subject: &Subject) -> Option<HomeAccountId> {
        if self.apart && self.account(subject).is_some() {
            return None;
        }
        self.signed_out.lock().remove(&key(subject))
    }

    /// The refresh token that the subject's user brings.
    pub fn refresh_token(&self, subject: &Subject) -> Slot<Secret> {
        self.refresh_tokens.of(subject)
    }

    /// The account that the subject's user is signed in with, if they are.
    pub fn account(&self, subject: &Subject) -> Option<HomeAccountId> {
        self.accounts.lock().get(&self.whose(subject)).cloned()
    }

    /// The subject's user has signed in.
    pub fn sign_in(&self, subject: &Subject, account: HomeAccountId) {
        self.accounts.lock().insert(self.whose(subject), account);
    }

    /// The subject's user has signed out. `None` when nobody was signed in.
    pub fn sign_out(&self, subject: &Subject) -> Option<HomeAccountId> {
        let account = self.accounts.lock().remove(&self.whose(subject))?;
        let mut signed_out = self.signed_out.lock();
        signed_out.insert(key(subject), account.clone());
        Some(account)
    }

    /// The browser is closed, and the session's cookie gone with it.
    pub fn leave(&self, subject: &Subject) {
        if self.apart {
            self.accounts.lock().remove(&self.whose(subject));
        }
    }

    fn whose(&self, subject: &Subject) -> WebSession {
        if self.apart {
            WebSession::of(subject)
        } else {
            WebSession::of_all(key(subject))
        }
    }

    fn renewable(&self, subject: &Subject) -> (Renewable, Visitor) {
        let visitor = subject.visitor.filter(|_| self.apart);
        (renewable(subject), visitor)
    }

    /// The long-running session that the web API has with the subject's user.
    pub fn long_running(&self, subject: &Subject) -> Slot<LongRunningSession> {
        self.long_running.of(subject)
    }

    /// The assertion that the subject's front end holds.
    pub fn assertion(&self, subject: &Subject) -> Slot<HeldAssertion> {
        self.assertions.of(subject)
    }
}

impl<T: Clone> Slots<T> {
    /// What is in every slot that nobody is changing, by whose it is.
    fn held(&self) -> Vec<((u32, u32, u32), T)> {
        let slots = self.0.lock();
        let held = slots
            .iter()
            .filter_map(|(whose, slot)| Some((*whose, slot.try_lock().ok()?.clone()?)));
        sorted(held)
    }

    fn hold(&self, held: impl IntoIterator<Item = ((u32, u32, u32), T)>) {
        let slots = held.into_iter();
        let slots =
            slots.map(|(whose, what)| (whose, Arc::new(tokio::sync::Mutex::new(Some(what)))));
        self.0.lock().extend(slots);
    }
}

/// In an order of its own: maps have none.
fn sorted<K: Ord + Copy, V>(held: impl Iterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut held: Vec<_> = held.collect();
    held.sort_unstable_by_key(|(whose, _)| *whose);
    held
}

impl<T> Slots<T> {
    fn of(&self, subject: &Subject) -> Slot<T> {
        let (application, user) = key(subject);
        let slot = (application, user, subject.session);
        Arc::clone(self.0.lock().entry(slot).or_default())
    }
}

fn renewable(subject: &Subject) -> Renewable {
    (
        subject.tenant,
        subject.application,
        subject.user,
        subject.session,
        subject.resource,
    )
}

fn key(subject: &Subject) -> (u32, u32) {
    (subject.application, subject.user.unwrap_or_default())
}
