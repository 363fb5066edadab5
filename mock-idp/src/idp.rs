//! One identity provider: its keys, clock, directory and ledger. It has no sockets; a server or a
//! test brings requests to its router.

use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::behavior::latency::{LatencyError, Pace};
use crate::behavior::rule::{Rule, RuleError, RuleStatus, Rules};
use crate::behavior::throttle::{ThrottlePolicy, Throttles};
use crate::clock::Clock;
use crate::config::{AdminToken, Config, Limits};
use crate::consents::Consents;
use crate::device_codes::DeviceCodes;
use crate::endpoint::managed_identity::ArcKeys;
use crate::ledger::{Ledger, LedgerSnapshot};
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::random::Stream;
use crate::recent::{RecordedRequests, RequestFilter};
use crate::redeemed::RedeemedCodes;
use crate::refresh_families::RefreshFamilies;
use crate::revoked::RevokedSessions;
use crate::runs::{Runs, RunsError};
use crate::saved::Snapshots;
use crate::sealed::Sealer;
use crate::settings::Settings;
use crate::signing::{Rollover, ScheduleError, SigningError, SigningKeys};
use crate::token::presigned::PresignedTokens;

/// The state behind a [`router`](crate::router).
pub struct Idp {
    /// Where it is on the server, such as `/run/one`; empty at the root.
    pub(crate) path: String,
    /// What the server was configured with last.
    pub(crate) in_force: Mutex<Arc<Config>>,
    pub(crate) settings: RwLock<Arc<Settings>>,
    pub(crate) snapshots: Snapshots,
    pub(crate) runs: Runs,
    pub(crate) limits: Limits,
    pub(crate) admin_token: Option<AdminToken>,
    pub(crate) pace: Pace,
    pub(crate) rules: Rules,
    pub(crate) throttles: Throttles,
    pub(crate) clock: Clock,
    /// Ids in tokens and answers.
    pub(crate) ids: Stream,
    /// What lifetimes are longer by.
    pub(crate) jitter: Stream,
    pub(crate) keys: SigningKeys,
    pub(crate) sealer: Sealer,
    pub(crate) redeemed: RedeemedCodes,
    pub(crate) revoked: RevokedSessions,
    pub(crate) refresh_families: RefreshFamilies,
    /// Where the server itself is, for tokens asked for elsewhere: those of managed identities.
    pub(crate) own_origin: OnceLock<Origin>,
    pub(crate) arc_keys: ArcKeys,
    pub(crate) device_codes: DeviceCodes,
    pub(crate) consents: Consents,
    pub(crate) presigned: PresignedTokens,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
}

impl Idp {
    /// Makes a signing key. Blocks for the tenth of a second or more that one takes.
    ///
    /// # Errors
    ///
    /// A latency that makes no sense, or no key to be had.
    pub fn new(config: &Config) -> Result<Self, IdpError> {
        config.validate()?;
        let clock = config
            .starts_at
            .map_or_else(Clock::system, Clock::starting_at);
        let keys = SigningKeys::start(config.signing, config.keys, config.seed, clock.now())?;
        let ledger = Ledger::keeping(config.limits.recorded_requests);
        let metrics = Metrics::default();
        let idp = Self::with(String::new(), config, clock, keys, ledger, metrics)?;
        for name in &config.runs {
            idp.runs.begin(&idp, name).map_err(|error| match error {
                RunsError::Idp(error) => error,
                error => IdpError::Runs(error.to_string()),
            })?;
        }
        Ok(idp)
    }

    /// Another one as this one was configured, for a run apart from it. It shares the signing
    /// threads, and begins with the same keys and time.
    pub(crate) fn branch(&self, name: &str) -> Result<Self, IdpError> {
        let base = self.config();
        let stream = Stream::new(base.seed, &format!("run/{name}"));
        let config = Config {
            seed: u64::from_le_bytes(stream.bytes()),
            runs: Vec::new(),
            // Those are of the start: a file that is read again does not open a run's door.
            admin_token: self.admin_token.clone(),
            limits: self.limits,
            ..Config::clone(&base)
        };
        let clock = Clock::starting_at(self.clock.now().since_epoch());
        let ledger = Ledger::of_run(config.limits.recorded_requests);
        let keys = self.keys.branch(config.seed);
        let path = format!("/run/{name}");
        let idp = Self::with(path, &config, clock, keys, ledger, self.metrics.of_run())?;
        if let Some(origin) = self.own_origin.get() {
            idp.own_origin.get_or_init(|| origin.in_run(name));
        }
        Ok(idp)
    }

    fn with(
        path: String,
        config: &Config,
        clock: Clock,
        keys: SigningKeys,
        ledger: Ledger,
        metrics: Metrics,
    ) -> Result<Self, IdpError> {
        let sealer =
            Sealer::new(config.seed).ok_or_else(|| SigningError::Key("no cipher".to_owned()))?;
        Ok(Self {
            path,
            in_force: Mutex::new(Arc::new(config.clone())),
            settings: RwLock::new(Arc::new(Settings::of(config))),
            snapshots: Snapshots::default(),
            runs: Runs::default(),
            limits: config.limits,
            admin_token: config.admin_token.clone(),
            pace: Pace::new(config.latency.clone(), config.seed),
            rules: Rules::new(config.rules.clone(), config.seed)?,
            throttles: Throttles::new(config.throttles.clone())?,
            clock,
            ids: Stream::new(config.seed, "ids"),
            jitter: Stream::new(config.seed, "lifetime jitter"),
            keys,
            sealer,
            redeemed: RedeemedCodes::default(),
            revoked: RevokedSessions::default(),
            refresh_families: RefreshFamilies::default(),
            own_origin: OnceLock::new(),
            arc_keys: ArcKeys::new(config.arc_key_dir.as_deref()),
            device_codes: DeviceCodes::default(),
            consents: Consents::default(),
            presigned: PresignedTokens::default(),
            ledger,
            metrics,
        })
    }

    /// What requests are answered by at present.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// What was asked of the token endpoint so far, and what was issued.
    pub fn ledger(&self) -> LedgerSnapshot {
        self.ledger.snapshot()
    }

    /// The `alg` of the tokens to come.
    pub fn signing(&self) -> &'static str {
        self.keys.algorithm()
    }

    /// The fault rules in force, and how often each struck.
    pub fn rules(&self) -> Vec<RuleStatus> {
        self.rules.list()
    }

    /// Puts these fault rules in force and no others.
    ///
    /// # Errors
    ///
    /// One that makes no sense, or two of one name. Nothing changes then.
    pub fn set_rules(&self, rules: Vec<Rule>) -> Result<(), RuleError> {
        self.rules.replace_all(rules)
    }

    /// Puts these throttle policies in force and no others.
    ///
    /// # Errors
    ///
    /// One that makes no sense, or two of one name. Nothing changes then.
    pub fn set_throttles(&self, policies: Vec<ThrottlePolicy>) -> Result<(), RuleError> {
        self.throttles.replace_all(policies)
    }

    /// Has a new signing key follow at once. The old one stays published, unless it is an
    /// `emergency`: then it goes, and no token that it signed verifies any more.
    ///
    /// # Errors
    ///
    /// No key to be had.
    pub async fn roll_keys(&self, emergency: bool) -> Result<(), IdpError> {
        let rollover = Rollover {
            emergency,
            ..Rollover::default()
        };
        Ok(self.keys.roll(rollover, self.clock.now()).await?)
    }

    /// The latest token requests that fit, oldest first.
    pub fn requests(&self, filter: &RequestFilter) -> RecordedRequests {
        self.ledger.requests(filter, &self.settings().directory)
    }
}

impl std::fmt::Debug for Idp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idp")
            .field("settings", &self.settings())
            .finish_non_exhaustive()
    }
}

/// Why there is no identity provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdpError {
    /// A latency makes no sense.
    #[error("the latency of `{name}` makes no sense: {source}")]
    Latency {
        /// The endpoint.
        name: &'static str,
        /// What is wrong.
        source: LatencyError,
    },
    /// A fault rule or a throttle policy makes no sense.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A key schedule makes no sense.
    #[error("the key schedule makes no sense: {0}")]
    Keys(#[from] ScheduleError),
    /// A token policy makes no sense.
    #[error("token policy {place} makes no sense: {what}")]
    Tokens {
        /// Which, from 1.
        place: usize,
        /// What is wrong.
        what: String,
    },
    /// A run cannot be begun.
    #[error("{0}")]
    Runs(String),
    /// No signing key or thread.
    #[error("{0}")]
    Signing(String),
}

impl From<SigningError> for IdpError {
    fn from(error: SigningError) -> Self {
        Self::Signing(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdminToken;

    #[test]
    fn a_run_that_begins_after_a_reload_has_the_door_and_the_limits_of_the_start() {
        let limits = Limits {
            recorded_requests: 7,
            ..Limits::default()
        };
        let config = Config {
            admin_token: AdminToken::new("secret"),
            limits,
            ..Config::default()
        };
        let idp = Idp::new(&config).unwrap();
        *idp.in_force.lock() = Arc::new(Config {
            admin_token: None,
            limits: Limits::default(),
            ..config
        });
        let run = idp.branch("one").unwrap();
        assert_eq!(run.limits.recorded_requests, limits.recorded_requests);
        assert!(run.admin_token.is_some_and(|token| token.is("secret")));
    }
}
