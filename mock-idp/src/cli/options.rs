//! What `serve` and `run` have in common: how the server behaves, wherever it is reached.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::behavior::latency::Latency;
use crate::config::{AdminToken, Config, ConfigError, DeviceApproval, SignInBy};
use crate::duration;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;
use crate::signing::SigningAlgorithm;

#[derive(Debug, Args)]
pub(super) struct DataDirectory {
    /// Where the certificate authority is kept [default: $XDG_DATA_HOME/mock-idp, else
    /// ~/.local/share/mock-idp]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where Arc's key files go [default: /var/opt/azcmagent/tokens, the only place that clients
    /// accept]
    #[arg(long, value_name = "DIR")]
    arc_key_dir: Option<PathBuf>,
    /// Everything below and more, as YAML or JSON (`mock-idp check --help` has an example,
    /// `mock-idp schema` all of it); options come first. `serve` reads it again when it changes
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataDirectory,
    /// Lifetime of access and ID tokens; MSAL never caches one of five minutes or less
    /// [default: 3599s]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires_in: Option<Duration>,
    /// Access and ID tokens live up to so much longer, at random; Entra's for users live 60 to 90
    /// minutes: --expires-in 1h --expires-jitter 30m [default: exactly --expires-in]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires_jitter: Option<Duration>,
    /// `ext_expires_in` of answers [default: as --expires-in]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    ext_expires_in: Option<Duration>,
    /// `refresh_in` of answers [default: not sent]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    refresh_in: Option<Duration>,
    /// Whose name tokens are issued in: the host the client asked, or Entra's [default: self; with
    /// `run --hosts` and `run --proxy` microsoft]
    #[arg(long, value_name = "WHO", value_enum)]
    issuer: Option<IssuerMode>,
    /// How often a refresh token may be used: until it expires, or once [default: relaxed]
    #[arg(long, value_name = "HOW", value_enum)]
    refresh_tokens: Option<RefreshTokens>,
    /// Who signs users in: the server at once, or somebody on a page, who also consents [default:
    /// auto]
    #[arg(long, value_name = "HOW", value_enum)]
    sign_in: Option<SignInBy>,
    /// Who approves sign-ins by device code: the server at the first poll, or somebody on the page
    /// [default: auto]
    #[arg(long, value_name = "HOW", value_enum)]
    device_code: Option<ApproveDevices>,
    /// What tokens are signed with [default: rs256, as Entra does]
    #[arg(long, value_name = "ALGORITHM", value_enum)]
    signing: Option<SigningAlgorithm>,
    /// Repeat an application's tokens for the same scopes after this many different ones, to be
    /// faster than signing is; 16 will do [default: every token is fresh]
    #[arg(long, value_name = "TOKENS")]
    token_pool: Option<NonZeroUsize>,
    /// How long an endpoint takes to answer: none, fixed:20ms, uniform:10ms,50ms,
    /// lognormal:MEDIAN,P99, normal:MEAN,DEVIATION, exponential:MEAN or empirical:TIME,TIME,...;
    /// endpoints: token, authorize, discovery, jwks, instance-discovery, device-code
    #[arg(long, value_name = "ENDPOINT=LATENCY", value_parser = endpoint_latency)]
    latency: Vec<(LatencyOf, Latency)>,
    /// Decides ids in tokens and latencies [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What the admin API wants as bearer token [default: none, and only this machine is served]
    #[arg(long, value_name = "TOKEN", value_parser = admin_token)]
    admin_token: Option<AdminToken>,
    /// Log every token request and failed connection too
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// How the log on stderr is written: for people, or one JSON object a line [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) log_format: Option<LogFormat>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Who approves sign-ins by device code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ApproveDevices {
    Auto,
    Page,
}

/// The endpoints that can have a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LatencyOf {
    Token,
    Authorize,
    Discovery,
    Jwks,
    InstanceDiscovery,
    DeviceCode,
}

fn endpoint_latency(text: &str) -> Result<(LatencyOf, Latency), String> {
    let (endpoint, latency) = text
        .split_once('=')
        .ok_or("write ENDPOINT=LATENCY, such as token=fixed:20ms")?;
    let endpoint = match endpoint {
        "token" => LatencyOf::Token,
        "authorize" => LatencyOf::Authorize,
        "discovery" => LatencyOf::Discovery,
        "jwks" => LatencyOf::Jwks,
        "instance-discovery" => LatencyOf::InstanceDiscovery,
        "device-code" => LatencyOf::DeviceCode,
        other => {
            return Err(format!(
                "`{other}` is no endpoint; there are token, authorize, discovery, jwks, \
                 instance-discovery and device-code"
            ));
        }
    };
    let latency = latency
        .parse::<Latency>()
        .map_err(|error| error.to_string())?;
    Ok((endpoint, latency))
}

fn admin_token(text: &str) -> Result<AdminToken, String> {
    AdminToken::new(text).ok_or_else(|| "a token is made of visible ASCII characters".to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = duration::parse(text)?;
    if lifetime.subsec_nanos() != 0 || lifetime.is_zero() {
        return Err(format!(
            "`{text}` is not a whole number of seconds above zero"
        ));
    }
    Ok(lifetime)
}

impl Options {
    /// The configuration these make; `issuer` and `seed` when none was chosen. What the file says
    /// is in it where no option says otherwise.
    pub(super) fn to_config(&self, issuer: IssuerMode, seed: u64) -> Result<Config, ConfigError> {
        let base = Config {
            issuer,
            seed,
            ..Config::default()
        };
        let mut config = match &self.config {
            None => base,
            Some(path) => base.with_file(path)?,
        };
        config.arc_key_dir = self.arc_key_dir.clone().or(config.arc_key_dir);
        config.data_dir = self.data.data_dir.clone().or(config.data_dir);
        config.admin_token = self.admin_token.clone().or(config.admin_token);
        let lifetimes = &mut config.lifetimes;
        lifetimes.expires_in = self.expires_in.unwrap_or(lifetimes.expires_in);
        lifetimes.jitter = self.expires_jitter.unwrap_or(lifetimes.jitter);
        lifetimes.ext_expires_in = self.ext_expires_in.or(lifetimes.ext_expires_in);
        lifetimes.refresh_in = self.refresh_in.or(lifetimes.refresh_in);
        config.issuer = self.issuer.unwrap_or(config.issuer);
        config.refresh_tokens = self.refresh_tokens.unwrap_or(config.refresh_tokens);
        config.sign_in = self.sign_in.unwrap_or(config.sign_in);
        config.device_approval = match self.device_code {
            Some(ApproveDevices::Auto) => DeviceApproval::Automatic,
            Some(ApproveDevices::Page) => DeviceApproval::OnPage,
            None => config.device_approval,
        };
        config.keys.algorithm = self.signing.unwrap_or(config.keys.algorithm);
        config.token_pool = self.token_pool.or(config.token_pool);
        config.seed = self.seed.unwrap_or(config.seed);
        for (endpoint, latency) in &self.latency {
            let place = match endpoint {
                LatencyOf::Token => &mut config.latency.token,
                LatencyOf::Authorize => &mut config.latency.authorize,
                LatencyOf::Discovery => &mut config.latency.discovery,
                LatencyOf::Jwks => &mut config.latency.jwks,
                LatencyOf::InstanceDiscovery => &mut config.latency.instance_discovery,
                LatencyOf::DeviceCode => &mut config.latency.device_code,
            };
            place.clone_from(latency);
        }
        Ok(config)
    }

    /// The configuration file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}
