//! A small HTTP server for metrics, for programs that serve nothing else.
//!
//! It has a thread of its own: a program that keeps its runtime's threads busy, as one
//! under load does, would let a scraper wait for several turns of theirs.
//!
//! It outlives bad scrapers: each connection is for one request and has half a
//! minute, and only so many are served at a time; the next waits in the kernel.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as Bound};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::exposition::{Family, Format, encode};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 32;

/// From accepting a connection to its end, however slowly its scraper reads.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// Whatever gives families when asked.
type Source = Box<dyn Fn() -> Vec<Family> + Send + Sync>;

/// What is served, and where: paths, and what is found there.
#[derive(Default)]
pub struct Pages(Vec<Page>);

struct Page {
    path: &'static str,
    scrape: Source,
    served: AtomicU64,
}

/// A running server of metrics; it stops when dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    pages: Arc<Pages>,
    /// The thread sees when this is gone, and ends.
    _running: oneshot::Sender<()>,
}

impl Pages {
    /// Adds a page at `path` with what `scrape` returns at that moment, in the
    /// format that the scraper accepts.
    #[must_use]
    pub fn page(
        mut self,
        path: &'static str,
        scrape: impl Fn() -> Vec<Family> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(Page {
            path,
            scrape: Box::new(scrape),
            served: AtomicU64::new(0),
        });
        self
    }

    fn paths(&self) -> String {
        let paths: Vec<&str> = self.0.iter().map(|page| page.path).collect();
        paths.join(" and ")
    }
}

impl MetricsServer {
    /// Binds `address` (port 0 picks a free one) and serves `pages` and
    /// `/healthz`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, or the system has no thread left.
    pub fn start(address: SocketAddr, pages: Pages) -> io::Result<Self> {
        let listener = Bound::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _of_its_reactor = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let pages = Arc::new(pages);
        let accepting = accept(listener, Arc::clone(&pages));
        let (running, dropped) = oneshot::channel();
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accepting => {}
                        _ = dropped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            pages,
            _running: running,
        })
    }

    /// The address bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scrapes answered so far, by page, in the order they were added.
    pub fn served(&self) -> Vec<u64> {
        let served = |page: &Page| page.served.load(Ordering::Relaxed);
        self.pages.0.iter().map(served).collect()
    }
}

async fn accept(listener: TcpListener, pages: Arc<Pages>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Dropping the set with this future ends the connections too.
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to come back.
                tracing::warn!(%error, "a scrape could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let pages = Arc::clone(&pages);
        connections.spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let response = respond(&request, &pages);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .keep_alive(false)
                .max_buf_size(16 * 1024)
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // A scraper that hangs up, or is too slow, is no event of ours.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
        });
    }
}

fn respond(request: &Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let page = pages.0.iter().find(|page| page.path == path);
    let is_head = request.method() == Method::HEAD;
    let (status, content_type, body) = match (request.method(), page) {
        (&Method::GET | &Method::HEAD, Some(page)) => {
            let accept = request.headers().get(header::ACCEPT);
            let format = Format::accepted(accept.and_then(|value| value.to_str().ok()));
            let body = encode((page.scrape)(), format);
            page.served.fetch_add(1, Ordering::Relaxed);
            (StatusCode::OK, format.content_type(), body)
        }
        (&Method::GET | &Method::HEAD, None) if path == "/healthz" => {
            (StatusCode::OK, "text/plain", b"ok\n".to_vec())
        }
        (&Method::GET | &Method::HEAD, None) => {
            let paths = pages.paths();
            let hint = format!("not here; the metrics are at {paths}\n");
            (StatusCode::NOT_FOUND, "text/plain", hint.into_bytes())
        }
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            b"only GET\n".to_vec(),
        ),
    };
    let mut response = Response::new(Full::from(if is_head { Vec::new() } else { body }));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pages").field(&self.paths()).finish()
    }
}

#[cfg(test)]
mod tests;
