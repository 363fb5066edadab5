//! A running server: listeners, and the identity provider behind them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::connection::{Door, Listener};
use crate::endpoint::{managed_identity, router};
use crate::hosts::LINK_LOCAL;
use crate::idp::{Idp, IdpError};
use crate::ledger::LedgerSnapshot;
use crate::origin::{Origin, Scheme};
use crate::tls::{Authority, TlsError};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither HTTPS nor HTTP nor managed identities were asked for.
    #[error("no address to serve at was given")]
    NoAddress,
    /// Other machines would reach an address, and that was not asked for.
    #[error("{address} may be reached from other machines")]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be bound.
    #[error("cannot serve {scheme} at {address}")]
    Bind {
        /// `https`, `http`, `imds` or `proxy`.
        scheme: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate authority cannot be used.
    #[error("the certificate authority cannot be used")]
    Tls(#[from] TlsError),
    /// The identity provider behind the listeners cannot be made.
    #[error("the identity provider cannot be made")]
    Idp(#[from] IdpError),
    /// The server's own fault.
    #[error("internal error: {0}")]
    Internal(String),
}

impl StartError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoAddress => Some("give --https or --http an address".to_owned()),
            Self::Exposed { .. } => Some(
                "everyone who reaches it gets tokens for anyone; use an address such as \
                 127.0.0.1, or say --expose if that is what you want"
                    .to_owned(),
            ),
            Self::Bind { source, scheme, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(format!(
                    "another program serves there; stop it, choose another port, or let the \
                     system choose one with --{scheme} 127.0.0.1:0"
                )),
                io::ErrorKind::PermissionDenied => {
                    Some("ports below 1024 need a privilege; choose a higher one".to_owned())
                }
                io::ErrorKind::AddrNotAvailable => {
                    Some("the address must be one of this machine".to_owned())
                }
                _ => None,
            },
            Self::Tls(error) => error.hint(),
            Self::Idp(_) | Self::Internal(_) => None,
        }
    }
}

/// A mock identity provider that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    idp: Arc<Idp>,
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
    imds: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
    ca_certificate: Option<PathBuf>,
    thumbprint: Option<String>,
    /// Dropping it tells the listeners to stop.
    stop: watch::Sender<()>,
    listeners: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds the addresses, makes or reads the certificate authority, makes a signing key, and
    /// serves. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, a certificate authority that cannot be used, or a
    /// configuration that makes no sense. Nothing keeps running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let addresses = [config.https, config.http, config.imds, config.proxy];
        if addresses.iter().all(Option::is_none) {
            return Err(StartError::NoAddress);
        }
        for address in addresses.into_iter().flatten() {
            check_exposure(address, config.expose)?;
        }
        let https = bind("https", config.https).await?;
        let http = bind("http", config.http).await?;
        let imds = bind("imds", config.imds).await?;
        let proxy = bind("proxy", config.proxy).await?;
        let needs_tls = https.is_some() || proxy.is_some();
        let limits = config.limits;
        let (idp, tls) = spawn_blocking(move || prepare(&config, needs_tls))
            .await
            .map_err(|error| StartError::Internal(error.to_string()))??;

        let idp = Arc::new(idp);
        if let Some((scheme, port)) = https
            .as_ref()
            .map(|(_, address)| (Scheme::Https, address.port()))
            .or(http
                .as_ref()
                .map(|(_, address)| (Scheme::Http, address.port())))
        {
            idp.own_origin.get_or_init(|| Origin::local(scheme, port));
        }
        let (stop, stopped) = watch::channel(());
        let address = |bound: &Option<Bound>| bound.as_ref().map(|(_, address)| *address);
        let mut server = Self {
            https: address(&https),
            http: address(&http),
            imds: address(&imds),
            proxy: address(&proxy),
            ca_certificate: tls.as_ref().map(|tls| tls.authority.clone()),
            thumbprint: tls.as_ref().map(|tls| tls.thumbprint.clone()),
            idp: Arc::clone(&idp),
            stop,
            listeners: Vec::new(),
        };
        let acceptor = tls.map(|tls| tls.acceptor);
        let entra = router(Arc::clone(&idp));
        let machine = managed_identity::router(Arc::clone(&idp));
        for (bound, door, router) in [
            (https, acceptor.clone().map(Door::Tls), entra.clone()),
            (http, Some(Door::Plain), entra.clone()),
            (imds, Some(Door::Plain), machine),
            (proxy, acceptor.map(Door::Proxy), entra),
        ] {
            let (Some((socket, _)), Some(door)) = (bound, door) else {
                continue;
            };
            let listener = Listener {
                socket,
                door,
                router,
                limits,
                idp: Arc::clone(&idp),
            };
            server
                .listeners
                .push(tokio::spawn(listener.serve(stopped.clone())));
        }
        Ok(server)
    }

    /// Where HTTPS is served.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Where plain HTTP is served.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where managed identities are served.
    pub fn imds_addr(&self) -> Option<SocketAddr> {
        self.imds
    }

    /// Where the proxy is served.
    pub fn proxy_addr(&self) -> Option<SocketAddr> {
        self.proxy
    }

    /// The SHA-1 thumbprint of the certificate that HTTPS is served with, in upper-case hex: the
    /// value of Service Fabric's `IDENTITY_SERVER_THUMBPRINT`.
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.thumbprint.as_deref()
    }

    /// The certificate that HTTPS clients must trust.
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.ca_certificate.as_deref()
    }

    /// What was asked of the token endpoint so far, and what was issued.
    pub fn ledger(&self) -> LedgerSnapshot {
        self.idp.ledger()
    }

    /// The identity provider behind the listeners, to ask and to steer.
    pub fn idp(&self) -> &Arc<Idp> {
        &self.idp
    }

    /// Accepts no more connections, lets requests in flight finish for as long as the
    /// configuration allows, and closes everything.
    pub async fn stop(self) {
        drop(self.stop);
        for listener in self.listeners {
            // A listener's panic was reported where it happened.
            let _ = listener.await;
        }
    }
}

/// A listener, and the address it got.
type Bound = (TcpListener, SocketAddr);

/// Refuses an address that other machines reach, unless they are meant to.
fn check_exposure(address: SocketAddr, expose: bool) -> Result<(), StartError> {
    if address.ip().is_loopback() || address.ip() == LINK_LOCAL {
        return Ok(());
    }
    if !expose {
        return Err(StartError::Exposed { address });
    }
    tracing::warn!(%address, "other machines may reach this server, and get tokens for anyone");
    Ok(())
}

async fn bind(
    scheme: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<Bound>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let failed = |source| StartError::Bind {
        scheme,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, bound)))
}

/// What HTTPS needs.
struct Tls {
    acceptor: TlsAcceptor,
    thumbprint: String,
    /// Where the authority's certificate is.
    authority: PathBuf,
}

/// What takes time and needs no runtime: files and keys.
fn prepare(config: &Config, needs_tls: bool) -> Result<(Idp, Option<Tls>), StartError> {
    let tls = if needs_tls {
        let authority = Authority::open(config.data_dir.as_deref())?;
        let (server, thumbprint) = authority.server_config()?;
        Some(Tls {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            thumbprint,
            authority: authority.certificate_path().to_owned(),
        })
    } else {
        None
    };
    Ok((Idp::new(config)?, tls))
}
