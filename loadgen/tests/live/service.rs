//! A service of one's own in the test's process, with a store that can be made
//! to fail or to be slow: trouble that no fault of the provider makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use telemetry::serve::{MetricsServer, Pages};
use telemetry::service::CacheMetrics;
use token_cache::store::{Expiration, MemoryStore, Store, StoreFuture};
use token_cache::{Clock, Environment, Scopes, Secret, StoreError, TokenCache, TokenCacheOptions};
use token_client::{
    AcquireRequest, Application, Authority, Client, Flow, TokenRequest, TokenResponse,
};
use tokio::task::JoinHandle;

use super::at_once::AtOnce;

/// How the store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Down,
    Slow,
}

#[derive(Debug)]
struct Moody {
    store: MemoryStore,
    /// A [`Trouble`] as a number.
    trouble: AtomicU64,
}

impl Moody {
    fn answer<'a, T: Send + 'a>(&'a self, work: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let trouble = self.trouble.load(Ordering::Relaxed);
        Box::pin(async move {
            if trouble == Trouble::Down as u64 {
                return Err(StoreError::new("down"));
            }
            if trouble == Trouble::Slow as u64 {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            work.await
        })
    }
}

impl Store for Moody {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.answer(self.store.get(key))
    }
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        self.answer(self.store.set(key, blob, expiration))
    }
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.answer(self.store.refresh(key))
    }
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.answer(self.store.remove(key))
    }
}

/// Without an L1, every acquisition asks the store. It works until dropped.
pub(crate) struct Service {
    store: Arc<Moody>,
    server: MetricsServer,
    work: JoinHandle<()>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let clock = Clock::system();
        let store = Arc::new(Moody {
            store: MemoryStore::new(10_000_000, clock),
            trouble: AtomicU64::new(0),
        });
        let metrics = Arc::new(CacheMetrics::new(&["client_credentials"], clock));
        let cache = Arc::new(TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: None,
            l2: Some(Arc::clone(&store) as _),
            clock,
            events: Arc::clone(&metrics) as _,
            ..TokenCacheOptions::default()
        }));
        let (own, of_scrape) = (Arc::clone(&metrics), Arc::clone(&cache));
        let pages = Pages::default().page("/metrics", move || own.families(&of_scrape, None));
        let local = ([127, 0, 0, 1], 0).into();
        let server = MetricsServer::start(local, pages).unwrap();
        let client = Client::with_events(
            Application {
                client_id: "service".into(),
                client_secret: Some(Secret::new("any")),
            },
            Authority {
                environment: Environment::of_host("login.microsoftonline.com"),
                provider: Arc::new(AtOnce(|request: &TokenRequest| {
                    let token = format!("token of {}", request.tenant_id);
                    TokenResponse::bearer(Secret::new(token), Duration::from_hours(1))
                })),
            },
            cache,
            metrics,
        );
        let work = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            for number in 0_u64.. {
                ticks.tick().await;
                let client = client.clone();
                tokio::spawn(async move {
                    let tenant = format!("tenant{}", number % 10);
                    let scopes = Scopes::parse("api://orders/.default");
                    let request =
                        AcquireRequest::new(Flow::ClientCredentials, tenant.into(), scopes);
                    client.acquire(&request).await.unwrap();
                });
            }
        });
        Self {
            store,
            server,
            work,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.server.address().to_string()
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.store.trouble.store(trouble as u64, Ordering::Relaxed);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.work.abort();
    }
}
