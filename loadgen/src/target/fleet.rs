//! The service under load: instances that each have a client and an L1 of
//! their own, and share L2 and the identity provider.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use telemetry::StoreMeter;
use token_cache::{Clock, Environment, Secret, TokenCache, TokenCacheOptions};
use token_client::{Application, Authority, Client};

use super::directory::Directory;
use super::heard::Heard;
use super::provider::{CLIENT_SECRET, Provider};
use super::store::SharedStore;
use crate::population::{Stream, Subject};
use crate::record::Recorder;
use crate::report::model;
use crate::scenario::plan::Plan;

/// A client waits this much longer for an answer than its caller does. With both
/// patient for the same time, chance would decide whether an acquisition that
/// takes too long counts as `timeout` or as `error`.
const HTTP_MARGIN: Duration = Duration::from_secs(1);

/// All instances of the service.
#[derive(Debug)]
pub struct Fleet {
    instances: Vec<Instance>,
    store: Option<Arc<SharedStore>>,
    heard: Arc<Heard>,
    plan: crate::scenario::plan::FleetPlan,
}

/// One process of the service.
#[derive(Debug)]
struct Instance {
    cache: Arc<TokenCache>,
    /// By application; they share the instance's cache and connections.
    clients: Vec<Client>,
}

impl Fleet {
    /// The fleet of `plan`, asking `provider` for tokens.
    pub fn new(
        plan: &Plan,
        directory: &Directory,
        provider: &Provider,
        clock: Clock,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let store = plan
            .cache
            .l2
            .as_ref()
            .map(|l2| Arc::new(SharedStore::new(l2, plan.seed, clock)));
        let heard = Arc::new(Heard::new(store.clone()));
        let instances = (0..plan.fleet.instances)
            .map(|number| {
                let store = store.as_ref();
                Instance::new(
                    number, plan, directory, provider, store, &heard, clock, recorder,
                )
            })
            .collect();
        Self {
            instances,
            store,
            heard,
            plan: plan.fleet,
        }
    }

    /// The client that serves `subject`.
    pub fn client(&self, subject: &Subject) -> &Client {
        &self.instances[subject.instance(&self.plan)].clients[subject.application as usize]
    }

    /// Outcomes, times and sizes of operations on the caches' levels.
    pub fn meter(&self) -> &StoreMeter {
        &self.heard.meter
    }

    /// What the caches hold and did.
    pub fn report(&self) -> model::Cache {
        let mut l1 = model::L1::default();
        for stats in self
            .instances
            .iter()
            .filter_map(|instance| instance.cache.l1_stats())
        {
            l1.entries += stats.entries;
            l1.bytes += stats.bytes;
            l1.evictions += stats.evictions;
        }
        model::Cache {
            l1,
            l2: self
                .store
                .as_ref()
                .map(|store| store.report())
                .unwrap_or_default(),
        }
    }
}

impl Instance {
    fn new(
        number: usize,
        plan: &Plan,
        directory: &Directory,
        provider: &Provider,
        store: Option<&Arc<SharedStore>>,
        heard: &Arc<Heard>,
        clock: Clock,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let cache = Arc::new(TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: plan.cache.l1.map(|l1| l1.size_limit.get()),
            l2: store.map(|store| Arc::clone(store) as _),
            l2_sliding_expiration: plan.cache.l2.as_ref().and_then(|l2| l2.sliding_expiration),
            policy: plan.cache.policy,
            clock,
            events: Arc::clone(heard) as _,
            ..TokenCacheOptions::default()
        }));
        let endpoint = provider.token_endpoint(plan.acquire_timeout + HTTP_MARGIN);
        let jitter = Stream::named(plan.seed, &format!("jitter/{number}"));
        let clients = directory
            .applications()
            .iter()
            .zip(0..)
            .map(|(client_id, application_number)| {
                let application = Application {
                    client_id: Arc::clone(client_id),
                    client_secret: Secret::new(CLIENT_SECRET),
                };
                let authority = Authority {
                    environment: Environment::of_host(provider.host()),
                    provider: Arc::clone(&endpoint),
                };
                Client::seeded(
                    application,
                    authority,
                    Arc::clone(&cache),
                    Arc::clone(recorder) as _,
                    jitter.at(application_number).next_u64(),
                )
            })
            .collect();
        Self { cache, clients }
    }
}
