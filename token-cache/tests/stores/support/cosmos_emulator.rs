//! Cosmos DB for tests, whichever crate's: the in-memory emulator of the SDK's own
//! team, hosted over HTTP. It keeps no `ttl`.

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
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A key, as an account has one.
pub(crate) const KEY: &str = "c2VjcmV0LWtleQ==";

/// The emulator behind a port, which counts what it is asked and can refuse.
pub(crate) struct Emulator {
    pub(crate) port: u16,
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
    pub(crate) async fn start() -> Self {
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

    /// Where it is: a store's URL, which makes database and container.
    pub(crate) fn url(&self) -> String {
        format!(
            "cosmos:AccountEndpoint=http://127.0.0.1:{}/;AccountKey={KEY};Database=cache;\
             Container=tokens;Region=East US;CreateIfNotExists=true",
            self.port
        )
    }

    /// Requests about documents so far, by method.
    pub(crate) fn count(&self, method: &str) -> u32 {
        self.seen.documents.lock().get(method).copied().unwrap_or(0)
    }

    /// Answers so many replacements with 412 before one gets through.
    pub(crate) fn refuse_replacements(&self, count: u32) {
        *self.seen.refuse.lock() = count;
    }

    /// How many replacements are yet to be refused.
    pub(crate) fn refusals_left(&self) -> u32 {
        *self.seen.refuse.lock()
    }

    /// Takes so long for each answer from now on.
    pub(crate) fn answer_after(&self, wait: Duration) {
        *self.seen.wait.lock() = wait;
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
