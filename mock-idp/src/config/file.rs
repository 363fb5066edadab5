//! The configuration file: everything of a [`Config`] in YAML or JSON.
//!
//! Each section is as the admin API takes it. What a file leaves out is as it was: by default at
//! the start, and as at present when a file or the admin API changes a server that runs.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::yaml::{Document, Place};
use super::{AdminToken, Config, DeviceApproval, Limits, SignInBy};
use crate::behavior::latency::Latency;
use crate::behavior::rule::Rule;
use crate::behavior::throttle::ThrottlePolicy;
use crate::directory::Directory;
use crate::directory::closed::{AppEntry, ClosedDirectory, TenantEntry, UserEntry};
use crate::duration::as_optional_text;
use crate::error::ErrorStyle;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;
use crate::signing::KeySchedule;
use crate::token::policy::TokenPolicy;

/// Largest file read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A configuration file of mock-idp. With `tenants`, only those exist who are written down.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "mock-idp configuration")]
pub(crate) struct ConfigFile {
    /// The tenants there are. Without them every tenant, application, user and secret that one
    /// names exists.
    tenants: Option<Vec<TenantEntry>>,
    /// The applications there are.
    applications: Vec<AppEntry>,
    /// The users there are.
    users: Vec<UserEntry>,
    /// Whose name tokens are issued in.
    issuer: Option<IssuerMode>,
    /// How often a refresh token may be used.
    refresh_tokens: Option<RefreshTokens>,
    /// Who signs users in when an application sends a browser here.
    sign_in: Option<SignInBy>,
    /// Who approves sign-ins by device code.
    device_code: Option<ApprovedBy>,
    /// How error descriptions are written.
    error_style: Option<ErrorStyle>,
    /// How long what is issued is valid.
    lifetimes: LifetimesSection,
    /// How long endpoints take to answer.
    latency: LatencySection,
    /// What the tokens of some applications or scopes are like; the first that fits decides.
    tokens: Option<Vec<TokenPolicy>>,
    /// How many different access tokens an application gets for the same scopes before they are
    /// repeated, for a server that has to be faster than it can sign. Never repeated when left out.
    token_pool: Option<NonZeroUsize>,
    /// What tokens are signed with, and how keys follow each other.
    keys: Option<KeySchedule>,
    /// What goes wrong, and when.
    rules: Option<Vec<Rule>>,
    /// How much clients may ask for.
    throttles: Option<Vec<ThrottlePolicy>>,
    /// Test runs that are apart from each other, each at `/run/NAME`.
    runs: Option<Vec<String>>,
    /// What only a start changes.
    server: Option<ServerSection>,
}

/// Who approves sign-ins by device code.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ApprovedBy {
    /// The server, at the first poll.
    Auto,
    /// Somebody on the page.
    Page,
}

/// Times such as `1h`, `90m` or `3599s`, in whole seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct LifetimesSection {
    /// `expires_in` of access and ID tokens.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    expires_in: Option<Duration>,
    /// Up to so much longer, at random.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    jitter: Option<Duration>,
    /// `ext_expires_in`.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    ext_expires_in: Option<Duration>,
    /// `refresh_in`.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    refresh_in: Option<Duration>,
    /// Access tokens for clients that cope with claims challenges; `0s` for no difference.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    continuous_access: Option<Duration>,
    /// Up to so much longer, at random.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    continuous_access_jitter: Option<Duration>,
    /// Refresh tokens. Those of single-page applications end with the day of the sign-in.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    refresh_token: Option<Duration>,
    /// Authorization codes.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    code: Option<Duration>,
    /// Device codes.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    device_code: Option<Duration>,
    /// Access tokens of managed identities.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    managed_identity: Option<Duration>,
}

/// Latencies such as `none`, `fixed:20ms`, `uniform:10ms,50ms`, `lognormal:40ms,250ms` (median and
/// 99th percentile), `normal:40ms,5ms`, `exponential:40ms` or `empirical:5ms,5ms,90ms`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct LatencySection {
    /// The token endpoints.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    token: Option<Latency>,
    /// The authorize endpoints.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    authorize: Option<Latency>,
    /// The `OpenID` configuration documents.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    discovery: Option<Latency>,
    /// The signing keys.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    jwks: Option<Latency>,
    /// `/common/discovery/instance`.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    instance_discovery: Option<Latency>,
    /// The endpoints that device codes begin at.
    #[serde(with = "as_optional_text")]
    #[schemars(with = "Option<String>")]
    device_code: Option<Latency>,
}

/// What only a start changes. Options of the command line come first.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct ServerSection {
    /// Where to serve HTTPS, as `127.0.0.1:8443`; port 0 takes a free one.
    #[schemars(with = "Option<String>")]
    https: Option<SocketAddr>,
    /// Where to serve plain HTTP.
    #[schemars(with = "Option<String>")]
    http: Option<SocketAddr>,
    /// Where to serve managed identities.
    #[schemars(with = "Option<String>")]
    imds: Option<SocketAddr>,
    /// Where to serve a CONNECT proxy.
    #[schemars(with = "Option<String>")]
    proxy: Option<SocketAddr>,
    /// Whether other machines may be served.
    expose: bool,
    /// Where the certificate authority is kept.
    data_dir: Option<PathBuf>,
    /// Where Arc's key files go.
    arc_key_dir: Option<PathBuf>,
    /// Decides everything that is drawn.
    seed: Option<u64>,
    /// What the admin API wants as bearer token.
    admin_token: Option<String>,
    /// What a client may take of the server.
    limits: LimitsSection,
}

/// What a client may take of the server.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    /// Connections at a time at each address.
    connections: Option<usize>,
    /// Bytes of the headers of a request.
    header_bytes: Option<usize>,
    /// Bytes of the body of a request.
    body_bytes: Option<usize>,
    /// Token requests remembered one by one.
    recorded_requests: Option<usize>,
}

/// Something wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) place: Option<Place>,
    /// Such as `rules[0].fault`; empty for the whole.
    path: String,
    what: String,
}

impl Problem {
    pub(super) fn at(place: Option<Place>, path: &str, what: impl Into<String>) -> Self {
        Self {
            place,
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read but makes no sense; every reason is there.
    #[error("the configuration makes no sense:{}", listed(problems))]
    Invalid {
        /// The reasons.
        problems: Vec<Problem>,
    },
}

fn listed(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .fold(String::new(), |all, one| all + &one)
}

impl Config {
    /// This configuration, changed by what a file says.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or makes no sense.
    pub fn with_file(self, path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > LARGEST_FILE {
            return Err(failed(std::io::Error::other("it is larger than 16 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        self.with_text(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// This configuration, changed by a file's text. Certificates that it names by path are looked
    /// for in `beside`.
    ///
    /// # Errors
    ///
    /// Text that makes no sense.
    pub fn with_text(self, text: &str, beside: &Path) -> Result<Self, ConfigError> {
        let invalid = |problem| ConfigError::Invalid {
            problems: vec![problem],
        };
        let document = Document::read(text).map_err(invalid)?;
        let file: ConfigFile =
            serde_path_to_error::deserialize(&document.value).map_err(|error| {
                let path = error.path().to_string();
                let path = if path == "." { "" } else { &path };
                invalid(Problem::at(
                    document.place_of(path),
                    path,
                    error.inner().to_string(),
                ))
            })?;
        let mut problems = Vec::new();
        let config = file.apply(self, beside, &mut problems);
        problems.extend(config.problems());
        if problems.is_empty() {
            return Ok(config);
        }
        let problems = problems
            .into_iter()
            .map(|(path, what)| Problem::at(document.place_of(&path), &path, what))
            .collect();
        Err(ConfigError::Invalid { problems })
    }

    /// What a file may say, as JSON Schema.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(ConfigFile).to_value()
    }
}

/// A path in a file, and what is wrong there.
pub(super) type Found = (String, String);

impl ConfigFile {
    fn apply(self, base: Config, beside: &Path, problems: &mut Vec<Found>) -> Config {
        let mut config = base;
        if let Some(tenants) = self.tenants {
            match ClosedDirectory::of(tenants, self.applications, self.users, beside) {
                Ok(directory) => config.directory = Directory::Closed(Arc::new(directory)),
                Err(found) => problems.extend(found.into_iter().map(|what| {
                    let (section, what) = what.split_once(": ").unwrap_or(("", &what));
                    (section.to_owned(), what.to_owned())
                })),
            }
        } else if !self.applications.is_empty() || !self.users.is_empty() {
            let what = "without `tenants` everybody exists, so `applications` and `users` would mean \
                        nothing";
            problems.push((String::new(), what.to_owned()));
        }
        replace(&mut config.issuer, self.issuer);
        replace(&mut config.refresh_tokens, self.refresh_tokens);
        replace(&mut config.sign_in, self.sign_in);
        replace(&mut config.error_style, self.error_style);
        replace(&mut config.tokens, self.tokens);
        config.token_pool = self.token_pool.or(config.token_pool);
        replace(&mut config.keys, self.keys);
        replace(&mut config.rules, self.rules);
        replace(&mut config.throttles, self.throttles);
        replace(&mut config.runs, self.runs);
        let approval = self.device_code.map(|by| match by {
            ApprovedBy::Auto => DeviceApproval::Automatic,
            ApprovedBy::Page => DeviceApproval::OnPage,
        });
        replace(&mut config.device_approval, approval);
        self.lifetimes.apply(&mut config, problems);
        let latency = &mut config.latency;
        replace(&mut latency.token, self.latency.token);
        replace(&mut latency.authorize, self.latency.authorize);
        replace(&mut latency.discovery, self.latency.discovery);
        replace(&mut latency.jwks, self.latency.jwks);
        replace(
            &mut latency.instance_discovery,
            self.latency.instance_discovery,
        );
        replace(&mut latency.device_code, self.latency.device_code);
        if let Some(server) = self.server {
            server.apply(&mut config, problems);
        }
        config
    }
}

impl LifetimesSection {
    fn apply(self, config: &mut Config, problems: &mut Vec<Found>) {
        let lifetimes = &mut config.lifetimes;
        for (name, time, may_be_zero) in [
            ("expires_in", self.expires_in, false),
            ("jitter", self.jitter, true),
            ("ext_expires_in", self.ext_expires_in, false),
            ("refresh_in", self.refresh_in, false),
            ("continuous_access", self.continuous_access, true),
            (
                "continuous_access_jitter",
                self.continuous_access_jitter,
                true,
            ),
            ("refresh_token", self.refresh_token, false),
            ("code", self.code, false),
            ("device_code", self.device_code, false),
            ("managed_identity", self.managed_identity, false),
        ] {
            let is_wrong =
                |time: Duration| time.subsec_nanos() != 0 || (time.is_zero() && !may_be_zero);
            if time.is_some_and(is_wrong) {
                let what = "it must be a whole number of seconds above zero".to_owned();
                problems.push((format!("lifetimes.{name}"), what));
            }
        }
        replace(&mut lifetimes.expires_in, self.expires_in);
        replace(&mut lifetimes.jitter, self.jitter);
        lifetimes.ext_expires_in = self.ext_expires_in.or(lifetimes.ext_expires_in);
        lifetimes.refresh_in = self.refresh_in.or(lifetimes.refresh_in);
        if let Some(time) = self.continuous_access {
            lifetimes.cae = (!time.is_zero()).then_some(time);
        }
        replace(&mut lifetimes.cae_jitter, self.continuous_access_jitter);
        replace(&mut lifetimes.refresh_token, self.refresh_token);
        replace(&mut lifetimes.code, self.code);
        replace(&mut lifetimes.device_code, self.device_code);
        replace(&mut lifetimes.managed_identity, self.managed_identity);
    }
}

impl ServerSection {
    fn apply(self, config: &mut Config, problems: &mut Vec<Found>) {
        config.https = self.https.or(config.https);
        config.http = self.http.or(config.http);
        config.imds = self.imds.or(config.imds);
        config.proxy = self.proxy.or(config.proxy);
        config.expose |= self.expose;
        config.data_dir = self.data_dir.or(config.data_dir.take());
        config.arc_key_dir = self.arc_key_dir.or(config.arc_key_dir.take());
        replace(&mut config.seed, self.seed);
        if let Some(token) = self.admin_token {
            config.admin_token = AdminToken::new(token);
            if config.admin_token.is_none() {
                let what = "a token is made of visible ASCII characters".to_owned();
                problems.push(("server.admin_token".to_owned(), what));
            }
        }
        let Limits {
            connections,
            header_bytes,
            body_bytes,
            recorded_requests,
            ..
        } = &mut config.limits;
        replace(connections, self.limits.connections);
        replace(
            header_bytes,
            self.limits.header_bytes.map(|bytes| bytes.max(8192)),
        );
        replace(body_bytes, self.limits.body_bytes);
        replace(recorded_requests, self.limits.recorded_requests);
    }
}

fn replace<T>(place: &mut T, by: Option<T>) {
    if let Some(value) = by {
        *place = value;
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
