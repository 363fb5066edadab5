//! The service under load: instances that each have a client and an L1 of
//! their own, and share L2 and the identity provider.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::Rng as _;
use telemetry::StoreMeter;
use token_cache::store::Store;
use token_cache::{Clock, Environment, Secret, TokenCache, TokenCacheOptions};
use token_client::{Application, Authority, Client};

use super::directory::Directory;
use super::heard::Heard;
use super::provider::{CLIENT_SECRET, Endpoints, Provider};
use super::store::SharedStore;
use crate::fault::{FaultyStore, StoreFaults};
use crate::population::{Stream, Subject};
use crate::record::Recorder;
use crate::report::model;
use crate::scenario::plan::{Fault, FleetPlan, Plan};

/// A client waits this much longer for an answer than its caller does. With both
/// patient for the same time, chance would decide whether an acquisition that
/// takes too long counts as `timeout` or as `error`.
const HTTP_MARGIN: Duration = Duration::from_secs(1);

/// All instances of the service.
#[derive(Debug)]
pub struct Fleet {
    blueprint: Blueprint,
    running: RwLock<Running>,
    store: Option<Arc<SharedStore>>,
    heard: Arc<Heard>,
    store_faults: Arc<StoreFaults>,
}

/// The instances that run, and what is left of those that do not.
#[derive(Debug, Default)]
struct Running {
    instances: Vec<Instance>,
    /// Instances begun so far, by place: a restarted one is another.
    generations: Vec<u64>,
    /// Evictions of instances that are gone.
    evictions_of_gone: u64,
}

/// What an instance is made of.
#[derive(Debug)]
struct Blueprint {
    plan: Plan,
    applications: Vec<Arc<str>>,
    host: String,
    endpoints: Endpoints,
    clock: Clock,
    recorder: Arc<Recorder>,
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
        let fleet = Self {
            blueprint: Blueprint {
                plan: plan.clone(),
                applications: directory.applications().to_vec(),
                host: provider.host().to_owned(),
                endpoints: provider.endpoints(plan.acquire_timeout + HTTP_MARGIN),
                clock,
                recorder: Arc::clone(recorder),
            },
            running: RwLock::default(),
            heard: Arc::new(Heard::new(store.clone())),
            store,
            store_faults: StoreFaults::new(plan.seed),
        };
        fleet.scale(plan.fleet.instances);
        fleet
    }

    /// The client that serves `subject`.
    pub fn client(&self, subject: &Subject) -> Client {
        let running = self.running.read();
        let fleet = FleetPlan {
            instances: running.instances.len(),
            ..self.blueprint.plan.fleet
        };
        let instance = &running.instances[subject.instance(&fleet)];
        instance.clients[subject.application as usize].clone()
    }

    /// There are this many instances from now on, at least one. Work under way
    /// in one that goes is done to its end.
    pub fn scale(&self, to: usize) {
        let mut running = self.running.write();
        while running.instances.len() > to.max(1) {
            let gone = running.instances.pop();
            running.evictions_of_gone += gone.map_or(0, |gone| gone.evictions());
        }
        while running.instances.len() < to.max(1) {
            let number = running.instances.len();
            let instance = self.instance(number, &mut running);
            running.instances.push(instance);
        }
    }

    /// The instance at this place begins anew, with nothing in memory and new
    /// connections. One that does not run is left alone.
    pub fn restart(&self, number: usize) {
        let mut running = self.running.write();
        if number < running.instances.len() {
            let instance = self.instance(number, &mut running);
            let gone = std::mem::replace(&mut running.instances[number], instance);
            running.evictions_of_gone += gone.evictions();
        }
    }

    /// The faults of the shared store, to be set.
    pub fn store_faults(&self) -> &StoreFaults {
        &self.store_faults
    }

    /// The shared store has lost all it held.
    pub fn wipe_store(&self) {
        if let Some(store) = &self.store {
            store.wipe();
        }
    }

    /// Outcomes, times and sizes of operations on the caches' levels.
    pub fn meter(&self) -> &StoreMeter {
        &self.heard.meter
    }

    /// What the caches hold and did.
    pub fn report(&self) -> model::Cache {
        let running = self.running.read();
        let mut l1 = model::L1 {
            evictions: running.evictions_of_gone,
            ..model::L1::default()
        };
        let instances = running.instances.iter();
        for stats in instances.filter_map(|instance| instance.cache.l1_stats()) {
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

    fn instance(&self, number: usize, running: &mut Running) -> Instance {
        if running.generations.len() <= number {
            running.generations.resize(number + 1, 0);
        }
        let generation = running.generations[number];
        running.generations[number] += 1;
        let store = self.store.as_ref().map(|store| {
            let shared = Arc::clone(store) as Arc<dyn Store>;
            if self.blueprint.has_store_faults() {
                let faults = Arc::clone(&self.store_faults);
                Arc::new(FaultyStore::new(shared, faults, number)) as Arc<dyn Store>
            } else {
                shared
            }
        });
        let heard = Arc::clone(&self.heard);
        self.blueprint.instance(number, generation, store, heard)
    }
}

impl Blueprint {
    fn has_store_faults(&self) -> bool {
        let faults = &self.plan.faults;
        faults
            .iter()
            .any(|fault| matches!(fault.what, Fault::L2(_)))
    }

    fn instance(
        &self,
        number: usize,
        generation: u64,
        store: Option<Arc<dyn Store>>,
        heard: Arc<Heard>,
    ) -> Instance {
        let cache_plan = &self.plan.cache;
        let cache = Arc::new(TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: cache_plan.l1.map(|l1| l1.size_limit.get()),
            l2: store,
            l2_sliding_expiration: cache_plan.l2.as_ref().and_then(|l2| l2.sliding_expiration),
            policy: cache_plan.policy,
            clock: self.clock,
            events: heard,
            ..TokenCacheOptions::default()
        }));
        let endpoint = self.endpoints.connect();
        let name = match generation {
            0 => format!("jitter/{number}"),
            _ => format!("jitter/{number}/{generation}"),
        };
        let jitter = Stream::named(self.plan.seed, &name);
        let clients = self
            .applications
            .iter()
            .zip(0..)
            .map(|(client_id, application_number)| {
                let application = Application {
                    client_id: Arc::clone(client_id),
                    client_secret: Secret::new(CLIENT_SECRET),
                };
                let authority = Authority {
                    environment: Environment::of_host(&self.host),
                    provider: Arc::clone(&endpoint),
                };
                Client::seeded(
                    application,
                    authority,
                    Arc::clone(&cache),
                    Arc::clone(&self.recorder) as _,
                    jitter.at(application_number).next_u64(),
                )
            })
            .collect();
        Instance { cache, clients }
    }
}

impl Instance {
    fn evictions(&self) -> u64 {
        self.cache.l1_stats().map_or(0, |stats| stats.evictions)
    }
}
