//! What a server is started with.

mod file;
mod yaml;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use self::file::{ConfigError, Problem};
use crate::behavior::latency::Latencies;
use crate::behavior::rule::Rule;
use crate::behavior::throttle::ThrottlePolicy;
use crate::directory::Directory;
use crate::error::ErrorStyle;
use crate::idp::IdpError;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;
use crate::signing::{KeySchedule, Signing};
use crate::token::policy::TokenPolicy;

/// Everything about a server that can be chosen.
///
/// ```
/// use mock_idp::Config;
///
/// let config = Config {
///     https: Some(([127, 0, 0, 1], 0).into()),
///     seed: 42,
///     ..Config::default()
/// };
/// # let _ = config;
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to serve HTTPS; port 0 takes a free one.
    pub https: Option<SocketAddr>,
    /// Where to serve plain HTTP; port 0 takes a free one.
    pub http: Option<SocketAddr>,
    /// Where to serve managed identities, over plain HTTP; port 0 takes a free one.
    pub imds: Option<SocketAddr>,
    /// Where to serve a CONNECT proxy that leads to Entra's hosts, which are this server, and
    /// nowhere else; port 0 takes a free one.
    pub proxy: Option<SocketAddr>,
    /// Whether addresses that other machines reach may be bound. Whoever reaches them gets tokens
    /// for anyone.
    pub expose: bool,
    /// Where Azure Arc's key files go; `None` for the directory of Arc's own agent, the only one
    /// that clients accept.
    pub arc_key_dir: Option<PathBuf>,
    /// Where the certificate authority is kept; `None` for the user's data directory.
    pub data_dir: Option<PathBuf>,
    /// How long what the server issues is valid.
    pub lifetimes: Lifetimes,
    /// Who exists.
    pub directory: Directory,
    /// Whose name tokens are issued in.
    pub issuer: IssuerMode,
    /// How often a refresh token may be used.
    pub refresh_tokens: RefreshTokens,
    /// Who signs users in.
    pub sign_in: SignInBy,
    /// Who approves the sign-ins of devices.
    pub device_approval: DeviceApproval,
    /// How long endpoints take to answer.
    pub latency: Latencies,
    /// What goes wrong, and when.
    pub rules: Vec<Rule>,
    /// How much clients may ask for.
    pub throttles: Vec<ThrottlePolicy>,
    /// What the tokens of some applications or scopes are like: the first that fits decides.
    pub tokens: Vec<TokenPolicy>,
    /// How many different access tokens an application gets for the same scopes before they are
    /// repeated; never repeated when left out. It makes the server faster than it can sign: a
    /// repeated token is as valid as any, only its `uti` and other random members are not new, and
    /// it has lost up to a hundredth of its life, a minute at most, as its answer says. Tokens for
    /// users and managed identities are never repeated.
    pub token_pool: Option<NonZeroUsize>,
    /// How error descriptions are written.
    pub error_style: ErrorStyle,
    /// Test runs that are apart from each other, each at `/run/NAME`.
    pub runs: Vec<String>,
    /// What tokens are signed with, and how keys follow each other.
    pub keys: KeySchedule,
    /// Where tokens are signed.
    pub signing: Signing,
    /// What a client may take of the server.
    pub limits: Limits,
    /// Decides ids in tokens and latencies; random by default.
    pub seed: u64,
    /// What time it is at the start, since the Unix epoch; the system's time when left out. For
    /// runs that must be the same whenever they happen.
    pub starts_at: Option<Duration>,
    /// What the admin API wants as bearer token; without one it serves this machine alone.
    pub admin_token: Option<AdminToken>,
}

/// The secret that admin requests carry. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token of these characters. `None` when there are none, or some that no header can carry.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then_some(Self(text))
    }

    /// Whether this is what a request brought; takes as long for any token of the same length.
    pub(crate) fn is(&self, given: &str) -> bool {
        let (ours, given) = (self.0.as_bytes(), given.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(ours, given).is_ok()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            https: None,
            http: None,
            imds: None,
            proxy: None,
            expose: false,
            arc_key_dir: None,
            data_dir: None,
            lifetimes: Lifetimes::default(),
            directory: Directory::default(),
            issuer: IssuerMode::default(),
            refresh_tokens: RefreshTokens::default(),
            sign_in: SignInBy::default(),
            device_approval: DeviceApproval::default(),
            latency: Latencies::default(),
            rules: Vec::new(),
            throttles: Vec::new(),
            tokens: Vec::new(),
            token_pool: None,
            error_style: ErrorStyle::default(),
            runs: Vec::new(),
            keys: KeySchedule::default(),
            signing: Signing::default(),
            limits: Limits::default(),
            seed: rand::random(),
            starts_at: None,
            admin_token: None,
        }
    }
}

impl Config {
    /// Says what is wrong with it, if anything is; rules and throttles are judged where they are
    /// put in force.
    pub(crate) fn validate(&self) -> Result<(), IdpError> {
        for (name, latency) in self.latency.named() {
            latency
                .validate()
                .map_err(|source| IdpError::Latency { name, source })?;
        }
        for (index, policy) in self.tokens.iter().enumerate() {
            let place = index + 1;
            policy
                .validate()
                .map_err(|what| IdpError::Tokens { place, what })?;
        }
        Ok(self.keys.validate()?)
    }
}

/// Who signs a user in when an application sends a browser here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInBy {
    /// The server, at once: whoever `login_hint` names, or the tenant's default user.
    #[default]
    Auto,
    /// Somebody in front of the browser, who also consents to what the application asks for.
    Page,
}

impl Config {
    /// Whether it differs in what only a start can change.
    pub(crate) fn needs_restart(&self, other: &Self) -> bool {
        let fixed = |config: &Self| {
            (
                [config.https, config.http, config.imds, config.proxy],
                (config.data_dir.clone(), config.arc_key_dir.clone()),
                (config.seed, config.limits, config.signing, config.expose),
                (config.admin_token.clone(), config.starts_at),
            )
        };
        fixed(self) != fixed(other)
    }

    /// Everything that is wrong with it at once.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.into_iter();
        let problems = problems.map(|(path, what)| Problem::at(None, &path, what));
        Err(ConfigError::Invalid {
            problems: problems.collect(),
        })
    }

    /// Everything that is wrong with it, each with the path it has in a file.
    fn problems(&self) -> Vec<file::Found> {
        let mut problems = Vec::new();
        let mut found = |path: String, what: String| problems.push((path, what));
        let rules = self.rules.iter().map(|rule| (&rule.name, rule.validate()));
        let throttles = self.throttles.iter();
        let throttles = throttles.map(|policy| (&policy.name, policy.validate()));
        for (section, named) in [
            ("rules", rules.collect::<Vec<_>>()),
            ("throttles", throttles.collect()),
        ] {
            for (index, (name, validated)) in named.iter().enumerate() {
                let path = format!("{section}[{index}]");
                if let Err(error) = validated {
                    found(path, error.to_string());
                } else if named[..index].iter().any(|(other, _)| other == name) {
                    found(path, "there are two of this name".to_owned());
                }
            }
        }
        for (index, policy) in self.tokens.iter().enumerate() {
            if let Err(what) = policy.validate() {
                found(format!("tokens[{index}]"), what);
            }
        }
        for (name, latency) in self.latency.named() {
            if let Err(error) = latency.validate() {
                found(format!("latency.{name}"), error.to_string());
            }
        }
        if let Err(error) = self.keys.validate() {
            found("keys".to_owned(), error.to_string());
        }
        for (index, name) in self.runs.iter().enumerate() {
            if let Err(what) = crate::runs::check_name(name) {
                found(format!("runs[{index}]"), what);
            }
        }
        problems
    }
}

/// Who approves a sign-in by device code that nobody has decided on the page yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceApproval {
    /// The server, at the first poll, in the name of the tenant's default user.
    #[default]
    Automatic,
    /// Nobody: devices wait for someone to enter the user code on the page.
    OnPage,
}

/// How long what the server issues is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Access and ID tokens: `expires_in`, whole seconds. No MSAL ever takes a token of five
    /// minutes or less from its cache.
    pub expires_in: Duration,
    /// Up to so much longer, whole seconds, drawn for each token from the seed. Entra's tokens for
    /// users live 60 to 90 minutes: an hour and this at 30 minutes.
    pub jitter: Duration,
    /// `ext_expires_in`; as long as `expires_in` when left out.
    pub ext_expires_in: Option<Duration>,
    /// `refresh_in`; absent from answers when left out.
    pub refresh_in: Option<Duration>,
    /// Access tokens for clients that say they cope with claims challenges (`CP1`); as others when
    /// left out.
    pub cae: Option<Duration>,
    /// Up to so much longer, whole seconds.
    pub cae_jitter: Duration,
    /// Refresh tokens. Those of single-page applications end with the day of the sign-in.
    pub refresh_token: Duration,
    /// Authorization codes.
    pub code: Duration,
    /// Device codes.
    pub device_code: Duration,
    /// Access tokens of managed identities.
    pub managed_identity: Duration,
}

impl Default for Lifetimes {
    /// Entra's: an hour less a second, 20 to 28 hours where access is evaluated continuously, 90
    /// days, ten and fifteen minutes, a day less a second.
    fn default() -> Self {
        Self {
            expires_in: Duration::from_secs(3599),
            jitter: Duration::ZERO,
            ext_expires_in: None,
            refresh_in: None,
            cae: Some(Duration::from_hours(20)),
            cae_jitter: Duration::from_hours(8),
            refresh_token: Duration::from_hours(90 * 24),
            code: Duration::from_mins(10),
            device_code: Duration::from_mins(15),
            managed_identity: Duration::from_secs(86_399),
        }
    }
}

impl Lifetimes {
    /// The same for a client that copes with claims challenges.
    pub(crate) fn of_continuous_access(self) -> Self {
        match self.cae {
            None => self,
            Some(expires_in) => Self {
                expires_in,
                jitter: self.cae_jitter,
                ext_expires_in: None,
                ..self
            },
        }
    }
}

/// What a client may take of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time at each address; more wait to be accepted.
    pub connections: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for the headers of a request, the wait for it on an idle connection included.
    pub headers: Duration,
    /// Bytes of the headers of a request, at least 8192.
    pub header_bytes: usize,
    /// Time for the body of a request.
    pub body: Duration,
    /// Bytes of the body of a request.
    pub body_bytes: usize,
    /// Time for requests in flight to finish when the server stops.
    pub drain: Duration,
    /// Token requests remembered one by one, about 300 bytes each; older ones are only counted.
    pub recorded_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake: Duration::from_secs(10),
            // Longer than the 90 s for which a client built on hyper keeps an idle connection,
            // so that the client is the one to close it.
            headers: Duration::from_mins(2),
            header_bytes: 32 * 1024,
            body: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            drain: Duration::from_secs(10),
            recorded_requests: 10_000,
        }
    }
}
