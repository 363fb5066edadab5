//! Model: a discrete-event simulation of an ideal cache. It knows the plan and
//! nothing of the cache's code, and says what that code could do at best.
//!
//! Ideal means: one fetch for a token at a time in an instance, nothing evicted,
//! a shared store that answers at once and never fails, every answer a token.
//! Time moves by whole milliseconds, as in virtual runs, and the provider takes
//! the times that the mock would draw, so that a virtual run of a cache that is
//! ideal has the same counts to the last one.

mod beforehand;
mod cache;
mod callers;
mod fetch;
mod resumed;
mod users;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use mock_idp::{GrantType, TokenPace};
use token_cache::CacheLevel;
use token_client::result::TokenRequests;
use token_client::{CacheRefreshReason, ResultMetadata, TokenSource};

use self::cache::{Item, Layer, Millis, PartitionId};
use self::callers::{Brought, Callers};
use self::users::User;
use super::past::Past;
use super::subjects::Subjects;
use super::virtual_time::whole_milliseconds;
use crate::arrival::{Arrival, Schedule};
use crate::fault::rules::latency;
use crate::population::{Stream, Subject};
use crate::record::{Outcome, Recorder, Sample};
use crate::report::model::{Cache, L1, L2};
use crate::scenario::plan::{EmbeddedIdpPlan, Plan, Start};

/// What a model run found beside the samples it recorded.
#[derive(Debug, Clone, Default)]
pub struct Modelled {
    /// Token requests, by what they asked for.
    pub by_grant: BTreeMap<GrantType, u64>,
    /// Token requests of users' front ends.
    pub driver_requests: u64,
    /// Partitions in all L1 at the end.
    pub l1: L1,
    /// Blobs in L2 at the end.
    pub l2: L2,
    /// From the first arrival to the end of the last fetch.
    pub duration: Duration,
}

/// An operation of a caller: what gets a sample.
#[derive(Debug, Clone, Copy)]
struct Operation {
    arrival: Arrival,
    subject: Subject,
    started: Millis,
    /// Whether it is still to be found out if a token is left of a user who has
    /// signed out; the visit comes after that.
    looks_for_leftovers: bool,
    /// Which user of a closed loop waits for its end.
    user: Option<usize>,
}

impl Operation {
    fn of(arrival: Arrival, subject: Subject, started: Millis) -> Self {
        Self {
            arrival,
            subject,
            started,
            looks_for_leftovers: false,
            user: None,
        }
    }
}

/// A token wanted by an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Want {
    instance: usize,
    partition: PartitionId,
    item: Item,
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Acquire,
    Refresh,
}

/// A fetch that has begun.
#[derive(Debug)]
struct Flight {
    reason: CacheRefreshReason,
    /// The first began it; empty for a refresh.
    callers: Vec<Operation>,
    /// Which entry of `traffic` a refresh is for.
    mark: usize,
    /// When the provider was asked.
    asked: Millis,
}

/// What is to be done in this millisecond.
#[derive(Debug)]
enum Task {
    /// A fetch begins.
    Begin(Want),
    /// The provider has answered a fetch.
    Answered(Want),
    /// What a caller brings goes to the provider.
    Trade {
        operation: Operation,
        brought: Brought,
    },
    /// The provider has taken what a caller brought.
    Traded {
        operation: Operation,
        brought: Brought,
        asked: Millis,
    },
    /// A caller hears how a fetch ended that it waited for.
    Landed {
        operation: Operation,
        want: Want,
        metadata: ResultMetadata,
    },
    /// There is no refresh token either. Who began the fetch hears it, and who waited.
    Refused {
        operation: Operation,
        coalesced: bool,
    },
    /// A user of a closed loop has thought.
    Call(usize),
}

/// The simulation.
struct Simulation<'a> {
    plan: &'a Plan,
    idp: &'a EmbeddedIdpPlan,
    pace: TokenPace,
    jitter: Stream,
    /// Issued so far.
    tokens: u64,
    longer: Stream,
    longers: u64,
    l1: Option<Vec<Layer>>,
    l2: Option<Layer>,
    subjects: Subjects,
    callers: Callers,
    users: Vec<User>,
    /// Calls of users so far.
    called: u64,
    /// Whether the run is stopped, and users call no more.
    users_leave: bool,
    flights: HashMap<Want, Flight>,
    /// When fetches, trades and thinking end; the number keeps those of one
    /// millisecond in order.
    pending: BinaryHeap<Reverse<(Millis, u64)>>,
    waiting: HashMap<u64, Task>,
    begun: u64,
    queue: VecDeque<Task>,
    now: Millis,
    /// When the first arrival can fall due: what comes before is the past.
    begin: Millis,
    /// How long the recorder's intervals are, and how many have been noted.
    interval: Option<Millis>,
    noted: u64,
    recorder: &'a Recorder,
    found: Modelled,
}

/// Simulates `plan` with an ideal cache in front of the provider `idp`.
pub fn simulate(
    plan: &Plan,
    idp: &EmbeddedIdpPlan,
    recorder: &Recorder,
    mut stopped: impl FnMut() -> bool,
) -> Modelled {
    /// A stop is looked for each time so many arrivals have begun.
    const LOOK_UP: u64 = 65_536;
    /// And so often while users of closed loops call.
    const LOOKS: u64 = 1_000;
    let past = Past::of_plan(plan, idp);
    let mut simulation = Simulation::new(plan, idp, millis(past.length), recorder);
    simulation.live_through(&past);
    if let Start::Snapshot(snapshot) = &plan.start {
        simulation.go_on_from(snapshot);
    }
    simulation.sign_in_beforehand();
    let has_users = simulation.let_users_come();
    for (arrival, number) in Schedule::new(plan).zip(1_u64..) {
        if number.is_multiple_of(LOOK_UP) && stopped() {
            break;
        }
        let tick = simulation.begin + millis(whole_milliseconds(arrival.intended));
        simulation.run_until(tick);
        let subject = simulation.subjects.of(&arrival);
        simulation.come(Operation::of(arrival, subject, tick));
    }
    if has_users {
        let (now, end) = (simulation.now, simulation.end());
        for look in 1..=LOOKS {
            if stopped() {
                simulation.users_leave = true;
                break;
            }
            simulation.run_until(now + end.saturating_sub(now) * look / LOOKS);
        }
    }
    simulation.run_until(Millis::MAX);
    simulation.finish()
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

impl<'a> Simulation<'a> {
    fn new(
        plan: &'a Plan,
        idp: &'a EmbeddedIdpPlan,
        begin: Millis,
        recorder: &'a Recorder,
    ) -> Self {
        let layers = || {
            (0..plan.fleet.instances)
                .map(|_| Layer::default())
                .collect()
        };
        Self {
            plan,
            idp,
            pace: TokenPace::new(latency(&idp.latency.token), plan.seed),
            jitter: Stream::named(plan.seed, "model/jitter"),
            tokens: 0,
            longer: Stream::named(plan.seed, "model/longer"),
            longers: 0,
            l1: plan.cache.l1.map(|_| layers()),
            l2: plan.cache.l2.as_ref().map(|_| Layer::default()),
            subjects: Subjects::of_plan(plan),
            callers: Callers::default(),
            users: Vec::new(),
            called: 0,
            users_leave: false,
            flights: HashMap::new(),
            pending: BinaryHeap::new(),
            waiting: HashMap::new(),
            begun: 0,
            queue: VecDeque::new(),
            now: 0,
            begin,
            interval: recorder.interval().map(|length| millis(length).max(1)),
            noted: 0,
            recorder,
            found: Modelled::default(),
        }
    }

    /// Fetches what was fetched before the run. None of it is counted.
    fn live_through(&mut self, past: &Past) {
        for (fetch, number) in past.fetches.iter().zip(0..) {
            let started = self.begin - millis(fetch.age);
            self.run_until(started);
            let arrival = Arrival::numbered(fetch.flow_index, number, Duration::ZERO);
            self.arrive(Operation::of(arrival, fetch.subject, started));
        }
        self.run_until(self.begin);
        self.found = Modelled::default();
    }

    /// Lets everything happen that comes before `tick`, and what the arrivals
    /// so far have left to do.
    fn run_until(&mut self, tick: Millis) {
        if tick > self.now {
            self.work_off();
        }
        while let Some(&Reverse((at, _))) = self.pending.peek() {
            if at >= tick {
                break;
            }
            self.move_to(at);
            self.work_off();
        }
        if tick != Millis::MAX {
            self.move_to(tick);
        }
        // What ends in the millisecond of an arrival ends after it has looked.
    }

    /// It is `at` now; what was held at the end of each interval in between is
    /// noted.
    fn move_to(&mut self, at: Millis) {
        if let Some(length) = self.interval {
            while self.begin + (self.noted + 1) * length <= at {
                self.note();
            }
        }
        self.now = at;
    }

    fn note(&mut self) {
        let number = usize::try_from(self.noted).unwrap_or(usize::MAX);
        let (l1, l2) = self.held();
        let cache = Cache {
            l1,
            l2,
            ..Cache::default()
        };
        self.recorder.hold(number, cache);
        self.noted += 1;
    }

    /// What the layers hold: partitions alone, for nothing here has a size.
    fn held(&self) -> (L1, L2) {
        let in_memory = self.l1.iter().flatten().map(|layer| layer.len() as u64);
        let shared = self.l2.as_ref().map_or(0, |layer| layer.len() as u64);
        (
            L1 {
                entries: in_memory.sum(),
                ..L1::default()
            },
            L2 {
                entries: shared,
                ..L2::default()
            },
        )
    }

    fn work_off(&mut self) {
        // Fetches that end now come before those that arrivals of now began.
        let mut ended = VecDeque::new();
        while let Some(&Reverse((at, number))) = self.pending.peek()
            && at <= self.now
        {
            self.pending.pop();
            ended.extend(self.waiting.remove(&number));
        }
        ended.append(&mut self.queue);
        self.queue = ended;
        while let Some(task) = self.queue.pop_front() {
            match task {
                Task::Begin(want) => self.begin(want),
                Task::Answered(want) => self.answered(want),
                Task::Trade { operation, brought } => self.trade(operation, brought),
                Task::Traded {
                    operation,
                    brought,
                    asked,
                } => self.traded(operation, brought, asked),
                Task::Landed {
                    operation,
                    want,
                    metadata,
                } => self.landed(operation, want, metadata),
                Task::Refused {
                    operation,
                    coalesced,
                } => self.refused(operation, coalesced),
                Task::Call(user) => self.call(user),
            }
        }
    }

    /// Sends a token request; `task` is done when it is answered.
    fn ask(&mut self, grant: GrantType, task: Task) {
        *self.found.by_grant.entry(grant).or_default() += 1;
        let answered = self.now + millis(whole_milliseconds(self.pace.draw()));
        if answered == self.now
            && let Task::Traded {
                operation,
                brought,
                asked,
            } = task
        {
            // The caller itself waits for it, so that no later one comes first.
            return self.traded(operation, brought, asked);
        }
        self.at(answered, task);
    }

    /// `task` is done then, after what is to be done then already.
    fn at(&mut self, time: Millis, task: Task) {
        let number = self.begun;
        self.begun += 1;
        self.waiting.insert(number, task);
        self.pending.push(Reverse((time, number)));
    }

    /// Somebody comes who counts.
    fn come(&mut self, operation: Operation) {
        self.recorder.offer(&[operation.arrival]);
        self.recorder.start();
        self.recorder
            .fingerprint(&operation.arrival, &operation.subject);
        self.arrive(operation);
    }

    /// A hit.
    fn served(&mut self, operation: Operation, level: CacheLevel, reason: CacheRefreshReason) {
        let waited = self.now - operation.started;
        self.ended(
            operation,
            ResultMetadata {
                token_source: TokenSource::Cache,
                cache_level: level,
                cache_refresh_reason: reason,
                duration_total: Duration::from_millis(waited),
                duration_in_cache: Duration::ZERO,
                duration_in_http: None,
                coalesced: false,
                token_requests: TokenRequests::default(),
                ..ResultMetadata::NONE
            },
        );
    }

    fn sample(&self, operation: Operation, outcome: Outcome<'_>) {
        if operation.started < self.begin {
            return;
        }
        self.recorder.record(&Sample {
            arrival: Arrival {
                // Time moves by whole milliseconds here, and nobody was late.
                intended: Duration::from_millis(operation.started - self.begin),
                ..operation.arrival
            },
            outcome,
            lag: Duration::ZERO,
            queued: Duration::ZERO,
            service: Duration::from_millis(self.now - operation.started),
        });
    }

    fn finish(mut self) -> Modelled {
        (self.found.l1, self.found.l2) = self.held();
        if self.interval.is_some() {
            self.note();
        }
        self.found.duration = Duration::from_millis(self.now.saturating_sub(self.begin));
        self.found
    }
}
