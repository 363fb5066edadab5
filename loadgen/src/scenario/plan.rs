//! What will run: the validated form of a scenario file.
//!
//! Nothing here is optional unless absence means something, and nothing is a
//! bare number whose unit lives in someone's head.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::units::{Bytes, Rate};
use crate::gate::threshold::Threshold;

/// A scenario ready to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `name` of the scenario.
    pub name: String,
    /// The file it was read from, as given on the command line.
    pub file: PathBuf,
    /// SHA-256 of the file's bytes, lowercase hex.
    pub hash: String,
    /// Each `--set` laid over the file, as given.
    pub overrides: Vec<String>,
    /// Seed of every random stream of the run.
    pub seed: u64,
    /// How long arrivals are offered.
    pub duration: Duration,
    /// How long to wait, after the last arrival, for work in flight.
    pub graceful_stop: Duration,
    /// An acquisition that takes longer counts as `timeout`.
    pub acquire_timeout: Duration,
    /// Arrivals that find this much work in flight are dropped.
    pub max_in_flight: usize,
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
    /// What must hold for the run to pass, in file order.
    pub thresholds: Vec<Threshold>,
}

/// Where tokens come from when the cache has none.
#[derive(Debug, Clone, PartialEq)]
pub enum IdpPlan {
    /// Start a `mock-idp` in this process, over TLS on loopback.
    Embedded(EmbeddedIdpPlan),
    /// A `mock-idp` that runs elsewhere.
    External {
        /// `https://host:port`, without a trailing slash.
        url: String,
        /// PEM file with the CA that signed its certificate.
        ca: PathBuf,
    },
}

/// How the embedded provider behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedIdpPlan {
    /// Lifetime of access tokens.
    pub expires_in: Duration,
    /// When clients are advised to replace them; `None` gives no advice.
    pub refresh_in: Option<Duration>,
    /// Latency of the token endpoint.
    pub token_latency: LatencyPlan,
}

/// A distribution of waiting times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatencyPlan {
    /// No wait.
    None,
    /// Always the same wait.
    Fixed(Duration),
    /// Evenly spread between two bounds, `min <= max`.
    Uniform {
        /// Shortest wait.
        min: Duration,
        /// Longest wait.
        max: Duration,
    },
    /// Lognormal, by the two numbers people know; `0 < median <= p99`.
    LogNormal {
        /// Half of all waits are shorter.
        median: Duration,
        /// 99 of 100 waits are shorter.
        p99: Duration,
    },
}

/// The named sets of cache behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetPlan {
    /// Single flight, L2 touched only when its entries slide.
    Recommended,
    /// What MSAL.NET with Microsoft.Identity.Web does: no single flight, an L2
    /// refresh on every L1 hit.
    MsalNet,
}

/// How an instance caches.
#[derive(Debug, Clone, PartialEq)]
pub struct CachePlan {
    /// The behaviour to start from.
    pub preset: PresetPlan,
    /// L1, in each instance's memory; `None` when disabled.
    pub l1: Option<L1Plan>,
    /// L2, shared by the instances; `None` when there is none.
    pub l2: Option<L2Plan>,
}

/// The memory layer of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1Plan {
    /// Bytes an instance's L1 may hold, more than zero.
    pub size_limit: Bytes,
}

/// The layer that instances share.
#[derive(Debug, Clone, PartialEq)]
pub struct L2Plan {
    /// Which store.
    pub store: StorePlan,
    /// Entries not touched for this long go; `None` for no sliding expiration.
    pub sliding_expiration: Option<Duration>,
}

/// The L2 backends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StorePlan {
    /// Distributed memory: in this process, with a modelled round trip.
    Memory {
        /// Bytes it may hold, more than zero.
        size_limit: Bytes,
        /// Time each operation takes.
        latency: LatencyPlan,
    },
}

/// The service's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetPlan {
    /// How many, at least one; each has its own client and L1.
    pub instances: usize,
    /// Which instance an arrival goes to.
    pub affinity: Affinity,
}

/// Which instance serves an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Any instance, evenly at random.
    None,
    /// The same instance for all of a tenant.
    Tenant,
    /// The same instance for all of a user (or of a tenant, in app-only flows).
    User,
}

/// Who asks for tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct PopulationPlan {
    /// Tenants; at least one.
    pub tenants: Group,
    /// Applications (client ids) of the service; at least one.
    pub applications: Group,
    /// Users over all tenants; at least one.
    pub users: Group,
    /// Protected resources, each one scope; at least one.
    pub resources: Group,
}

/// A number of like members and how often each is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// How many, at least one.
    pub count: u64,
    /// How draws spread over them.
    pub popularity: Popularity,
}

/// How draws spread over the members of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Popularity {
    /// All alike.
    Uniform,
    /// Member `k` (from 1) is drawn in proportion to `1 / k^exponent`.
    Zipf {
        /// More than zero; 0.6 to 1.2 is usual.
        exponent: f64,
    },
}

/// One flow and how it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficPlan {
    /// Unique among the flows of a scenario; the flow's own name by default.
    pub name: Arc<str>,
    /// What each arrival does.
    pub flow: Flow,
    /// How arrivals are spaced.
    pub arrivals: Arrivals,
    /// Mean arrivals in a second, more than zero.
    pub rate: Rate,
}

/// How an arrival gets its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// App-only, by the application's own secret.
    ClientCredentials,
    /// A user signs in once, later calls are silent.
    AuthorizationCode,
    /// A web API trades the token it was called with.
    OnBehalfOf,
}

impl Flow {
    /// Every flow, in the order reports list them.
    pub const ALL: [Self; 3] = [
        Self::ClientCredentials,
        Self::AuthorizationCode,
        Self::OnBehalfOf,
    ];

    /// The word in scenario files, reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::OnBehalfOf => "on_behalf_of",
        }
    }
}

/// How arrivals are spaced in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// Independently of each other: exponential gaps.
    Poisson,
}

impl Arrivals {
    /// The word in scenario files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}
