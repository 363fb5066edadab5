//! `report.json`, as types. Its names are a contract with outside readers;
//! `schema_version` rises when one of them changes meaning.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::checked::{Oracle, Sessions, Violation};
pub use super::levels::{Cache, Cookies, L1, L2, L2Contents, L2Operations};
pub use super::predicted::{ClosedForm, Theory};
pub use super::series::{Interval, Mark, MarkKind, Outcomes, Series};
pub use super::ways::Way;
use crate::gate::metric::Unit;
use crate::scenario::plan;

/// Version of the layout below.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a run has to say: enough to render, compare, merge and judge it
/// again without running it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The scenario that ran.
    pub scenario: ScenarioId,
    /// The clock it ran on.
    pub mode: Mode,
    /// Seed of every random stream.
    pub seed: u64,
    /// What the gate said.
    pub verdict: Verdict,
    /// The process's exit code for that verdict.
    pub exit_code: u8,
    /// Why the run was judged so, a sentence each; empty for a clean pass.
    pub reasons: Vec<String>,
    /// RFC 3339, UTC, by the wall clock whatever the mode.
    pub started_at: String,
    /// Seconds the run took by the wall clock. This and `started_at` are all
    /// that differs between two simulated runs of one seed.
    #[serde(default)]
    pub wall_s: f64,
    /// Seconds from the first intended arrival to the end of the drain.
    #[serde(rename = "duration")]
    pub duration_s: f64,
    /// What the numbers depend on: signing algorithm, instances, machine.
    pub environment: BTreeMap<String, String>,
    /// All flows together.
    pub totals: Acquisitions,
    /// Each flow, in scenario order.
    pub flows: Vec<FlowReport>,
    /// How the load was offered and what it met.
    pub load: Load,
    /// What the identity provider counted.
    pub idp: Idp,
    /// The two ledgers.
    pub ledger: Ledger,
    /// Whether the tokens were the right ones.
    pub oracle: Oracle,
    /// The first few tokens that were not, explained.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// What the caches hold at the end, and what they did.
    pub cache: Cache,
    /// What became of users' sessions.
    #[serde(default)]
    pub sessions: Sessions,
    /// Measured beside predicted hit ratios.
    pub theory: Vec<Theory>,
    /// Each threshold with what was measured.
    pub thresholds: Vec<ThresholdResult>,
    /// How the run went over time; without intervals when nothing was recorded.
    #[serde(default)]
    pub series: Series,
    /// How each arrival ended; absent where arrivals are not the same run to
    /// run, or are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,
}

/// Which scenario a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioId {
    /// Its `name`.
    pub name: String,
    /// The file as given on the command line.
    pub file: String,
    /// SHA-256 of the file, lowercase hex.
    pub hash: String,
    /// Each `--set`, as given: what ran is the file with these laid over it.
    pub overrides: Vec<String>,
}

/// Which clock a run was on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Sockets, TLS and the wall clock.
    #[default]
    Real,
    /// The real cache and client on a paused clock, the provider without
    /// sockets: the same for the same seed.
    Virtual,
    /// A simulation of an ideal cache.
    Model,
}

impl Mode {
    /// The word on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
            Self::Model => "model",
        }
    }
}

impl From<plan::Mode> for Mode {
    fn from(mode: plan::Mode) -> Self {
        match mode {
            plan::Mode::Real => Self::Real,
            plan::Mode::Virtual => Self::Virtual,
            plan::Mode::Model => Self::Model,
        }
    }
}

/// The judgement of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every threshold held, the oracle found nothing, the ledgers agree.
    Pass,
    /// A threshold, the oracle or the ledgers say no.
    Fail,
    /// The numbers cannot be trusted: lag, drops, too few samples.
    Invalid,
    /// Stopped before its time; the numbers cover what ran.
    Interrupted,
}

impl Verdict {
    /// The word that a report for people begins with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

/// Acquisitions of a flow, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acquisitions {
    /// Finished acquisitions, errors included; each arrival that started and
    /// ended counts once.
    pub acquisitions: u64,
    /// Those without a token.
    pub errors: u64,
    /// `token_source.cache / (token_source.cache + token_source.identity_provider)`;
    /// `null` when nothing succeeded.
    pub hit_ratio: Option<f64>,
    /// Where tokens came from.
    pub token_source: TokenSourceCounts,
    /// Which cache level served.
    pub cache_level: CacheLevelCounts,
    /// Why the identity provider was asked.
    pub cache_refresh_reason: CacheRefreshReasonCounts,
    /// Refreshes behind served tokens, well or badly ended: nobody waited for
    /// them, and they are no acquisitions.
    pub background_refreshes: u64,
    /// Acquisitions that waited for another caller's fetch.
    pub coalesced: u64,
    /// How long acquisitions took.
    pub durations: Durations,
    /// Errors by OAuth error code or failure class.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// All of this at once: how many acquisitions had which outcome, source, level
    /// and reason. They add up to `acquisitions`.
    #[serde(default)]
    pub ways: Vec<Way>,
}

impl Acquisitions {
    /// Those that ended with a token.
    pub fn tokens(&self) -> u64 {
        let source = self.token_source;
        source.cache.saturating_add(source.identity_provider)
    }
}

/// A flow's share of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowReport {
    /// Its name in the scenario.
    pub name: String,
    /// Which flow it is.
    pub flow: String,
    /// Its numbers.
    #[serde(flatten)]
    pub acquisitions: Acquisitions,
}

/// Successful acquisitions by MSAL's `TokenSource`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenSourceCounts {
    /// From L1 or L2.
    pub cache: u64,
    /// From the token endpoint.
    pub identity_provider: u64,
}

impl std::ops::AddAssign for TokenSourceCounts {
    fn add_assign(&mut self, other: Self) {
        self.cache += other.cache;
        self.identity_provider += other.identity_provider;
    }
}

/// Successful acquisitions by MSAL's `CacheLevel`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheLevelCounts {
    /// Not from a cache.
    pub none: u64,
    /// From the instance's memory.
    pub l1: u64,
    /// From the shared store.
    pub l2: u64,
    /// From the cache of one session, which MSAL gives no level.
    #[serde(default)]
    pub unknown: u64,
}

impl std::ops::AddAssign for CacheLevelCounts {
    fn add_assign(&mut self, other: Self) {
        self.none += other.none;
        self.l1 += other.l1;
        self.l2 += other.l2;
        self.unknown += other.unknown;
    }
}

/// Successful acquisitions by MSAL's `CacheRefreshReason`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheRefreshReasonCounts {
    /// Served from the cache, or the flow never consults it.
    pub not_applicable: u64,
    /// The cache had nothing that fits.
    pub no_cached_access_token: u64,
    /// It had, but too old.
    pub expired: u64,
    /// The caller asked for a new one.
    pub force_refresh_or_claims: u64,
    /// Served from the cache while a refresh began.
    pub proactively_refreshed: u64,
    /// The cache is off.
    pub cache_disabled: u64,
}

impl std::ops::AddAssign for CacheRefreshReasonCounts {
    fn add_assign(&mut self, other: Self) {
        self.not_applicable += other.not_applicable;
        self.no_cached_access_token += other.no_cached_access_token;
        self.expired += other.expired;
        self.force_refresh_or_claims += other.force_refresh_or_claims;
        self.proactively_refreshed += other.proactively_refreshed;
        self.cache_disabled += other.cache_disabled;
    }
}

/// The three durations of MSAL's result metadata. Each is one distribution;
/// `cache` counts every acquisition, `http` only those that used HTTP.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Durations {
    /// The whole acquisition, inside the client.
    pub total: Distribution,
    /// Reading and writing the cache.
    pub cache: Distribution,
    /// Waiting for the token endpoint.
    pub http: Distribution,
    /// `total` of acquisitions with a token, by where it came from.
    #[serde(default)]
    pub by_source: BySource,
}

/// Whole acquisitions with a token, by `TokenSource`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BySource {
    /// Served from L1 or L2.
    pub cache: Distribution,
    /// Served by the token endpoint.
    pub identity_provider: Distribution,
}

/// A distribution of times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Samples.
    pub count: u64,
    /// Mean, microseconds; zero without samples, as are the rest.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Longest.
    pub max_us: f64,
    /// The histogram in nanoseconds: base64 of `HdrHistogram` V2.
    pub hdr: String,
}

impl Distribution {
    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// How the load was offered. `offered = started + dropped` and
/// `started = ok + error + timeout + censored`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Arrivals that fell due.
    pub offered: u64,
    /// Those that began.
    pub started: u64,
    /// Those that found `max_in_flight` reached.
    pub dropped: u64,
    /// What tells the arrivals that began, and whom they were about, from
    /// others: the same seed has the same in every mode. Hex.
    #[serde(default)]
    pub fingerprint: String,
    /// Those that ended with a token.
    pub ok: u64,
    /// Those that ended with an error.
    pub error: u64,
    /// Those that took longer than `acquire_timeout`.
    pub timeout: u64,
    /// Those still running when the drain ended.
    pub censored: u64,
    /// Intended start to when it could begin: the generator's own delay.
    pub lag: Distribution,
    /// From there to its turn, of those that had to wait for room (`when_full:
    /// queue`).
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub queued: Distribution,
    /// Intended start to end: what a caller would have seen.
    pub response: Distribution,
    /// Actual start to end.
    pub service: Distribution,
    /// What the machine let the generator have.
    #[serde(default)]
    pub generator: Generator,
    /// Flows that came in a closed loop: users who wait for each answer call less
    /// when answers are slow, so their response times are not those of an open
    /// load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_loops: Vec<String>,
    /// Whom the arrivals were about: the groups of the population that any of
    /// them drew from.
    #[serde(default)]
    pub popularity: Vec<Popularity>,
}

/// What the machine let the generator have; all nothing in simulated time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Part of all processors' time that this process used, an embedded provider
    /// included, from 0 to 1; `null` where the system does not say.
    pub cpu_share: Option<f64>,
    /// Part of it that the host took away, from 0 to 1.
    pub steal_share: Option<f64>,
    /// The longest time the pacer could not run although it wanted to.
    pub longest_pause_us: f64,
    /// How far the wall clock moved from the monotonic one, in seconds: a
    /// suspended machine, or a clock that was set.
    pub clock_jump_s: f64,
}

/// How arrivals spread over one group of the population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Popularity {
    /// `tenants`, `applications`, `users` or `resources`.
    pub group: String,
    /// Members there were at some time of the run.
    pub members: u64,
    /// Members that somebody drew.
    pub drawn: u64,
    /// Arrivals that drew one of them.
    pub draws: u64,
    /// Part of the draws that the ten most drawn members got, from 0 to 1.
    pub top_10_share: f64,
    /// What the ten that the scenario makes most popular are to get; `null` for
    /// a group that changes as the run goes on.
    pub planned_top_10_share: Option<f64>,
}

/// What the identity provider counted between the first arrival and the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Idp {
    /// Requests to the token endpoint.
    pub token_requests: u64,
    /// Those for which a token with time left had already been issued.
    pub redundant_token_requests: u64,
    /// By grant type.
    pub by_grant: BTreeMap<String, u64>,
    /// By HTTP status.
    pub by_status: BTreeMap<String, u64>,
    /// Faults injected on purpose.
    pub faults_injected: u64,
    /// The most requests for one token that one instance had under way at a time,
    /// by the clients' own account; `null` where nobody watched.
    #[serde(default)]
    pub max_concurrent_fetches_per_key: Option<u64>,
}

/// Token requests as each side counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Requests the acquisitions' results account for.
    pub client_side: u64,
    /// Requests the provider counted, `driver_requests` taken off; `null` when
    /// its ledger could not be read, and then all of `idp` is zero as well.
    pub server_side: Option<u64>,
    /// Requests the driver itself sent while the run went on, as users' front
    /// ends: no acquisition's, and in `idp.token_requests`.
    pub driver_requests: u64,
    /// Requests that may or may not have reached the provider: no answer, or
    /// their acquisition, or the driver, was still waiting at the end.
    pub unsettled: u64,
    /// Whether the two sides agree, `unsettled` allowed for.
    pub balanced: bool,
}

/// One threshold with what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    /// As written in the scenario.
    pub expression: String,
    /// The measured value in the metric's unit; `null` when there was none.
    pub measured: Option<f64>,
    /// The limit in the same unit; `null` when theory, which it refers to, says
    /// nothing.
    pub limit: Option<f64>,
    /// How far from the limit it may be, for `within`; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// That unit.
    pub unit: Unit,
    /// `pass`, `fail`, or `no_data` (which is never a pass).
    pub verdict: ThresholdVerdict,
    /// When it ended the run (`abort_on_fail`), in seconds after the first arrival;
    /// absent when it did not. What was measured then is what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted_at_s: Option<f64>,
    /// The scenario file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

/// The judgement of one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdVerdict {
    /// It held.
    Pass,
    /// It did not.
    Fail,
    /// Nothing, or too little, to judge by.
    NoData,
}
