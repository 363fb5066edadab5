//! Accepts connections and serves each until it ends or the server stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::behavior::fault::{Fault, Stage};
use crate::config::Limits;
use crate::idp::Idp;
use crate::opening::Opening;
use crate::origin::Scheme;
use crate::proxy;
use crate::request::Peer;
use crate::socket::{self, HangUp, Socket};

/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 256;

/// How often an idle HTTP/2 client is asked whether it is still there, and how long it has to say.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait when no connection can be accepted, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A TLS record with the fatal alert `handshake_failure`.
const HANDSHAKE_FAILURE: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

/// How a connection begins.
#[derive(Clone)]
pub(crate) enum Door {
    /// With HTTP.
    Plain,
    /// With a TLS handshake.
    Tls(TlsAcceptor),
    /// With a request for a tunnel to one of Entra's hosts, and then a TLS handshake.
    Proxy(TlsAcceptor),
}

/// What the connections of one listener share.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) door: Door,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// Decides which connections go wrong.
    pub(crate) idp: Arc<Idp>,
}

impl Listener {
    /// Accepts until `stop` is told or dropped, then lets requests in flight finish within the
    /// time allowed.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<()>) {
        let Self {
            socket,
            door,
            router,
            limits,
            idp,
        } = self;
        let served = Served {
            builder: Arc::new(builder(&limits)),
            door,
            router,
            limits,
            idp,
        };
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.changed() => break,
                Some(ended) = tasks.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = socket.accept(), if tasks.len() < limits.connections => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (served, stop) = (served.clone(), stop.clone());
                    tasks.spawn(served.connection(stream, Peer(peer.ip()), stop));
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        let drained = timeout(limits.drain, async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connections = tasks.len(), "requests did not finish in time");
        }
        tasks.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended.and(Ok(())) {
        tracing::error!(%error, "a connection's task failed");
    }
}

/// Everything a connection needs.
#[derive(Clone)]
struct Served {
    builder: Arc<auto::Builder<TokioExecutor>>,
    door: Door,
    router: Router,
    limits: Limits,
    idp: Arc<Idp>,
}

impl Served {
    async fn connection(self, mut stream: TcpStream, peer: Peer, mut stop: watch::Receiver<()>) {
        let _open = self.idp.metrics.connected();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection lost");
            return;
        }
        if self.strikes(Stage::Connection).is_some() {
            socket::reset(&stream);
            return;
        }
        let hang_up = HangUp::default();
        let tls = match self.door.clone() {
            Door::Plain => {
                let stream = Socket::new(stream, hang_up.clone());
                return self.http(stream, Scheme::Http, peer, hang_up, stop).await;
            }
            Door::Tls(tls) => tls,
            Door::Proxy(tls) => {
                let admitted = tokio::select! {
                    biased;
                    _ = stop.changed() => false,
                    admitted = proxy::admit(&mut stream, &self.limits) => admitted,
                };
                if !admitted {
                    return;
                }
                tls
            }
        };
        if let Some(fault) = self.strikes(Stage::Handshake) {
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                () = spoil_handshake(stream, &fault, self.limits.handshake) => {}
            }
            return;
        }
        let stream = Socket::new(stream, hang_up.clone());
        let handshake = tokio::select! {
            biased;
            _ = stop.changed() => return,
            handshake = timeout(self.limits.handshake, tls.accept(stream)) => handshake,
        };
        match handshake {
            Ok(Ok(stream)) => self.http(stream, Scheme::Https, peer, hang_up, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    /// The fault that strikes this connection, counted.
    fn strikes(&self, stage: Stage) -> Option<Fault> {
        let since_start = self.idp.clock.since_start();
        let fault = self.idp.rules.strike_connection(stage, since_start)?;
        self.idp.ledger.fault(fault.kind());
        Some(fault)
    }

    async fn http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: Scheme,
        peer: Peer,
        hang_up: HangUp,
        mut stop: watch::Receiver<()>,
    ) {
        let stream = Opening::new(stream, self.limits.headers);
        let service = self
            .router
            .map_request(move |mut request: http::Request<_>| {
                request.extensions_mut().insert(scheme);
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(hang_up.clone());
                request
            });
        let service = TowerToHyperService::new(service);
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            _ = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection ended early");
        }
    }
}

/// Refuses a TLS handshake, or leaves it unanswered. The client's first bytes are read before the
/// connection is closed: closing it on unread bytes would reset it, and lose the alert.
async fn spoil_handshake(mut stream: TcpStream, fault: &Fault, within: Duration) {
    let mut hello = [0; 4096];
    let said = timeout(within, stream.read(&mut hello)).await;
    if !matches!(said, Ok(Ok(1..))) {
        return;
    }
    if let Fault::TlsStall { time } = fault {
        sleep(*time).await;
    } else {
        // A client that is gone already needs no alert.
        let _ = stream.write_all(&HANDSHAKE_FAILURE).await;
        let _ = stream.shutdown().await;
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
