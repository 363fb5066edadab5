//! What `serve` and `run` have in common: how the server behaves, wherever it is reached.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::behavior::latency::{Latencies, Latency};
use crate::config::{AdminToken, Config, DeviceApproval, Lifetimes, SignInBy};
use crate::directory::Directory;
use crate::directory::closed::{ClosedDirectory, DirectoryError};
use crate::duration;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;

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
    /// Who exists, as JSON (see `mock-idp check --help`) [default: everyone one names]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataDirectory,
    /// Lifetime of access and ID tokens; MSAL never caches one of five minutes or less
    #[arg(long, value_name = "TIME", default_value = "3599s", value_parser = lifetime)]
    expires_in: Duration,
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
    /// How often a refresh token may be used: until it expires, or once
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    refresh_tokens: RefreshTokens,
    /// Who signs users in: the server at once, or somebody on a page, who also consents
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    sign_in: SignInBy,
    /// Who approves sign-ins by device code: the server at the first poll, or somebody on the page
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ApproveDevices::Auto)]
    device_code: ApproveDevices,
    /// How long an endpoint takes to answer: none, fixed:20ms, uniform:10ms,50ms,
    /// lognormal:MEDIAN,P99, normal:MEAN,DEVIATION, exponential:MEAN or empirical:TIME,TIME,...;
    /// endpoints: token, authorize, discovery, jwks, instance-discovery
    #[arg(long, value_name = "ENDPOINT=LATENCY", value_parser = endpoint_latency)]
    latency: Vec<(LatencyOf, Latency)>,
    /// Decides ids in tokens and latencies [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What the admin API wants as bearer token [default: none, and only this machine is served]
    #[arg(long, value_name = "TOKEN", value_parser = admin_token)]
    admin_token: Option<AdminToken>,
    /// Log every refused request and failed connection too
    #[arg(long, short)]
    pub(super) verbose: bool,
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
        other => {
            return Err(format!(
                "`{other}` is no endpoint; there are token, authorize, discovery, jwks and \
                 instance-discovery"
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
    /// The configuration these make; `issuer` when none was chosen. No address is in it yet.
    pub(super) fn into_config(self, issuer: IssuerMode) -> Result<Config, DirectoryError> {
        let directory = match &self.config {
            None => Directory::Open,
            Some(path) => Directory::Closed(Arc::new(ClosedDirectory::load(path)?)),
        };
        let mut config = Config {
            arc_key_dir: self.arc_key_dir,
            data_dir: self.data.data_dir,
            lifetimes: Lifetimes {
                expires_in: self.expires_in,
                jitter: self.expires_jitter.unwrap_or_default(),
                ext_expires_in: self.ext_expires_in,
                refresh_in: self.refresh_in,
                ..Lifetimes::default()
            },
            directory,
            issuer: self.issuer.unwrap_or(issuer),
            refresh_tokens: self.refresh_tokens,
            sign_in: self.sign_in,
            device_approval: match self.device_code {
                ApproveDevices::Auto => DeviceApproval::Automatic,
                ApproveDevices::Page => DeviceApproval::OnPage,
            },
            latency: latencies(&self.latency),
            admin_token: self.admin_token,
            ..Config::default()
        };
        config.seed = self.seed.unwrap_or(config.seed);
        Ok(config)
    }
}

fn latencies(chosen: &[(LatencyOf, Latency)]) -> Latencies {
    let mut latencies = Latencies::default();
    for (endpoint, latency) in chosen {
        let place = match endpoint {
            LatencyOf::Token => &mut latencies.token,
            LatencyOf::Authorize => &mut latencies.authorize,
            LatencyOf::Discovery => &mut latencies.discovery,
            LatencyOf::Jwks => &mut latencies.jwks,
            LatencyOf::InstanceDiscovery => &mut latencies.instance_discovery,
        };
        place.clone_from(latency);
    }
    latencies
}
