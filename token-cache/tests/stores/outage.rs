//! What every store over the network does when the network or the server does
//! not: each operation ends within its limit with an answer or an error, never
//! with a wrong blob, and use resumes by itself.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use token_cache::StoreError;
use token_cache::store::{Expiration, Store};
use tokio::time::Instant;

use crate::support::proxy::{Proxy, Trouble};
use crate::support::server::Server;

/// A store and the server that it needs.
pub(crate) struct Subject {
    /// How it is called in failures.
    pub(crate) name: &'static str,
    /// Starts the server on a port, with what it held if it keeps that.
    pub(crate) start: Box<dyn Fn(u16) -> Server>,
    /// The store that reaches its server at a port, with a limit for operations.
    pub(crate) open: fn(u16, Duration) -> Arc<dyn Store>,
}

const LIMIT: Duration = Duration::from_millis(500);

/// What a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(700);

/// The store resumes within the longest wait between attempts, and then some.
const RESUMES: Duration = Duration::from_secs(8);

async fn put(store: &dyn Store, blob: &'static str) -> Result<(), StoreError> {
    let end = Expiration {
        absolute: None,
        sliding: Some(Duration::from_secs(3_600)),
    };
    store.set("key", blob.into(), end).await
}

async fn fails(store: &dyn Store, what: &str) -> StoreError {
    let began = Instant::now();
    let error = store.get("key").await.expect_err(what);
    let took = began.elapsed();
    assert!(took < LIMIT + SLACK, "{what}: {took:?} until {error}");
    error
}

/// Lets a server stand still with its connections open, or go on.
fn signal(server: &Server, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill.arg(format!("-{name}")).args(server.ids()).status();
    assert!(status.unwrap().success());
}

/// Waits until the store answers again.
async fn resumes(store: &dyn Store, what: &str) {
    let began = Instant::now();
    loop {
        match put(store, "back").await {
            Ok(()) => break,
            Err(error) => assert!(began.elapsed() < RESUMES, "{what}: still {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let blob = store.get("key").await.unwrap();
    assert_eq!(blob.as_deref(), Some(&b"back"[..]), "{what}");
}

/// Runs every outage against one store.
pub(crate) async fn survives_outages(subject: &Subject) {
    let port = crate::support::server::free_port();
    let server = (subject.start)(port);
    let store = (subject.open)(port, LIMIT);
    let store = &*store;
    let name = subject.name;
    let about = |what: &str| format!("{name}: {what}");

    put(store, "before").await.unwrap();
    signal(&server, "STOP");
    for _ in 0..3 {
        fails(store, &about("hanging")).await;
    }
    signal(&server, "CONT");
    resumes(store, &about("after hanging")).await;

    drop(server);
    let refused = fails(store, &about("killed")).await;
    assert!(!refused.reason.is_empty());
    let began = Instant::now();
    for _ in 0..20 {
        fails(store, &about("down")).await;
    }
    assert!(
        began.elapsed() < SLACK,
        "a dead server is asked at every call"
    );
    let server = (subject.start)(port);
    resumes(store, &about("after a restart")).await;

    survives_the_network(name, server.port, subject.open).await;
}

/// Runs what can happen between a store and its server.
pub(crate) async fn survives_the_network(
    name: &str,
    port: u16,
    open: fn(u16, Duration) -> Arc<dyn Store>,
) {
    let proxy = Proxy::before(port).await;
    let store = open(proxy.port, LIMIT);
    let store = &*store;
    let about = |what: &str| format!("{name}: {what}");

    put(store, "before").await.unwrap();
    proxy.cause(Trouble::Slow(LIMIT / 10));
    let slow = store.get("key").await.unwrap();
    assert!(slow.is_some(), "slow is not down");
    proxy.cause(Trouble::Slow(LIMIT));
    fails(store, &about("slower than the limit")).await;
    proxy.cause(Trouble::None);
    resumes(store, &about("after being slow")).await;

    proxy.cause(Trouble::HalfOpen);
    fails(store, &about("half-open")).await;
    resumes(
        store,
        &about("a new connection instead of the half-open one"),
    )
    .await;

    proxy.cause(Trouble::Truncate(3));
    fails(store, &about("an answer that breaks off")).await;
    proxy.cause(Trouble::None);
    resumes(store, &about("after answers broke off")).await;

    proxy.cause(Trouble::Reset);
    fails(store, &about("reset")).await;
    proxy.cause(Trouble::None);
    resumes(store, &about("after resets")).await;

    // A caller less patient than the store does not keep it from noticing.
    let proxy = Proxy::before(port).await;
    let store = open(proxy.port, LIMIT);
    put(&*store, "before").await.unwrap();
    proxy.cause(Trouble::HalfOpen);
    let impatient = tokio::time::timeout(LIMIT / 2, store.get("key")).await;
    assert!(impatient.is_err(), "{name}: half-open again");
    let began = Instant::now();
    let next = put(&*store, "after").await;
    assert!(next.is_ok(), "{name}: {next:?} after {:?}", began.elapsed());
}
