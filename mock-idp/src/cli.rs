//! The command line of `mock-idp`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use telemetry::logging;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::behavior::latency::{Latencies, Latency};
use crate::config::{Config, DeviceApproval, Lifetimes};
use crate::directory::Directory;
use crate::directory::closed::{ClosedDirectory, DirectoryError};
use crate::idp::IdpError;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;
use crate::server::{Server, StartError};
use crate::tls::Authority;
use crate::{TlsError, duration};

const USAGE: u8 = 2;
const ENVIRONMENT: u8 = 4;
const INTERNAL: u8 = 5;

/// A stand-in for Microsoft Entra ID on this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 stopped as asked, 2 usage, 4 environment (port in use, data \
                  directory), 5 internal error."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until interrupted (Ctrl-C or SIGTERM).
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Serve>),
    /// Say whether a directory file makes sense.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The file, as `serve --config` takes it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print where the certificate authority is, and how to make clients trust it.
    #[command(after_help = CA_EXAMPLES)]
    Ca(DataDirectory),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  mock-idp serve
  mock-idp serve --https 127.0.0.1:0
  mock-idp serve --expires-in 10m --refresh-in 5m
  mock-idp serve --latency token=lognormal:40ms,250ms --latency jwks=fixed:5ms --seed 42

The addresses bound are printed on stdout, one a line, and then `ready`:
  https https://127.0.0.1:8443
  http http://127.0.0.1:8080
  ready";

const CHECK_EXAMPLES: &str = r#"Example of a file:
  { "tenants": [{ "id": "11111111-1111-1111-1111-111111111111", "domains": ["contoso.com"] }],
    "applications": [{
      "client_id": "22222222-2222-2222-2222-222222222222",
      "identifier_uris": ["api://service"],
      "secrets": ["secret"], "certificates": ["client.pem"],
      "federated_credentials": [{ "issuer": "https://issuer.example", "subject": "app" }],
      "redirect_uris": ["http://localhost/callback"],
      "permissions": ["api://service/read"], "roles": { "api://service": ["Task.Read"] } }],
    "users": [{ "name": "alice@contoso.com", "password": "pass",
      "groups": ["33333333-3333-3333-3333-333333333333"] }] }

Exit codes: 0 it makes sense, 2 it does not, 4 it cannot be read."#;

const CA_EXAMPLES: &str = "\
Examples:
  mock-idp ca
  eval \"$(mock-idp ca)\"        # in the shell that will run the client";

#[derive(Debug, Args)]
struct DataDirectory {
    /// Where the certificate authority is kept [default: $XDG_DATA_HOME/mock-idp, else
    /// ~/.local/share/mock-idp]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Serve {
    /// Serve HTTPS here; port 0 takes a free one [default: 127.0.0.1:8443 unless --http is given]
    #[arg(long, value_name = "HOST:PORT")]
    https: Option<SocketAddr>,
    /// Serve plain HTTP here [default: 127.0.0.1:8080 unless --https is given]
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<SocketAddr>,
    /// Serve managed identities here, over plain HTTP: IMDS, App Service, Azure ML, Arc, Cloud
    /// Shell [default: not served]
    #[arg(long, value_name = "HOST:PORT")]
    imds: Option<SocketAddr>,
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
    /// `ext_expires_in` of answers [default: as --expires-in]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    ext_expires_in: Option<Duration>,
    /// `refresh_in` of answers [default: not sent]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    refresh_in: Option<Duration>,
    /// Whose name tokens are issued in: the host the client asked, or Entra's
    #[arg(long, value_name = "WHO", value_enum, default_value_t)]
    issuer: IssuerMode,
    /// How often a refresh token may be used: until it expires, or once
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    refresh_tokens: RefreshTokens,
    /// Who approves sign-ins by device code: the server at the first poll, or somebody on the page
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ApproveDevices::Auto)]
    device_code: ApproveDevices,
    /// How long an endpoint takes to answer: none, fixed:20ms, uniform:10ms,50ms or
    /// lognormal:MEDIAN,P99; endpoints: token, authorize, discovery, jwks, instance-discovery
    #[arg(long, value_name = "ENDPOINT=LATENCY", value_parser = endpoint_latency)]
    latency: Vec<(LatencyOf, Latency)>,
    /// Decides ids in tokens and latencies [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Log every refused request and failed connection too
    #[arg(long, short)]
    verbose: bool,
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

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = duration::parse(text)?;
    if lifetime.subsec_nanos() != 0 || lifetime.is_zero() {
        return Err(format!(
            "`{text}` is not a whole number of seconds above zero"
        ));
    }
    Ok(lifetime)
}

impl Serve {
    fn into_config(self) -> Result<Config, Failure> {
        let directory = match &self.config {
            None => Directory::Open,
            Some(path) => Directory::Closed(Arc::new(ClosedDirectory::load(path)?)),
        };
        let mut config = Config {
            https: self.https,
            http: self.http,
            imds: self.imds,
            arc_key_dir: self.arc_key_dir,
            data_dir: self.data.data_dir,
            lifetimes: Lifetimes {
                expires_in: self.expires_in,
                ext_expires_in: self.ext_expires_in,
                refresh_in: self.refresh_in,
                ..Lifetimes::default()
            },
            directory,
            issuer: self.issuer,
            refresh_tokens: self.refresh_tokens,
            device_approval: match self.device_code {
                ApproveDevices::Auto => DeviceApproval::Automatic,
                ApproveDevices::Page => DeviceApproval::OnPage,
            },
            latency: latencies(&self.latency),
            ..Config::default()
        };
        if config.https.is_none() && config.http.is_none() {
            config.https = Some((Ipv4Addr::LOCALHOST, 8443).into());
            config.http = Some((Ipv4Addr::LOCALHOST, 8080).into());
        }
        config.seed = self.seed.unwrap_or(config.seed);
        Ok(config)
    }
}

fn latencies(chosen: &[(LatencyOf, Latency)]) -> Latencies {
    let mut latencies = Latencies::default();
    for &(endpoint, latency) in chosen {
        let place = match endpoint {
            LatencyOf::Token => &mut latencies.token,
            LatencyOf::Authorize => &mut latencies.authorize,
            LatencyOf::Discovery => &mut latencies.discovery,
            LatencyOf::Jwks => &mut latencies.jwks,
            LatencyOf::InstanceDiscovery => &mut latencies.instance_discovery,
        };
        *place = latency;
    }
    latencies
}

/// Runs the program with the process' arguments, to its exit code.
pub fn run() -> ExitCode {
    // Prints help, version and usage errors itself, with exit codes 0 and 2.
    let cli = Cli::parse();
    let verbose = matches!(&cli.command, Command::Serve(serve) if serve.verbose);
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    logging::init(level, logging::Format::Text);
    let result = match cli.command {
        Command::Serve(serve) => serve.into_config().and_then(run_server),
        Command::Check { file } => check(&file),
        Command::Ca(data) => print_ca(data.data_dir.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{what}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
}

impl Failure {
    fn report(&self) -> ExitCode {
        if let Self::Io { source, .. } = self
            && source.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        let mut message = format!("error: {self}");
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let _ = write!(message, ": {cause}");
            source = cause.source();
        }
        if let Some(hint) = self.hint() {
            let _ = write!(message, "\nhint: {hint}");
        }
        // There is nobody left to tell when stderr is gone.
        let _ = writeln!(io::stderr(), "{message}");
        ExitCode::from(self.exit_code())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Start(error) => error.hint(),
            Self::Tls(error) => error.hint(),
            Self::Directory(_) => Some("`mock-idp check --help` shows a file".to_owned()),
            Self::Io { .. } => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Directory(DirectoryError::Read { .. }) => ENVIRONMENT,
            Self::Directory(_)
            | Self::Start(StartError::NoAddress | StartError::Idp(IdpError::Latency { .. })) => {
                USAGE
            }
            Self::Start(StartError::Tls(TlsError::Certificate(_)))
            | Self::Tls(TlsError::Certificate(_)) => INTERNAL,
            Self::Start(StartError::Bind { .. } | StartError::Tls(_)) | Self::Tls(_) => ENVIRONMENT,
            Self::Start(_) | Self::Io { .. } => INTERNAL,
        }
    }
}

fn run_server(config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Io {
            what: "no runtime could be started",
            source,
        })?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let signals = |kind| {
        signal(kind).map_err(|source| Failure::Io {
            what: "signals cannot be received",
            source,
        })
    };
    let (mut terminate, mut interrupt) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::interrupt())?,
    );
    let seed = config.seed;
    let server = Server::start(config).await?;
    announce(&server).map_err(|source| Failure::Io {
        what: "the addresses cannot be printed",
        source,
    })?;
    tracing::info!(
        seed,
        ca_certificate = server
            .ca_certificate()
            .map(|path| path.display().to_string()),
        "serving"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let ledger = server.ledger();
    tracing::info!(
        token_requests = ledger.token_requests,
        redundant = ledger.redundant_token_requests,
        "stopping"
    );
    server.stop().await;
    Ok(())
}

fn announce(server: &Server) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if let Some(address) = server.https_addr() {
        writeln!(stdout, "https https://{address}")?;
    }
    if let Some(address) = server.http_addr() {
        writeln!(stdout, "http http://{address}")?;
    }
    if let Some(address) = server.imds_addr() {
        writeln!(stdout, "imds http://{address}")?;
    }
    writeln!(stdout, "ready")?;
    stdout.flush()
}

fn check(file: &Path) -> Result<(), Failure> {
    let directory = ClosedDirectory::load(file)?;
    writeln!(io::stdout(), "{}: {directory}", file.display()).map_err(|source| Failure::Io {
        what: "the result cannot be printed",
        source,
    })
}

fn print_ca(data_dir: Option<&Path>) -> Result<(), Failure> {
    let authority = Authority::open(data_dir)?;
    let path = authority.certificate_path();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    write_ca(&path).map_err(|source| Failure::Io {
        what: "the path cannot be printed",
        source,
    })
}

fn write_ca(path: &Path) -> io::Result<()> {
    let path = path.display().to_string();
    let quoted = format!("'{}'", path.replace('\'', r"'\''"));
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "# {path}")?;
    for (variable, clients) in [
        (
            "REQUESTS_CA_BUNDLE",
            "Python: msal, azure-identity (requests)",
        ),
        (
            "SSL_CERT_FILE",
            "Python ssl, Go, .NET on Linux, Rust (azure_identity), OpenSSL",
        ),
        (
            "NODE_EXTRA_CA_CERTS",
            "Node: @azure/msal-node, @azure/identity",
        ),
    ] {
        writeln!(stdout, "export {variable}={quoted}  # {clients}")?;
    }
    stdout.flush()
}
