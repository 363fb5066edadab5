//! Cosmos DB, against the emulator of `support`. It keeps no `ttl`, so what expires
//! does so by our clock alone.

use std::sync::Arc;
use std::time::Duration;

use token_cache::store::{self, CosmosOptions, CosmosStore, Expiration, Store};
use token_cache::{Clock, Secret};

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::support::cosmos_emulator::{Emulator, KEY};

const HOUR: Duration = Duration::from_secs(3_600);

fn options(port: u16) -> CosmosOptions {
    CosmosOptions {
        endpoint: format!("http://127.0.0.1:{port}/"),
        key: Secret::new(KEY),
        region: "East US".to_owned(),
        database: "cache".to_owned(),
        container: "tokens".to_owned(),
        create: true,
        timeout: Duration::from_secs(30),
    }
}

fn opened(port: u16, clock: Clock) -> Arc<dyn Store> {
    Arc::new(CosmosStore::try_new(options(port), clock).unwrap())
}

fn sliding_an_hour() -> Expiration {
    Expiration {
        absolute: None,
        sliding: Some(HOUR),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cosmos_keeps_the_store_contract() {
    let emulator = Emulator::start().await;
    let port = emulator.port;
    store_contract(&Candidate {
        name: "cosmos",
        place: Place::Server(Box::new(move |clock| opened(port, clock))),
        sliding: Sliding::InEntry,
        largest_blob: 500_000,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_reading_what_slides_replaces_it_and_tries_again_when_others_come_between() {
    let emulator = Emulator::start().await;
    let store = opened(emulator.port, Clock::system());
    store
        .set("slides", "x".into(), sliding_an_hour())
        .await
        .unwrap();
    let end = Expiration {
        absolute: Some(Clock::system().now().plus(HOUR)),
        sliding: None,
    };
    store.set("ends", "x".into(), end).await.unwrap();
    assert!(store.get("ends").await.unwrap().is_some());
    store.refresh("ends").await.unwrap();
    assert_eq!(emulator.count("PUT"), 0, "an end needs no extension");

    assert!(store.get("slides").await.unwrap().is_some());
    store.refresh("slides").await.unwrap();
    assert_eq!(emulator.count("PUT"), 2, "every read and refresh replaces");

    // Two come between; the third try gets through.
    emulator.refuse_replacements(2);
    let (reads, replaced) = (emulator.count("GET"), emulator.count("PUT"));
    assert!(store.get("slides").await.unwrap().is_some());
    assert_eq!(emulator.count("GET"), reads + 3);
    assert_eq!(emulator.count("PUT"), replaced + 3);
    assert_eq!(emulator.refusals_left(), 0);

    // They always do: what was read is good all the same.
    emulator.refuse_replacements(u32::MAX);
    assert!(store.get("slides").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_slow_or_away_is_an_error_within_the_limit_and_is_used_again() {
    let emulator = Emulator::start().await;
    let mut options = options(emulator.port);
    let store = CosmosStore::try_new(options.clone(), Clock::system()).unwrap();
    store.set("a", "1".into(), sliding_an_hour()).await.unwrap();
    assert!(!format!("{options:?} {store:?}").contains("c2VjcmV0"));

    options.timeout = Duration::from_millis(500);
    options.create = false;
    let store = CosmosStore::try_new(options.clone(), Clock::system()).unwrap();
    // Opening may take longer than an operation may, and goes on behind it.
    assert!(comes_to_say(&store, "a", true).await, "it does not open");
    emulator.answer_after(Duration::from_secs(20));
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("500ms"), "{error}");
    emulator.answer_after(Duration::ZERO);
    assert!(comes_to_say(&store, "a", true).await, "use does not resume");

    drop(emulator);
    options.endpoint = "http://127.0.0.1:1/".to_owned();
    let store = CosmosStore::try_new(options.clone(), Clock::system()).unwrap();
    assert!(store.get("a").await.is_err());
    options.endpoint = "no url".to_owned();
    assert!(CosmosStore::try_new(options, Clock::system()).is_err());
}

/// Whether the store comes to answer that the key is there, or that it is not; opening
/// may take longer than one operation.
async fn comes_to_say(store: &dyn Store, key: &str, is_there: bool) -> bool {
    for _ in 0..60 {
        let answer = store.get(key).await;
        if answer.is_ok_and(|found| found.is_some() == is_there) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_string_opens_a_container_that_need_not_be_there() {
    let emulator = Emulator::start().await;
    let url = emulator.url();
    let writer = store::open(&Secret::new(url.as_str()), Clock::system()).unwrap();
    assert!(
        comes_to_say(writer.as_ref(), "another", false).await,
        "it does not open"
    );
    writer
        .set("key", "blob".into(), sliding_an_hour())
        .await
        .unwrap();
    // Another instance, which may make nothing.
    let url = url.replace("CreateIfNotExists=true", "CreateIfNotExists=false");
    let reader = store::open(&Secret::new(url.as_str()), Clock::system()).unwrap();
    assert!(
        comes_to_say(reader.as_ref(), "another", false).await,
        "it does not open"
    );
    assert_eq!(reader.get("key").await.unwrap().unwrap(), "blob");

    let elsewhere = url.replace("Container=tokens", "Container=none");
    let store = store::open(&Secret::new(elsewhere), Clock::system()).unwrap();
    assert!(
        !comes_to_say(store.as_ref(), "another", false).await,
        "nobody made it"
    );
}
