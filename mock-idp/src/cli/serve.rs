//! `mock-idp serve`: serves until interrupted.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::options::Options;
use super::watched::Watched;
use crate::config::{Config, ConfigError};
use crate::issuer::IssuerMode;
use crate::server::Server;

pub(super) const EXAMPLES: &str = "\
Examples:
  mock-idp serve
  mock-idp serve --https 127.0.0.1:0
  mock-idp serve --expires-in 10m --refresh-in 5m
  mock-idp serve --latency token=lognormal:40ms,250ms --latency jwks=fixed:5ms --seed 42
  mock-idp serve --config mock.yaml          # SIGHUP, or a change of the file, reads it again
  mock-idp serve --proxy 127.0.0.1:8888      # and HTTPS_PROXY=http://127.0.0.1:8888 for clients

The addresses bound are printed on stdout, one a line, and then `ready`:
  https https://127.0.0.1:8443
  thumbprint 0A1B...            (SHA-1 of the certificate: IDENTITY_SERVER_THUMBPRINT)
  http http://127.0.0.1:8080
  ready

Service Fabric's endpoint is part of HTTPS: /metadata/identity/oauth2/token.";

#[derive(Debug, Args)]
pub(super) struct Serve {
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
    /// Serve a CONNECT proxy here that leads to Entra's login hosts, which are this server, and
    /// nowhere else [default: not served]
    #[arg(long, value_name = "HOST:PORT")]
    proxy: Option<SocketAddr>,
    /// Serve other machines too: without it only addresses of this machine's own are bound.
    /// Whoever reaches them gets tokens for anyone
    #[arg(long)]
    expose: bool,
    #[command(flatten)]
    pub(super) options: Options,
}

impl Serve {
    /// The configuration these make, with this seed if none was chosen.
    fn to_config(&self, seed: u64) -> Result<Config, ConfigError> {
        let mut config = self.options.to_config(IssuerMode::Own, seed)?;
        config.https = self.https.or(config.https);
        config.http = self.http.or(config.http);
        config.imds = self.imds.or(config.imds);
        config.proxy = self.proxy.or(config.proxy);
        config.expose |= self.expose;
        if config.https.is_none() && config.http.is_none() {
            config.https = Some((Ipv4Addr::LOCALHOST, 8443).into());
            config.http = Some((Ipv4Addr::LOCALHOST, 8080).into());
        }
        Ok(config)
    }

    /// Reads the configuration again. What makes no sense changes nothing.
    fn reload(&self, server: &Server, seed: u64) {
        let reloaded = self.to_config(seed).and_then(|config| {
            if config.needs_restart(&server.idp().config()) {
                tracing::warn!("what is in `server` changes only with a start");
            }
            server.idp().reconfigure(&config)
        });
        match reloaded {
            Ok(()) => tracing::info!("the configuration was read again and is in force"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the configuration stays as it was");
            }
        }
    }
}

pub(super) async fn serve(arguments: &Serve) -> Result<(), Failure> {
    let config = arguments.to_config(Config::default().seed)?;
    let signals = |kind| signal(kind).map_err(Failure::io("signals cannot be received"));
    let (mut terminate, mut interrupt, mut hang_up) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::interrupt())?,
        signals(SignalKind::hangup())?,
    );
    let mut watched = Watched::new(arguments.options.file());
    let (seed, token_pool) = (config.seed, config.token_pool);
    let server = Server::start(config).await?;
    announce(&server).map_err(Failure::io("the addresses cannot be printed"))?;
    tracing::info!(
        seed,
        signing = server.idp().signing(),
        token_pool,
        ca_certificate = server
            .ca_certificate()
            .map(|path| path.display().to_string()),
        "serving"
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => arguments.reload(&server, seed),
            () = watched.changed() => arguments.reload(&server, seed),
        }
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
    if let Some(thumbprint) = server.certificate_thumbprint() {
        writeln!(stdout, "thumbprint {thumbprint}")?;
    }
    if let Some(address) = server.http_addr() {
        writeln!(stdout, "http http://{address}")?;
    }
    if let Some(address) = server.imds_addr() {
        writeln!(stdout, "imds http://{address}")?;
    }
    if let Some(address) = server.proxy_addr() {
        writeln!(stdout, "proxy http://{address}")?;
    }
    writeln!(stdout, "ready")?;
    stdout.flush()
}
