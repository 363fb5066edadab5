//! A service that acquires tokens and exports the token cache's metrics: what
//! to copy into a service of your own.
//!
//! ```sh
//! mock-idp serve &
//! cargo run -p telemetry --features service --example service -- \
//!     https://localhost:8443 "$(mock-idp ca | head -1)" 127.0.0.1:9464
//! curl -s http://127.0.0.1:9464/metrics
//! ```
#![expect(clippy::print_stderr, reason = "a program's words to its user")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use telemetry::serve::{MetricsServer, Pages};
use telemetry::service::CacheMetrics;
use token_cache::{Clock, Environment, Scopes, Secret, TokenCache, TokenCacheOptions};
use token_client::{AcquireRequest, Application, Authority, Client, Flow, HttpIdentityProvider};

/// What L1 may hold.
const L1_LIMIT_BYTES: u64 = 50_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [provider, ca, address] = arguments.as_slice() else {
        return Err("usage: service PROVIDER CA_FILE HOST:PORT".into());
    };
    let service = Service::start(provider, &std::fs::read(ca)?, address.parse()?)?;
    eprintln!("metrics at http://{}/metrics", service.address());
    loop {
        service.work().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A service with one client and its cache.
pub(crate) struct Service {
    client: Client,
    server: MetricsServer,
}

impl Service {
    pub(crate) fn start(
        provider: &str,
        ca: &[u8],
        address: SocketAddr,
    ) -> Result<Self, Box<dyn Error>> {
        let clock = Clock::system();
        let metrics = Arc::new(CacheMetrics::new(&["client_credentials"], clock));
        // The cache and the client tell the metrics what no result does.
        let cache = Arc::new(TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: Some(L1_LIMIT_BYTES),
            clock,
            events: Arc::clone(&metrics) as _,
            ..TokenCacheOptions::default()
        }));
        let (own, of_scrape) = (Arc::clone(&metrics), Arc::clone(&cache));
        let pages = Pages::default().page("/metrics", move || {
            own.families(&of_scrape, Some(L1_LIMIT_BYTES))
        });
        let application = Application {
            client_id: "7a3c0a52-6a5e-4f2b-9a93-9a4f1d2c5e10".into(),
            client_secret: Some(Secret::new("any, in the open directory")),
        };
        let timeout = Duration::from_secs(10);
        let authority = Authority {
            environment: Environment::of_host("login.microsoftonline.com"),
            provider: Arc::new(HttpIdentityProvider::new(provider, &trusting(ca)?, timeout)),
        };
        Ok(Self {
            client: Client::with_events(application, authority, cache, metrics),
            server: MetricsServer::start(address, pages)?,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// One acquisition; whatever it gives, the metrics have heard of it.
    pub(crate) async fn work(&self) {
        let request = AcquireRequest::new(
            Flow::ClientCredentials,
            "contoso.com".into(),
            Scopes::parse("api://orders/.default"),
        );
        if let Err(error) = self.client.acquire(&request).await {
            eprintln!("no token: {error}");
        }
    }
}

fn trusting(ca: &[u8]) -> Result<rustls::ClientConfig, Box<dyn Error>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        roots.add(certificate?)?;
    }
    Ok(rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}
