//! Cosmos DB, against the in-memory emulator of the SDK's own team, hosted over
//! HTTP. It keeps no `ttl`, so what expires does so by our clock alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use azure_core::http::{Method, Url};
use azure_data_cosmos_driver::in_memory_emulator::{
    InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion,
};
use parking_lot::Mutex;
use token_cache::store::{CosmosOptions, CosmosStore, Expiration, Store};
use token_cache::{Clock, Secret};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::contract::{Candidate, Place, Sliding, store_contract};

const HOUR: Duration = Duration::from_secs(3_600);

/// The emulator behind a port, which counts what it is asked and can refuse.
struct Emulator {
    port: u16,
    seen: Arc<Seen>,
    serving: JoinHandle<()>,
}

struct Seen {
    emulator: InMemoryEmulatorHttpClient,
    base: String,
    /// Requests about documents, by method.
    documents: Mutex<HashMap<String, u32>>,
    /// How many replacements are answered with 412 before one gets through.
    refuse: Mutex<u32>,
    /// How long each answer takes.
    wait: Mutex<Duration>,
}

impl Emulator {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let region = VirtualRegion::new("East US", base.parse().unwrap());
        let account = VirtualAccountConfig::new(vec![region]).unwrap();
        let seen = Arc::new(Seen {
            emulator: InMemoryEmulatorHttpClient::new(account),
            base,
            documents: Mutex::default(),
            refuse: Mutex::default(),
            wait: Mutex::default(),
        });
        let router = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&seen));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            port,
            seen,
            serving,
        }
    }

    fn count(&self, method: &str) -> u32 {
        self.seen.documents.lock().get(method).copied().unwrap_or(0)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Hands a request to the emulator and its answer back.
async fn forward(State(seen): State<Arc<Seen>>, request: Request<Body>) -> Response<Body> {
    let wait = *seen.wait.lock();
    tokio::time::sleep(wait).await;
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().as_str();
    if path.contains("/docs") {
        *seen
            .documents
            .lock()
            .entry(head.method.to_string())
            .or_default() += 1;
    }
    if head.method == "PUT" {
        let mut refuse = seen.refuse.lock();
        if *refuse > 0 {
            *refuse -= 1;
            return status(StatusCode::PRECONDITION_FAILED);
        }
    }
    let url: Url = format!("{}{path}", seen.base).parse().unwrap();
    let method: Method = head.method.as_str().parse().unwrap();
    let mut inner = azure_core::http::Request::new(url, method);
    for (name, value) in &head.headers {
        inner.insert_header(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
    }
    inner.set_body(to_bytes(body, 8_000_000).await.unwrap());
    let Ok(answer) = seen.emulator.execute_request(&inner).await else {
        return status(StatusCode::BAD_GATEWAY);
    };
    let (code, headers, body) = answer.deconstruct();
    let mut response = Response::builder().status(u16::from(code));
    for (name, value) in headers.iter() {
        response = response.header(name.as_str(), value.as_str());
    }
    let bytes = body.collect().await.unwrap();
    response.body(Body::from(bytes)).unwrap()
}

fn status(code: StatusCode) -> Response<Body> {
    Response::builder()
        .status(code)
        .body(Body::empty())
        .unwrap()
}

fn options(port: u16) -> CosmosOptions {
    CosmosOptions {
        endpoint: format!("http://127.0.0.1:{port}/"),
        key: Secret::new("c2VjcmV0LWtleQ=="),
        region: "East US".to_owned(),
        database: "cache".to_owned(),
        container: "tokens".to_owned(),
        create: true,
        timeout: Duration::from_secs(30),
    }
}

fn store(port: u16, clock: Clock) -> Arc<dyn Store> {
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
        place: Place::Server(Box::new(move |clock| store(port, clock))),
        sliding: Sliding::InEntry,
        largest_blob: 500_000,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_reading_what_slides_replaces_it_and_tries_again_when_others_come_between() {
    let emulator = Emulator::start().await;
    let store = store(emulator.port, Clock::system());
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
    *emulator.seen.refuse.lock() = 2;
    let (reads, replaced) = (emulator.count("GET"), emulator.count("PUT"));
    assert!(store.get("slides").await.unwrap().is_some());
    assert_eq!(emulator.count("GET"), reads + 3);
    assert_eq!(emulator.count("PUT"), replaced + 3);
    assert_eq!(*emulator.seen.refuse.lock(), 0);

    // They always do: what was read is good all the same.
    *emulator.seen.refuse.lock() = u32::MAX;
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
    assert!(comes_back(&store).await, "it does not open");
    *emulator.seen.wait.lock() = Duration::from_secs(20);
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("500ms"), "{error}");
    *emulator.seen.wait.lock() = Duration::ZERO;
    assert!(comes_back(&store).await, "use does not resume");

    drop(emulator);
    options.endpoint = "http://127.0.0.1:1/".to_owned();
    let store = CosmosStore::try_new(options.clone(), Clock::system()).unwrap();
    assert!(store.get("a").await.is_err());
    options.endpoint = "no url".to_owned();
    assert!(CosmosStore::try_new(options, Clock::system()).is_err());
}

async fn comes_back(store: &CosmosStore) -> bool {
    for _ in 0..60 {
        if store.get("a").await.is_ok_and(|found| found.is_some()) {
            return true;
        }
    }
    false
}
