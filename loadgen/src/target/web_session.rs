//! Caches of which each belongs to one session of a user with an application: in
//! the server's session store, or in the cookies of the user's browser.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng as _;
use token_cache::provider::{CookieLimits, CookieSession, SessionStore};
use token_cache::store::Store;
use token_cache::{Sealing, Secret, TokenCache, TokenCacheOptions};
use token_client::Client;

use crate::flow::session::WebSession;
use crate::population::Stream;
use crate::report::model::Cookies;
use crate::scenario::plan::{L2Plan, LatencyPlan, Plan, ProviderPlan, StorePlan};
use crate::scenario::units::Bytes;

/// What the cookies are called.
const COOKIE: &str = "msal";

/// A session's cache has one partition, that of its user.
const LANES: usize = 1;

/// Bytes that the sessions of one instance may take in its own memory.
const BYTES_OF_AN_INSTANCE: u64 = 200_000_000;

/// The sessions that users have.
#[derive(Debug)]
pub struct WebSessions {
    limits: Option<CookieLimits>,
    ids: Stream,
    begun: AtomicU64,
    browsers: Mutex<HashMap<WebSession, Browser>>,
    cookies: Mutex<Cookies>,
}

/// What a browser has of a session.
#[derive(Debug, Clone)]
struct Browser {
    /// Which session of the run; who begins another gets another.
    number: u64,
    id: Secret,
    cookies: Vec<(String, String)>,
}

/// The part of one instance of the service in it.
#[derive(Debug)]
pub struct InstanceSessions {
    options: TokenCacheOptions,
    place: Place,
    step_s: AtomicI64,
    /// Clients by session, each with the number of the session it was made for, so
    /// that requests of one at the same time share a fetch.
    clients: Mutex<HashMap<WebSession, (u64, Client)>>,
}

/// Where an instance finds its sessions' caches.
#[derive(Debug)]
enum Place {
    /// In a store, where they go when left alone for this long.
    Store(Arc<dyn Store>, Duration),
    /// In the requests, encrypted so, within these limits.
    Requests(Arc<dyn Sealing>, CookieLimits),
}

/// A client for one request, and what the response to it sets.
#[derive(Debug)]
pub struct Serving {
    client: Client,
    response: Option<Response>,
}

#[derive(Debug)]
struct Response {
    sessions: Arc<WebSessions>,
    whose: WebSession,
    number: u64,
    cookies: Arc<CookieSession>,
}

impl WebSessions {
    /// Those of `plan`, if caches belong to sessions there. No session has begun.
    pub fn of_plan(plan: &Plan) -> Option<Arc<Self>> {
        plan.cache.is_by_session().then(|| {
            let limits = limits(plan);
            Arc::new(Self {
                ids: Stream::named(plan.seed, "sessions/id"),
                begun: AtomicU64::new(0),
                browsers: Mutex::default(),
                cookies: Mutex::new(none_yet(limits)),
                limits,
            })
        })
    }

    /// A client for a request of `whose` to the instance `at`, whose client for the
    /// application is `client`. The session begins if it has not.
    pub fn serve(
        self: &Arc<Self>,
        at: &InstanceSessions,
        client: &Client,
        whose: WebSession,
    ) -> Serving {
        let browser = self.browser(whose);
        match &at.place {
            Place::Store(store, idle_timeout) => {
                let mut clients = at.clients.lock();
                if let Some((number, client)) = clients.get(&whose)
                    && *number == browser.number
                {
                    return Serving::plain(client.clone());
                }
                let store = SessionStore::new(Arc::clone(store), &browser.id);
                let cache = at.cache(Arc::new(store.idle_timeout(*idle_timeout)));
                let client = client.with_cache(cache);
                clients.insert(whose, (browser.number, client.clone()));
                Serving::plain(client)
            }
            Place::Requests(sealing, limits) => {
                let brought = browser.cookies.iter();
                let brought = brought.map(|(name, value)| (&**name, &**value));
                let (sealing, clock) = (Arc::clone(sealing), at.options.clock);
                let cookies = CookieSession::new(COOKIE, browser.id, sealing, clock);
                let cookies = Arc::new(cookies.limits(*limits).with_cookies(brought));
                let cache = at.cache(Arc::clone(&cookies) as _);
                Serving {
                    client: client.with_cache(cache),
                    response: Some(Response {
                        sessions: Arc::clone(self),
                        whose,
                        number: browser.number,
                        cookies,
                    }),
                }
            }
        }
    }

    /// What the browser has, of a session that begins now if there is none.
    fn browser(&self, whose: WebSession) -> Browser {
        let mut browsers = self.browsers.lock();
        let browser = browsers.entry(whose).or_insert_with(|| {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let mut id = [0; 16];
            self.ids.at(number).fill_bytes(&mut id);
            Browser {
                number,
                id: Secret::new(uuid::Uuid::from_bytes(id).to_string()),
                cookies: Vec::new(),
            }
        });
        browser.clone()
    }

    /// The session is over: whoever comes next begins another.
    pub fn end(&self, whose: WebSession) {
        self.browsers.lock().remove(&whose);
    }

    /// What cookies were set, and how large.
    pub fn report(&self) -> Cookies {
        *self.cookies.lock()
    }

    /// Counts from zero from now on.
    pub fn begin(&self) {
        *self.cookies.lock() = none_yet(self.limits);
    }
}

/// What browsers keep of a session's cookies, where they keep its cache.
fn limits(plan: &Plan) -> Option<CookieLimits> {
    let cookies = plan.cache.session.cookies;
    (plan.cache.provider == ProviderPlan::SessionCookie).then(|| CookieLimits {
        cookies,
        ..CookieLimits::default()
    })
}

fn none_yet(limits: Option<CookieLimits>) -> Cookies {
    let limit = limits.map_or(0, |limits| limits.cookies * limits.cookie_bytes);
    Cookies {
        limit_bytes: limit as u64,
        ..Cookies::default()
    }
}

/// The store of sessions that no L2 keeps: each instance's own, all in one place,
/// so that they are counted together.
pub fn store_of_instances(plan: &Plan) -> Option<L2Plan> {
    is_of_instances(plan).then(|| L2Plan {
        store: StorePlan::Memory {
            size_limit: Bytes::new(BYTES_OF_AN_INSTANCE * plan.most_instances() as u64),
            latency: LatencyPlan::None,
        },
        sliding_expiration: None,
    })
}

/// Whether each instance keeps the sessions that it began.
pub fn is_of_instances(plan: &Plan) -> bool {
    plan.cache.provider == ProviderPlan::Session && plan.cache.l2.is_none()
}

impl InstanceSessions {
    /// Those of an instance of `plan` that reaches this store and seals so, and
    /// whose caches are made as `options` say. `None` where caches belong to no
    /// session, or what keeps them is not there.
    pub fn new(
        plan: &Plan,
        options: TokenCacheOptions,
        store: Option<Arc<dyn Store>>,
        sealing: Option<Arc<dyn Sealing>>,
    ) -> Option<Self> {
        let place = match limits(plan) {
            Some(limits) => Place::Requests(sealing.clone()?, limits),
            None if plan.cache.is_by_session() => {
                Place::Store(store?, plan.cache.session.idle_timeout)
            }
            None => return None,
        };
        Some(Self {
            options: TokenCacheOptions {
                l2: None,
                // Cookies are sealed as a whole.
                sealing: sealing.filter(|_| matches!(place, Place::Store(..))),
                lanes: LANES,
                ..options
            },
            place,
            step_s: AtomicI64::new(0),
            clients: Mutex::default(),
        })
    }

    /// The clock of this instance is ahead from now on.
    pub fn step_clock(&self, seconds: i64) {
        self.step_s.store(seconds, Ordering::Relaxed);
        for (_, client) in self.clients.lock().values() {
            client.cache().step_clock(seconds);
        }
    }

    /// The session is over.
    pub fn end(&self, whose: WebSession) {
        self.clients.lock().remove(&whose);
    }

    fn cache(&self, store: Arc<dyn Store>) -> Arc<TokenCache> {
        let cache = TokenCache::new(TokenCacheOptions {
            l2: Some(store),
            ..self.options.clone()
        });
        cache.step_clock(self.step_s.load(Ordering::Relaxed));
        Arc::new(cache)
    }
}

impl Serving {
    /// With nothing to set.
    pub fn plain(client: Client) -> Self {
        Self {
            client,
            response: None,
        }
    }

    /// Who answers the request.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The response is sent: the browser has the cookies that it sets.
    pub fn respond(&self) {
        if let Some(response) = &self.response {
            response.send();
        }
    }
}

impl Response {
    fn send(&self) {
        if !self.cookies.has_changed() {
            return;
        }
        let set = self.cookies.to_cookies();
        let mut tally = self.sessions.cookies.lock();
        let cookies = match set {
            Ok(cookies) => cookies,
            Err(too_large) => {
                tally.refused += 1;
                tally.largest_bytes = tally.largest_bytes.max(too_large.needed_bytes as u64);
                tracing::debug!(%too_large, "a session's cookies were not set");
                return;
            }
        };
        let size = |(name, value): &(String, String)| (name.len() + value.len()) as u64;
        tally.set += 1;
        tally.largest_bytes = tally.largest_bytes.max(cookies.iter().map(size).sum());
        drop(tally);
        let mut browsers = self.sessions.browsers.lock();
        // A session that is over meanwhile has no cookies to come back with.
        if let Some(browser) = browsers.get_mut(&self.whose)
            && browser.number == self.number
        {
            browser.cookies = cookies;
        }
    }
}
