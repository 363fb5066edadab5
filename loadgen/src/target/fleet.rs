//! The service under load: instances that each have a client and an L1 of
//! their own, and share L2 and the identity provider.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use telemetry::{LetGo, Level, StoreMeter};
use token_cache::Clock;
use token_cache::l1::{KindSizes, L1Entry};
use token_cache::provider::SessionStore;
use token_cache::store::{MemoryStoreEntry, Store};

use super::contents::contents;
use super::directory::Directory;
use super::heard::{Heard, Listener};
use super::instance::{Blueprint, Instance, Outside};
use super::key_rings::KeyRings;
use super::overlap::Overlap;
use super::provider::Provider;
use super::store::SharedStore;
use super::web_session::{Serving, WebSessions, is_of_instances, store_of_instances};
use crate::exit::Failure;
use crate::fault::{FaultyStore, StoreFaults};
use crate::flow::session::WebSession;
use crate::population::Subject;
use crate::report::model;
use crate::scenario::plan::{ClockFault, FleetPlan, Flow, Plan};
use crate::scenario::units::Share;
use crate::theory::shadow::Standing;

/// A server's entries are read at the end, and removed, for no longer than this.
const LOOK_INTO_STORE: Duration = Duration::from_secs(10);

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
    key_rings: Option<KeyRings>,
    heard: Arc<Heard>,
    store_faults: Arc<StoreFaults>,
    overlap: Arc<Overlap>,
    /// Where caches belong to sessions.
    sessions: Option<Arc<WebSessions>>,
}

/// The instances that run, and what is left of those that do not.
#[derive(Debug, Default)]
struct Running {
    instances: Vec<Instance>,
    /// Instances begun so far, by place: a restarted one is another.
    generations: Vec<u64>,
    /// What instances that are gone had let go of their L1.
    let_go_by_gone: LetGo,
    /// Steps of clocks in force; the first that concerns an instance decides.
    clock_steps: Vec<ClockFault>,
}

impl Fleet {
    /// The fleet of `plan`, asking `provider` for tokens and telling `listener` what
    /// its clients do.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the shared store's address cannot be used.
    pub fn new(
        plan: &Plan,
        directory: &Directory,
        provider: &Provider,
        clock: Clock,
        listener: Listener,
    ) -> Result<Self, Failure> {
        let of_instances = store_of_instances(plan);
        let store = plan.cache.l2.as_ref().or(of_instances.as_ref());
        let store = store
            .map(|l2| SharedStore::new(l2, plan.seed, clock))
            .transpose()?;
        let key_rings = plan
            .cache
            .is_sealed()
            .then(|| KeyRings::new(plan.most_instances()))
            .transpose()?;
        let fleet = Self {
            blueprint: Blueprint {
                plan: plan.clone(),
                applications: directory.applications().to_vec(),
                host: provider.host().to_owned(),
                endpoints: provider.endpoints(plan.acquire_timeout + HTTP_MARGIN),
                clock,
                listener,
            },
            running: RwLock::default(),
            heard: Arc::new(Heard::new(store.clone())),
            store,
            key_rings,
            store_faults: StoreFaults::new(plan.seed),
            overlap: Arc::default(),
            sessions: WebSessions::of_plan(plan),
        };
        fleet.scale(plan.fleet.instances);
        Ok(fleet)
    }

    /// The client that serves `subject`, for one request: in their session, where
    /// caches belong to sessions.
    pub fn serve(&self, subject: &Subject, flow: Flow) -> Serving {
        let running = self.running.read();
        let instance = &running.instances[self.place(subject, &running)];
        let clients = match flow {
            Flow::ManagedIdentity => &instance.identities,
            _ => &instance.clients,
        };
        let client = &clients[subject.application as usize];
        match (&self.sessions, &instance.sessions) {
            (Some(sessions), Some(at)) => sessions.serve(at, client, WebSession::of(subject)),
            _ => Serving::plain(client.clone()),
        }
    }

    /// Which of the instances that run serves `subject`.
    fn place(&self, subject: &Subject, running: &Running) -> usize {
        subject.instance(&FleetPlan {
            instances: running.instances.len(),
            ..self.blueprint.plan.fleet
        })
    }

    /// The session that `subject` calls in is over. Whoever calls next in its place
    /// begins another, in which nothing is cached.
    pub fn end_session(&self, subject: &Subject) {
        let Some(sessions) = &self.sessions else {
            return;
        };
        let whose = WebSession::of(subject);
        sessions.end(whose);
        let running = self.running.read();
        for at in running
            .instances
            .iter()
            .filter_map(|it| it.sessions.as_ref())
        {
            at.end(whose);
        }
    }

    /// Where the instance that serves `subject`, and L2, stand now.
    pub fn standing(&self, subject: &Subject) -> Standing {
        let running = self.running.read();
        let instance = self.place(subject, &running);
        let l2 = self.store.as_ref().map(|store| store.report());
        Standing {
            instance,
            generation: running.generations[instance],
            l1_evictions: running.instances[instance].let_go().size,
            has_l2: l2.is_some(),
            l2_evictions: l2.map_or(0, |l2| l2.evictions + l2.refused),
            l2_failures: l2.map_or(0, |l2| l2.errors),
            is_key_split: subject.key_value.is_some(),
        }
    }

    /// The most requests for one token that one instance had under way at a time.
    pub fn most_fetches_of_a_key(&self) -> u64 {
        self.overlap.most()
    }

    /// There are this many instances from now on, at least one. Work under way
    /// in one that goes is done to its end.
    pub fn scale(&self, to: usize) {
        let mut running = self.running.write();
        while running.instances.len() > to.max(1) {
            let gone = running.instances.pop();
            self.lose_sessions(running.instances.len(), &running);
            running
                .let_go_by_gone
                .add(gone.map(|gone| gone.let_go()).unwrap_or_default());
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
            self.lose_sessions(number, &running);
            let instance = self.instance(number, &mut running);
            let gone = std::mem::replace(&mut running.instances[number], instance);
            running.let_go_by_gone.add(gone.let_go());
        }
    }

    /// From now on these steps are in force and no others.
    pub fn step_clocks(&self, steps: Vec<ClockFault>) {
        let mut running = self.running.write();
        running.clock_steps = steps;
        for (number, instance) in running.instances.iter().enumerate() {
            instance.step_clock(running.step_of(number));
        }
    }

    /// This part of the instances, the first ones, encrypts with a new key ring.
    pub fn swap_key_ring(&self, share: Share) {
        let running = self.running.read().instances.len();
        if let Some(rings) = &self.key_rings
            && let Err(failure) = rings.swap(share, running)
        {
            tracing::error!(%failure, "the key ring was not swapped");
        }
    }

    /// What each instance holds in memory, and what they share.
    pub fn contents(&self) -> (Vec<Vec<L1Entry>>, Vec<MemoryStoreEntry>) {
        let running = self.running.read();
        let instances = running.instances.iter();
        let store = self.store.as_ref();
        (
            instances
                .map(|instance| instance.cache.l1_contents())
                .collect(),
            store.map(|store| store.contents()).unwrap_or_default(),
        )
    }

    /// Fills the caches with what those of another fleet held. Instances beyond
    /// that fleet's stay empty.
    pub fn fill(&self, instances: &[Vec<L1Entry>], l2: &[MemoryStoreEntry]) {
        let running = self.running.read();
        for (instance, entries) in running.instances.iter().zip(instances) {
            instance.cache.fill_l1(entries.iter().cloned());
        }
        if let Some(store) = &self.store {
            store.fill(l2);
        }
    }

    /// Changes that L2 does not have yet, of all instances.
    pub fn unsaved_changes(&self) -> usize {
        let running = self.running.read();
        let instances = running.instances.iter();
        instances
            .map(|instance| instance.cache.unsaved_changes())
            .sum()
    }

    /// Counts from zero from now on: what came before was preparation.
    pub fn begin(&self) {
        if let Some(store) = &self.store {
            store.begin();
        }
        if let Some(sessions) = &self.sessions {
            sessions.begin();
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
            evictions: running.let_go_by_gone.size,
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
            cookies: self
                .sessions
                .as_ref()
                .map(|sessions| sessions.report())
                .unwrap_or_default(),
        }
    }

    /// The same by kind and cause, all instances' L1 together and L2 where there
    /// is one. What a server holds and lets go only the server knows.
    pub fn levels(&self) -> Vec<Level> {
        let running = self.running.read();
        let mut l1 = Level {
            name: "l1",
            partitions: 0,
            bytes: 0,
            capacity_bytes: None,
            kinds: KindSizes::default()
                .by_name()
                .map(|(kind, _)| (kind, 0, 0))
                .to_vec(),
            let_go: running.let_go_by_gone,
        };
        for instance in &running.instances {
            let Some(stats) = instance.cache.l1_stats() else {
                continue;
            };
            l1.partitions += stats.entries;
            l1.bytes += stats.bytes;
            *l1.capacity_bytes.get_or_insert_default() += stats.capacity_bytes;
            l1.let_go.add(instance.let_go());
            let kinds = instance.cache.l1_kinds().by_name();
            for ((_, entries, bytes), (_, sizes)) in l1.kinds.iter_mut().zip(kinds) {
                *entries += sizes.entries;
                *bytes += sizes.bytes;
            }
        }
        let l2 = self.store.as_ref().map(|store| store.level());
        [Some(l1), l2].into_iter().flatten().collect()
    }

    /// [`Fleet::report`] at the end of a run, with a look into the shared
    /// store's entries. A server that does not answer leaves them unknown.
    pub async fn final_report(&self) -> model::Cache {
        let mut report = self.report();
        let Some(store) = &self.store else {
            return report;
        };
        let blobs = match tokio::time::timeout(LOOK_INTO_STORE, store.blobs()).await {
            Ok(Ok(blobs)) => blobs,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what the shared store holds could not be read");
                return report;
            }
            Err(_) => {
                tracing::warn!("what the shared store holds could not be read in time");
                return report;
            }
        };
        report.l2.entries = blobs.len() as u64;
        report.l2.bytes = blobs.iter().map(|(_, blob)| blob.len() as u64).sum();
        let now = self.blueprint.clock.now();
        // Sealed under the key that the cache asked for, wherever that lies.
        let blobs: Vec<_> = blobs
            .into_iter()
            .map(|(key, blob)| match SessionStore::cache_key(&key) {
                Some(key) => (key.to_owned(), blob),
                None => (key, blob),
            })
            .collect();
        report.l2.contents = contents(&blobs, self.key_rings.as_ref(), now);
        report
    }

    /// Removes what the run has left on a server.
    pub async fn clean_up(&self) {
        if let Some(store) = &self.store {
            // A server that hangs must not hold up the end.
            let _ = tokio::time::timeout(LOOK_INTO_STORE, store.clean_up()).await;
        }
    }

    fn instance(&self, number: usize, running: &mut Running) -> Instance {
        if running.generations.len() <= number {
            running.generations.resize(number + 1, 0);
        }
        let generation = running.generations[number];
        running.generations[number] += 1;
        let outside = Outside {
            store: self
                .store
                .as_ref()
                .and_then(|store| self.connect(store, (number, generation))),
            sealing: self.key_rings.as_ref().map(|rings| rings.of(number)),
            heard: Arc::clone(&self.heard),
            overlap: Arc::clone(&self.overlap),
        };
        let instance = self.blueprint.instance(number, generation, outside);
        instance.step_clock(running.step_of(number));
        instance
    }

    /// An instance that keeps its sessions itself is gone, and they with it.
    fn lose_sessions(&self, number: usize, running: &Running) {
        if let Some(store) = &self.store
            && is_of_instances(&self.blueprint.plan)
        {
            let generation = running.generations[number] - 1;
            store.lose_part(&part((number, generation)));
        }
    }

    fn connect(&self, store: &Arc<SharedStore>, instance: (usize, u64)) -> Option<Arc<dyn Store>> {
        let connection = if is_of_instances(&self.blueprint.plan) {
            store.connect_to_part(part(instance))
        } else {
            store.connect()
        };
        let connection = match connection {
            Ok(connection) => connection as Arc<dyn Store>,
            // The address was fine when the run began.
            Err(failure) => {
                tracing::error!(%failure, "an instance has no shared store");
                return None;
            }
        };
        if !self.blueprint.has_store_faults() {
            return Some(connection);
        }
        let faults = Arc::clone(&self.store_faults);
        Some(Arc::new(FaultyStore::new(connection, faults, instance.0)))
    }
}

/// What the keys of sessions begin with that an instance, by place and how often
/// that began, keeps itself.
fn part((number, generation): (usize, u64)) -> String {
    format!("{number}.{generation}:")
}

impl Running {
    /// Seconds that the clock of an instance is ahead.
    fn step_of(&self, number: usize) -> i64 {
        let concerns = |step: &&ClockFault| step.instances.is_none_or(|count| number < count);
        self.clock_steps
            .iter()
            .find(concerns)
            .map_or(0, |step| step.seconds)
    }
}
