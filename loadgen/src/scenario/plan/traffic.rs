//! The traffic of a plan.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::LatencyPlan;
use crate::scenario::units::{Rate, Share};

/// One flow and how it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficPlan {
    /// Unique among the flows of a scenario; the flow's own name by default.
    pub name: Arc<str>,
    /// What each arrival does.
    pub flow: Flow,
    /// How work comes.
    pub load: Load,
    /// Part of the calls that pass over cached access tokens.
    pub force_refresh: Share,
    /// Part of the calls that answer a claims challenge.
    pub claims: Share,
    /// Whether each call says what it wants in words of its own: scopes in
    /// another case or order, repeated, with OpenID Connect's added.
    pub rephrased: bool,
    /// How many values the application puts into the cache key beside what
    /// belongs there, drawn at each call; zero for none.
    pub key_values: u32,
    /// What the application keeps tokens by in a dictionary of its own, before
    /// it asks the client.
    pub application_cache: ApplicationCache,
    /// Whether the application redeems the code of a sign-in again after its
    /// web framework has.
    pub code_replayed: bool,
}

/// What an application keeps tokens by in a dictionary of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplicationCache {
    /// It has none.
    None,
    /// By resource alone: whoever comes second gets the token of who came first.
    ByResource,
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
    /// A web API goes on for a user who has left, under a session key.
    LongRunningObo,
    /// Silent calls for users who signed in before the run; one who would have
    /// to sign in again is an error.
    Silent,
    /// The caller brings a refresh token of its own.
    RefreshToken,
    /// An Azure resource asks the machine it runs on.
    ManagedIdentity,
}

impl Flow {
    /// Every flow, in the order reports list them.
    pub const ALL: [Self; 7] = [
        Self::ClientCredentials,
        Self::AuthorizationCode,
        Self::OnBehalfOf,
        Self::LongRunningObo,
        Self::Silent,
        Self::RefreshToken,
        Self::ManagedIdentity,
    ];

    /// The word in scenario files, reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::OnBehalfOf => "on_behalf_of",
            Self::LongRunningObo => "long_running_obo",
            Self::Silent => "silent",
            Self::RefreshToken => "refresh_token",
            Self::ManagedIdentity => "managed_identity",
        }
    }

    /// Whether its tokens are a user's.
    pub fn has_user(self) -> bool {
        !matches!(self, Self::ClientCredentials | Self::ManagedIdentity)
    }
}

/// How work comes.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Calls at a rate, whatever becomes of them.
    Rate(RatePlan),
    /// Users come at a rate, and each makes several calls.
    Visits(VisitsPlan),
    /// Calls that all fall due at the same instant.
    Bursts(Vec<BurstPlan>),
    /// Calls as a file has them.
    Trace(TracePlan),
    /// A closed loop: users who wait for each answer and then think.
    Users(UsersPlan),
}

impl Load {
    /// Calls on average over `duration`; `None` where that depends on how long
    /// answers take.
    pub fn expected_arrivals(&self, duration: Duration) -> Option<f64> {
        match self {
            Self::Rate(rate) => Some(rate.area(duration)),
            Self::Visits(visits) => Some(visits.starts.area(duration) * visits.calls_a_session()),
            Self::Bursts(bursts) => Some(
                bursts
                    .iter()
                    .map(|burst| burst.instants(duration) as f64 * burst.calls as f64)
                    .sum(),
            ),
            Self::Trace(trace) => Some(
                trace
                    .rows
                    .iter()
                    .filter(|row| row.offset < duration)
                    .count() as f64,
            ),
            Self::Users(_) => None,
        }
    }

    /// Whether the pace of calls depends on the answers.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Users(_))
    }
}

/// A rate over time: straight lines from stage to stage, then level.
#[derive(Debug, Clone, PartialEq)]
pub struct RatePlan {
    /// How arrivals are spaced.
    pub arrivals: Arrivals,
    /// The rate at the beginning.
    pub rate: Rate,
    /// Where it goes from there; after the last the rate stays.
    pub stages: Vec<Stage>,
}

/// A stretch of time over which a rate goes to another along a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// The rate at its end.
    pub to: Rate,
    /// How long it takes; zero for a jump.
    pub over: Duration,
}

impl RatePlan {
    /// A rate that stays.
    pub const fn steady(arrivals: Arrivals, rate: Rate) -> Self {
        Self {
            arrivals,
            rate,
            stages: Vec::new(),
        }
    }

    /// Arrivals on average from the beginning to `duration`: the area under the
    /// rate.
    pub fn area(&self, duration: Duration) -> f64 {
        crate::arrival::Curve::new(self).area(duration)
    }

    /// The highest rate.
    pub fn peak(&self) -> f64 {
        let stages = self.stages.iter().map(|stage| stage.to.per_second());
        stages.fold(self.rate.per_second(), f64::max)
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

/// Users who come, make some calls, perhaps come back after a while, and leave.
/// When they call does not depend on the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitsPlan {
    /// When sessions begin.
    pub starts: RatePlan,
    /// Calls in one visit on average, at least 1; geometrically distributed.
    pub calls: f64,
    /// Between the calls of a visit.
    pub think: LatencyPlan,
    /// Part of the visits that are followed by another of the same user, after
    /// `idle`; less than all.
    pub returns: Share,
    /// Between the visits of a session.
    pub idle: LatencyPlan,
    /// Part of the sessions that end with the user signing out.
    pub sign_out: Share,
}

impl VisitsPlan {
    /// Calls of a session on average.
    pub fn calls_a_session(&self) -> f64 {
        self.calls / (1.0 - self.returns.get())
    }
}

/// Calls that all fall due at the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstPlan {
    /// When, from the start of the run.
    pub at: Duration,
    /// How many, at least one.
    pub calls: u64,
    /// And again, this long after each; `None` for once.
    pub every: Option<Duration>,
}

impl BurstPlan {
    /// Instants before `duration` at which it bursts.
    pub fn instants(&self, duration: Duration) -> u64 {
        if self.at >= duration {
            return 0;
        }
        let Some(every) = self.every else { return 1 };
        let more = duration
            .saturating_sub(self.at)
            .as_nanos()
            .saturating_sub(1)
            / every.as_nanos().max(1);
        u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Users who wait for each answer and then think.
#[derive(Debug, Clone, PartialEq)]
pub struct UsersPlan {
    /// How many, at least one. Each is one subject for the whole run; which
    /// resource is drawn for each call.
    pub count: u64,
    /// Between an answer and the next call.
    pub think: LatencyPlan,
}

/// Calls as a file has them.
#[derive(Debug, Clone, PartialEq)]
pub struct TracePlan {
    /// The file, for reports.
    pub file: PathBuf,
    /// In the order of time; never empty. Times are those of the run, `speed`
    /// already applied.
    pub rows: Arc<[TraceRow]>,
}

/// A call of a trace. What the file leaves open is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRow {
    /// When, from the start of the run.
    pub offset: Duration,
    /// The tenant; a user's home is its own, whatever this says.
    pub tenant: Option<u32>,
    /// The client application.
    pub application: Option<u32>,
    /// The user.
    pub user: Option<u32>,
    /// The protected resource.
    pub resource: Option<u32>,
}

impl fmt::Display for Load {
    /// In a few words: `200/s, poisson`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Visits(visits) => write!(
                f,
                "sessions at {}, each of {:.1} calls on average",
                visits.starts,
                visits.calls_a_session()
            ),
            Self::Bursts(bursts) => {
                let calls: u64 = bursts.iter().map(|burst| burst.calls).max().unwrap_or(0);
                write!(f, "bursts of up to {calls} calls")
            }
            Self::Trace(trace) => {
                write!(f, "{} calls of {}", trace.rows.len(), trace.file.display())
            }
            Self::Users(users) => write!(f, "{} users in a closed loop", users.count),
        }
    }
}

impl fmt::Display for RatePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rate)?;
        if let Some(last) = self.stages.last() {
            let count = self.stages.len();
            let plural = if count == 1 { "" } else { "s" };
            write!(f, " to {} in {count} stage{plural}", last.to)?;
        }
        write!(f, ", {}", self.arrivals.as_str())
    }
}
