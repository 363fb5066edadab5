//! One process of the service: its caches, and its clients over connections of
//! its own.

use std::sync::Arc;

use rand::Rng as _;
use telemetry::LetGo;
use token_cache::store::Store;
use token_cache::{Clock, Environment, Secret, TokenCache, TokenCacheOptions};
use token_client::{Application, Authority, Client, IdentityProvider};

use super::heard::{Heard, Listener};
use super::overlap::Overlap;
use super::provider::{CLIENT_SECRET, Endpoints};
use super::web_session::InstanceSessions;
use crate::population::Stream;
use crate::scenario::plan::{Fault, Plan};

/// What an instance is made of.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) plan: Plan,
    pub(super) applications: Vec<Arc<str>>,
    pub(super) host: String,
    pub(super) endpoints: Endpoints,
    pub(super) clock: Clock,
    pub(super) listener: Listener,
}

/// One process of the service.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) cache: Arc<TokenCache>,
    /// By application; they share the instance's cache and connections.
    pub(super) clients: Vec<Client>,
    /// The same where the machine's own identity is asked for: by application,
    /// whose client id is the identity's.
    pub(super) identities: Vec<Client>,
    /// Where caches belong to sessions.
    pub(super) sessions: Option<InstanceSessions>,
}

/// What an instance finds around it.
pub(super) struct Outside {
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) sealing: Option<Arc<dyn token_cache::Sealing>>,
    pub(super) heard: Arc<Heard>,
    pub(super) overlap: Arc<Overlap>,
}

impl Blueprint {
    /// Whether the shared store is ever to fail.
    pub(super) fn has_store_faults(&self) -> bool {
        let faults = &self.plan.faults;
        faults
            .iter()
            .any(|fault| matches!(fault.what, Fault::L2(_)))
    }

    /// The instance at this place, begun so often before.
    pub(super) fn instance(&self, number: usize, generation: u64, outside: Outside) -> Instance {
        let cache_plan = &self.plan.cache;
        let by_session = cache_plan.is_by_session();
        let options = TokenCacheOptions {
            l1_size_limit_bytes: cache_plan.l1.map(|l1| l1.size_limit.get()),
            l2: outside.store.clone().filter(|_| !by_session),
            sealing: outside.sealing.clone().filter(|_| !by_session),
            l2_sliding_expiration: cache_plan.l2.as_ref().and_then(|l2| l2.sliding_expiration),
            policy: cache_plan.policy,
            clock: self.clock,
            events: outside.heard,
            ..TokenCacheOptions::default()
        };
        let sessions =
            InstanceSessions::new(&self.plan, options.clone(), outside.store, outside.sealing);
        let cache = Arc::new(TokenCache::new(options));
        let endpoint = Arc::clone(&outside.overlap).watch(self.endpoints.connect());
        let machine = self.endpoints.machine();
        let name = match generation {
            0 => format!("jitter/{number}"),
            _ => format!("jitter/{number}/{generation}"),
        };
        let jitter = Stream::named(self.plan.seed, &name);
        let client =
            |client_id: &Arc<str>, application_number, provider: Arc<dyn IdentityProvider>| {
                let application = Application {
                    client_id: Arc::clone(client_id),
                    client_secret: Some(Secret::new(CLIENT_SECRET)),
                };
                let authority = Authority {
                    environment: Environment::of_host(&self.host),
                    provider,
                };
                Client::seeded(
                    application,
                    authority,
                    Arc::clone(&cache),
                    self.listener.events(),
                    jitter.at(application_number).next_u64(),
                )
            };
        let applications = self.applications.iter().zip(0..);
        let clients = applications
            .clone()
            .map(|(id, number)| client(id, number, Arc::clone(&endpoint)))
            .collect();
        let identities = match machine {
            Some(machine) => applications
                .map(|(id, number)| client(id, number, Arc::clone(&machine)))
                .collect(),
            None => Vec::new(),
        };
        Instance {
            cache,
            clients,
            identities,
            sessions,
        }
    }
}

impl Instance {
    /// Its clock is this many seconds ahead from now on.
    pub(super) fn step_clock(&self, seconds: i64) {
        self.cache.step_clock(seconds);
        if let Some(sessions) = &self.sessions {
            sessions.step_clock(seconds);
        }
    }

    /// What its L1 has let go.
    pub(super) fn let_go(&self) -> LetGo {
        let stats = self.cache.l1_stats().unwrap_or_default();
        LetGo {
            size: stats.evictions,
            expired: stats.expired,
            explicit: stats.removed,
            replaced: stats.replaced,
        }
    }
}
