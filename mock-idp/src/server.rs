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
use crate::connection::Listener;
use crate::endpoint::{managed_identity, router};
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
    /// An address cannot be bound.
    #[error("cannot serve {scheme} at {address}")]
    Bind {
        /// `https`, `http` or `imds`.
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
    ca_certificate: Option<PathBuf>,
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
        if config.https.is_none() && config.http.is_none() && config.imds.is_none() {
            return Err(StartError::NoAddress);
        }
        let https = bind("https", config.https).await?;
        let http = bind("http", config.http).await?;
        let imds = bind("imds", config.imds).await?;
        let needs_tls = https.is_some();
        let limits = config.limits;
        let (idp, tls) = spawn_blocking(move || prepare(&config, needs_tls))
            .await
            .map_err(|error| StartError::Internal(error.to_string()))??;

        let idp = Arc::new(idp);
        let routers = [
            router(Arc::clone(&idp)),
            router(Arc::clone(&idp)),
            managed_identity::router(Arc::clone(&idp)),
        ];
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
        let mut server = Self {
            idp,
            https: https.as_ref().map(|(_, address)| *address),
            http: http.as_ref().map(|(_, address)| *address),
            imds: imds.as_ref().map(|(_, address)| *address),
            ca_certificate: tls.as_ref().map(|(path, _)| path.clone()),
            stop,
            listeners: Vec::new(),
        };
        let listeners = [
            (https, tls.map(|(_, acceptor)| acceptor)),
            (http, None),
            (imds, None),
        ];
        for ((bound, tls), router) in listeners.into_iter().zip(routers) {
            let Some((socket, _)) = bound else { continue };
            let listener = Listener {
                socket,
                tls,
                router,
                limits,
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

    /// The certificate that HTTPS clients must trust.
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.ca_certificate.as_deref()
    }

    /// What was asked of the token endpoint so far, and what was issued.
    pub fn ledger(&self) -> LedgerSnapshot {
        self.idp.ledger()
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

async fn bind(
    scheme: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
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

/// What takes time and needs no runtime: files and keys.
fn prepare(
    config: &Config,
    needs_tls: bool,
) -> Result<(Idp, Option<(PathBuf, TlsAcceptor)>), StartError> {
    let tls = if needs_tls {
        let authority = Authority::open(config.data_dir.as_deref())?;
        let acceptor = TlsAcceptor::from(Arc::new(authority.server_config()?));
        Some((authority.certificate_path().to_owned(), acceptor))
    } else {
        None
    };
    Ok((Idp::new(config)?, tls))
}
