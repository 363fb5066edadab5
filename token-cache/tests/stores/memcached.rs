//! memcached, against `memcached`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use token_cache::Clock;
use token_cache::store::{Expiration, MemcachedOptions, MemcachedStore, Store, Swap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::outage::{Subject, survives_outages};
use crate::support::memcached_server::memcached;
use crate::support::server::{Server, free_port};

fn store(port: u16, limit: Duration, clock: Clock) -> Arc<dyn Store> {
    let mut options = MemcachedOptions::new(format!("127.0.0.1:{port}"));
    options.timeout = limit;
    options.instance_name = "app:".into();
    Arc::new(MemcachedStore::new(&options, clock))
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn memcached_keeps_the_store_contract() {
    let server = memcached(free_port(), &[]);
    let port = server.port;
    store_contract(&Candidate {
        name: "memcached",
        place: Place::Server(Box::new(move |clock| store(port, LIMIT, clock))),
        sliding: Sliding::ByServer,
        largest_blob: 1_000_000,
    })
    .await;
}

#[tokio::test]
async fn memcached_outages_end_within_the_limit_and_use_resumes_by_itself() {
    survives_outages(&Subject {
        name: "memcached",
        start: Box::new(|port| memcached(port, &[])),
        open: |port, limit| store(port, limit, Clock::system()),
    })
    .await;
}

/// Speaks the protocol by hand and tells what came.
async fn say(server: &Server, words: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    stream.write_all(b"quit\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// How many connections the server has had, this one included.
async fn connections(server: &Server) -> u32 {
    let statistics = say(server, "stats\r\n").await;
    let (_, rest) = statistics.split_once("total_connections ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

/// Returns when all connections so far are counted. Each of its four threads counts those
/// that it is handed, in its own time: the one with which the start of the server was
/// noticed may still wait. Connections go round, and one more through each thread comes
/// behind whatever waits there.
async fn all_counted(server: &Server) {
    for _ in 0..4 {
        connections(server).await;
    }
}

#[tokio::test]
async fn what_another_program_wrote_under_the_key_is_a_miss_and_can_be_replaced() {
    let server = memcached(free_port(), &[]);
    let store = store(server.port, LIMIT, Clock::system());
    for words in [
        "set app:other 0 0 5\r\nhello\r\n",
        "set app:other 0 0 0\r\n\r\n",
    ] {
        assert_eq!(say(&server, words).await, "STORED\r\n");
        assert!(store.get("other").await.unwrap().is_none());
    }
    let cas = store.compare_and_set().unwrap();
    let swap = cas.set_if("other", None, "ours".into(), Expiration::default());
    assert_eq!(swap.await.unwrap(), Swap::Done);
    assert_eq!(
        store.get("other").await.unwrap().as_deref(),
        Some(&b"ours"[..])
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_connection_goes_on() {
    let server = memcached(free_port(), &[]);
    let store = store(server.port, LIMIT, Clock::system());
    store
        .set("kept", "x".into(), Expiration::default())
        .await
        .unwrap();
    all_counted(&server).await;
    let before = connections(&server).await;
    let huge = Bytes::from(vec![b'x'; 2_000_000]);
    let error = store
        .set("huge", huge, Expiration::default())
        .await
        .unwrap_err();
    assert!(error.reason.contains("too large"), "{error}");
    assert!(store.get("kept").await.unwrap().is_some());
    assert!(store.get("huge").await.unwrap().is_none());
    assert_eq!(connections(&server).await, before + 1, "ours is the same");
}

#[tokio::test]
async fn a_full_memcached_that_does_not_evict_refuses() {
    let server = memcached(free_port(), &["-M", "-m", "8"]);
    let store = store(server.port, LIMIT, Clock::system());
    let blob = Bytes::from(vec![b'x'; 100_000]);
    let mut refused = None;
    for number in 0..2_000 {
        let key = format!("k{number}");
        let set = store.set(&key, blob.clone(), Expiration::default());
        if let Err(error) = set.await {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("it fills up");
    assert!(error.reason.contains("out of memory"), "{error}");
    assert!(store.get("k0").await.unwrap().is_some(), "reads go on");
}

/// A server that says what it is told to, whatever it is asked.
async fn liar(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    port
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors_and_quote_no_value() {
    let senseless: [&'static [u8]; 9] = [
        b"VALUE app:other 0 1 1\r\nx\r\nEND\r\n",
        b"VALUE app:key 0 -1 1\r\nEND\r\n",
        b"VALUE app:key 0 99999999999 1\r\nEND\r\n",
        b"VALUE app:key 0 5 1\r\nsecretsecretsecret\r\nEND\r\n",
        b"secret\r\n",
        b"\xff\xfe\r\n",
        b"\r\n",
        b"",
        &[b'x'; 5_000],
    ];
    for answer in senseless {
        let store = store(liar(answer).await, LIMIT, Clock::system());
        let error = store.get("key").await.unwrap_err();
        assert!(!error.reason.contains("secret"), "{error}");
    }
}
