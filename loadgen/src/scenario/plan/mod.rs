//! What will run: the validated form of a scenario file.
//!
//! Nothing here is optional unless absence means something, and nothing is a
//! bare number whose unit lives in someone's head.

mod cache;
mod fault;
mod fleet;
mod idp;
mod latency;
mod population;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::gate::threshold::Threshold;
use crate::population::stream::mix;
use crate::snapshot::Snapshot;

pub use cache::{
    CachePlan, L1Plan, L2Plan, PresetPlan, ProviderPlan, RemoteStore, SessionPlan, StorePlan,
};
pub use fault::{
    ClockFault, Fault, FaultPlan, IdpFault, IdpTrouble, InstanceFault, KeyFault, L2Fault,
    L2Trouble, NetworkFault,
};
pub use fleet::{Affinity, FleetPlan};
pub use idp::{
    ApplicationLifetime, EmbeddedIdpPlan, EndpointPlan, IdpLatencies, IdpPlan, SigningPlan,
    ThrottleLimitPlan, ThrottlePer, ThrottlePlan, UserTokens,
};
pub use latency::LatencyPlan;
pub use population::{Group, Popularity, PopulationPlan, SessionsPlan, Shift};
pub use traffic::{
    ApplicationCache, Arrivals, BurstPlan, Flow, Load, RatePlan, Stage, TracePlan, TraceRow,
    TrafficPlan, UsersPlan, VisitsPlan,
};

/// A scenario ready to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `name` of the scenario.
    pub name: String,
    /// The file it was read from, as given on the command line.
    pub file: PathBuf,
    /// SHA-256 of the file's bytes, and of those it extends, lowercase hex.
    pub hash: String,
    /// Each `--set` laid over the file, as given.
    pub overrides: Vec<String>,
    /// Which clock drives it.
    pub mode: Mode,
    /// What the caches hold before the first arrival.
    pub start: Start,
    /// Seed of every random stream of the run.
    pub seed: u64,
    /// How long arrivals are offered.
    pub duration: Duration,
    /// The first part of the run, if thresholds are to leave one out.
    pub warmup: Option<Duration>,
    /// How long to wait, after the last arrival, for work in flight.
    pub graceful_stop: Duration,
    /// An acquisition that takes longer counts as `timeout`.
    pub acquire_timeout: Duration,
    /// Arrivals that find this much work in flight are handled as `when_full` says.
    pub max_in_flight: usize,
    /// What becomes of an arrival that finds `max_in_flight` under way.
    pub when_full: WhenFull,
    /// The identity provider to ask.
    pub idp: IdpPlan,
    /// How every instance caches.
    pub cache: CachePlan,
    /// The service's instances.
    pub fleet: FleetPlan,
    /// Who asks for tokens, and how often.
    pub population: PopulationPlan,
    /// The flows offered, in file order; never empty.
    pub traffic: Vec<TrafficPlan>,
    /// What goes wrong and when, restarts and scaling of the fleet included, by
    /// the time it begins; what begins at the same instant, in file order.
    pub faults: Vec<FaultPlan>,
    /// What must hold for the run to pass, in file order.
    pub thresholds: Vec<Threshold>,
    /// The known-bad form of the scenario, if it has one.
    pub twin: Option<TwinPlan>,
    /// Whether this plan is the twin.
    pub is_twin: bool,
}

/// What drives a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A discrete-event simulation of an ideal cache.
    Model,
    /// The real cache and client on a paused clock, the provider in-process.
    Virtual,
    /// Sockets, TLS and the wall clock.
    Real,
}

impl Mode {
    /// The word in scenario files, on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Virtual => "virtual",
            Self::Real => "real",
        }
    }
}

/// What the caches hold before the first arrival.
#[derive(Debug, Clone)]
pub enum Start {
    /// Nothing.
    Cold,
    /// What they would hold after running for ever.
    Stationary,
    /// What they held at the end of another run.
    Snapshot(Arc<Snapshot>),
}

/// What becomes of an arrival that finds `max_in_flight` under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is dropped, and counted.
    Drop,
    /// It waits, with its intended start kept.
    Queue,
    /// The run ends there.
    Abort,
}

/// The known-bad form of a scenario: an overlay under which it must fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinPlan {
    /// What is bad about it, in a line.
    pub why: String,
    /// Thresholds it must break, as written in `thresholds`; never empty.
    pub breaks: Vec<String>,
}

impl Plan {
    /// Most instances at any time of the run.
    pub fn most_instances(&self) -> usize {
        let scaled = self.faults.iter().filter_map(|fault| match fault.what {
            Fault::Instances(InstanceFault::Scale { to }) => Some(to),
            _ => None,
        });
        scaled.chain([self.fleet.instances]).max().unwrap_or(1)
    }

    /// The seed of whom arrivals are about and when they come. A run from a
    /// snapshot draws on where the runs before it ended: with their numbers it
    /// would ask for the very tokens that they left.
    pub fn draw_seed(&self) -> u64 {
        match &self.start {
            Start::Cold | Start::Stationary => self.seed,
            Start::Snapshot(snapshot) => mix(self.seed ^ mix(snapshot.runs)),
        }
    }

    /// Arrivals that all flows offer on average; `None` when one of them comes
    /// in a closed loop, whose pace depends on the answers.
    pub fn expected_arrivals(&self) -> Option<f64> {
        let expected = |flow: &TrafficPlan| flow.load.expected_arrivals(self.duration);
        self.traffic.iter().map(expected).sum()
    }
}
