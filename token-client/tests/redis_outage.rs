//! The L2 of a service is a real Redis, and it dies in the middle of a run: no
//! acquisition fails, and the cache is used again once it is back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

// The one starter of servers that tests share.
#[path = "support/at_once.rs"]
mod at_once;
#[path = "../../token-cache/tests/stores/support/redis_server.rs"]
mod redis_server;
#[path = "../../token-cache/tests/stores/support/server.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use token_cache::store::{RedisOptions, RedisStore, Store};
use token_cache::{
    CacheLevel, Clock, Environment, Policy, Scopes, Secret, TokenCache, TokenCacheOptions,
};
use token_client::{
    AcquireRequest, Application, Authority, Client, Flow, IdentityProvider, TokenRequest,
    TokenResponse, TokenSource,
};
use tokio::time::Instant;

use at_once::AtOnce;
use redis_server::redis;

/// A service that has only just started: its L1 is empty.
fn instance(store: &Arc<dyn Store>, provider: &Arc<dyn IdentityProvider>, clock: Clock) -> Client {
    let cache = TokenCache::new(TokenCacheOptions {
        l2: Some(Arc::clone(store)),
        policy: Policy::RECOMMENDED,
        clock,
        ..TokenCacheOptions::default()
    });
    Client::new(
        Application {
            client_id: "client".into(),
            client_secret: Some(Secret::new("hush")),
        },
        Authority {
            environment: Environment::of_host("login.microsoftonline.com"),
            provider: Arc::clone(provider),
        },
        Arc::new(cache),
    )
}

fn request(tenant: usize) -> AcquireRequest {
    let scopes = Scopes::parse("https://graph.microsoft.com/.default");
    let tenant = format!("tenant-{tenant}");
    AcquireRequest::new(Flow::ClientCredentials, tenant.into(), scopes)
}

const TENANTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_restarted_fails_no_acquisition_and_is_used_again() {
    let running = redis(server::free_port(), &[]);
    let port = running.port;
    let clock = Clock::system();
    let mut options = RedisOptions::new(format!("redis://127.0.0.1:{port}"));
    options.timeout = Duration::from_secs(2);
    let store: Arc<dyn Store> = Arc::new(RedisStore::try_new(&options, clock).unwrap());
    // Gives every request a token, and counts.
    let requests = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&requests);
    let provider: Arc<dyn IdentityProvider> = Arc::new(AtOnce(move |_: &TokenRequest| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        let token = Secret::new(format!("token-{number}"));
        TokenResponse::bearer(token, Duration::from_secs(3_600))
    }));

    // Everyone asks: the provider answers once for each, Redis for the rest.
    for _ in 0..2 {
        let client = instance(&store, &provider, clock);
        for tenant in 0..TENANTS {
            client.acquire(&request(tenant)).await.unwrap();
        }
    }
    assert_eq!(requests.load(Ordering::Relaxed), TENANTS as u64);

    // It dies while instances start and ask.
    let began = Instant::now();
    let mut dead = Some(running);
    for round in 0..6 {
        let client = instance(&store, &provider, clock);
        for tenant in 0..TENANTS {
            if round == 1 && tenant == TENANTS / 2 {
                dead = None;
            }
            client.acquire(&request(tenant)).await.unwrap();
        }
    }
    assert!(dead.is_none());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "each call waits: {took:?}");
    let asked = requests.load(Ordering::Relaxed) - TENANTS as u64;
    assert!(
        asked >= 4 * TENANTS as u64,
        "Redis was down, {asked} were asked"
    );

    // It is back, empty, and takes part again by itself.
    let _running = redis(port, &[]);
    for attempt in 0.. {
        instance(&store, &provider, clock)
            .acquire(&request(0))
            .await
            .unwrap();
        let next = instance(&store, &provider, clock)
            .acquire(&request(0))
            .await
            .unwrap();
        let metadata = next.metadata;
        if metadata.cache_level == CacheLevel::L2 {
            assert_eq!(metadata.token_source, TokenSource::Cache);
            break;
        }
        assert!(attempt < 200, "Redis is back and not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
