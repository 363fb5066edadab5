//! What an L2 hit through Redis costs next to the bare round trip that it cannot
//! do without: `HMGET` of the same hash on one connection, in turns in one run.
//! Budget: 1.25 times.
//!
//! ```sh
//! cargo bench -p token-cache --features redis --bench redis_hit
//! ```
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]
#![expect(clippy::print_stdout, reason = "its report")]

#[path = "../tests/stores/support/redis_server.rs"]
mod redis_server;
#[path = "../tests/stores/support/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use token_cache::store::{Expiration, RedisOptions, RedisStore, Store};
use token_cache::{Clock, PartitionKey, TokenCache, TokenCacheOptions};
use tokio::time::Instant;

const ROUNDS: usize = 4_000;

/// An app entry as the article sizes it, 2 to 3 KB.
fn app_blob() -> Bytes {
    let now = Clock::system().now().unix_seconds();
    let blob = serde_json::json!({
        "AccessToken": { "k": {
            "environment": "login.windows.net",
            "client_id": "c",
            "secret": "t".repeat(2_300),
            "credential_type": "AccessToken",
            "realm": "t",
            "target": "https://graph.microsoft.com/.default",
            "cached_at": now.to_string(),
            "expires_on": (now + 3_600).to_string(),
        } },
        "RefreshToken": {}, "IdToken": {}, "Account": {}, "AppMetadata": {},
    });
    blob.to_string().into()
}

/// Takes some of an entry's window away, as time does between two reads.
async fn shorten(server: &mut redis::aio::MultiplexedConnection, key: &str, moved: bool) {
    if moved {
        let mut command = redis::cmd("EXPIRE");
        let _: i64 = command
            .arg(key)
            .arg(1_800)
            .query_async(server)
            .await
            .unwrap();
    }
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = server::free_port();
    let server = redis_server::redis(port, &[]);
    let url = format!("redis://127.0.0.1:{}", server.port);

    let clock = Clock::system();
    let options = RedisOptions::new(&*url);
    let store: Arc<dyn Store> = Arc::new(RedisStore::try_new(&options, clock).unwrap());
    let key = PartitionKey::application("c", "t");
    let text = key.to_string();
    let client = redis::Client::open(url).unwrap();
    let mut bare = client.get_multiplexed_async_connection().await.unwrap();
    let cache = TokenCache::new(TokenCacheOptions {
        l1_size_limit_bytes: None,
        l2: Some(Arc::clone(&store)),
        clock,
        ..TokenCacheOptions::default()
    });
    println!("`moved`: a sliding window that each read finds shortened and extends");
    println!("median of {ROUNDS} in turns, {} bytes", app_blob().len());
    let window = Duration::from_secs(3_600);
    for (name, sliding, moved) in [
        ("absolute", None, false),
        ("sliding", Some(window), false),
        ("moved", Some(window), true),
    ] {
        let expiration = Expiration {
            absolute: Some(clock.now().plus(2 * window)),
            sliding,
        };
        store.set(&text, app_blob(), expiration).await.unwrap();
        let (mut hmget, mut get, mut hit) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let mut command = redis::cmd("HMGET");
            command.arg(&text).arg(&["absexp", "sldexp", "data"]);
            let fields: Vec<Option<Vec<u8>>> = command.query_async(&mut bare).await.unwrap();
            hmget.push(began.elapsed());
            assert!(fields[2].is_some());

            shorten(&mut bare, &text, moved).await;
            let began = Instant::now();
            assert!(store.get(&text).await.unwrap().is_some());
            get.push(began.elapsed());

            shorten(&mut bare, &text, moved).await;
            let began = Instant::now();
            assert!(cache.read_l2(&key).await.unwrap().partition.is_some());
            hit.push(began.elapsed());
        }
        let bare = median_us(hmget);
        println!("{name:9} HMGET alone {bare:7.1} us");
        for (what, times) in [("store get", get), ("L2 hit", hit)] {
            let us = median_us(times);
            println!(
                "{name:9} {what:11} {us:7.1} us, {:.2} times HMGET",
                us / bare
            );
        }
    }
}
