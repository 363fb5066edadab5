//! Redis, against `redis-server`.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Client, aio::MultiplexedConnection};
use token_cache::store::{Expiration, RedisOptions, RedisStore, Store};
use token_cache::{Clock, Timestamp};

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::outage::{Subject, survives_outages};
use crate::support::redis_server::redis;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, free_port};

fn start(more: &[&str]) -> Server {
    redis(free_port(), more)
}

fn options(port: u16) -> RedisOptions {
    let mut options = RedisOptions::new(format!("redis://127.0.0.1:{port}"));
    options.instance_name = "app:".into();
    options.timeout = Duration::from_secs(5);
    options
}

fn open(port: u16, clock: Clock) -> Arc<dyn Store> {
    Arc::new(RedisStore::try_new(&options(port), clock).unwrap())
}

/// The server as others see it.
async fn look(server: &Server) -> MultiplexedConnection {
    let url = format!("redis://127.0.0.1:{}", server.port);
    let client = Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn ask<T: redis::FromRedisValue>(server: &Server, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut look(server).await).await.unwrap()
}

#[tokio::test]
async fn redis_keeps_the_store_contract() {
    let server = start(&[]);
    let port = server.port;
    store_contract(&Candidate {
        name: "redis",
        place: Place::Server(Box::new(move |clock| open(port, clock))),
        sliding: Sliding::ByServer,
        largest_blob: 4_000_000,
    })
    .await;
}

#[tokio::test]
async fn redis_outages_end_within_the_limit_and_use_resumes_by_itself() {
    survives_outages(&Subject {
        name: "redis",
        start: Box::new(|port| redis(port, &[])),
        open: |port, limit| {
            let mut options = options(port);
            options.timeout = limit;
            Arc::new(RedisStore::try_new(&options, Clock::system()).unwrap())
        },
    })
    .await;
}

#[tokio::test]
async fn b1_an_entry_has_the_fields_the_ticks_and_the_ttl_of_dot_net() {
    let server = start(&[]);
    let clock = Clock::starting_at(Timestamp::from_unix_seconds(1_000_000_000));
    let store = open(server.port, clock);
    let both = Expiration {
        absolute: Some(Timestamp::from_unix_seconds(1_000_003_600)),
        sliding: Some(Duration::from_secs(1_200)),
    };
    store
        .set("both", Bytes::from_static(b"\0\xff"), both)
        .await
        .unwrap();
    let fields: Vec<(String, Vec<u8>)> = ask(&server, &["HGETALL", "app:both"]).await;
    let mut fields = fields;
    fields.sort();
    let expected = [
        ("absexp", &b"631356004000000000"[..]),
        ("data", b"\0\xff"),
        ("sldexp", b"12000000000"),
    ];
    let found: Vec<_> = fields
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    assert_eq!(found, expected);
    let ttl: i64 = ask(&server, &["TTL", "app:both"]).await;
    assert!((1_198..=1_200).contains(&ttl), "min of both: {ttl}");

    store
        .set("none", "x".into(), Expiration::default())
        .await
        .unwrap();
    let ends: Vec<String> = ask(&server, &["HMGET", "app:none", "absexp", "sldexp"]).await;
    assert_eq!(ends, ["-1", "-1"]);
    let ttl: i64 = ask(&server, &["TTL", "app:none"]).await;
    assert_eq!(ttl, -1, "no time to live");

    // A time to live that an entry had goes with it.
    store
        .set("both", "x".into(), Expiration::default())
        .await
        .unwrap();
    let ttl: i64 = ask(&server, &["TTL", "app:both"]).await;
    assert_eq!(ttl, -1, "the old end is shed");

    // What .NET rounds down: 90.9 s become 90.
    let fraction = Expiration {
        absolute: None,
        sliding: Some(Duration::from_millis(90_900)),
    };
    store.set("fraction", "x".into(), fraction).await.unwrap();
    let ttl: i64 = ask(&server, &["TTL", "app:fraction"]).await;
    assert!((89..=90).contains(&ttl), "{ttl}");

    store.remove("both").await.unwrap();
    let there: i64 = ask(&server, &["EXISTS", "app:both"]).await;
    assert_eq!(there, 0);
    assert!(store.get("both").await.unwrap().is_none());
}

/// Whether `app:net` has its whole window of 1 200 s within two seconds: what is
/// read is extended behind the reader.
async fn comes_to_full(server: &Server) -> bool {
    for _ in 0..200 {
        let ttl: i64 = ask(server, &["TTL", "app:net"]).await;
        if (1_198..=1_200).contains(&ttl) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn b1_a_window_that_has_hardly_moved_is_not_written_again() {
    let server = start(&[]);
    let store = open(server.port, Clock::system());
    let sliding = Expiration {
        absolute: None,
        sliding: Some(Duration::from_secs(1_200)),
    };
    store.set("net", "x".into(), sliding).await.unwrap();
    // The first read knows of no time to live yet, so it extends like the write.
    assert!(store.get("net").await.unwrap().is_some());
    assert_eq!(extensions(&server, 2).await, 2);
    for _ in 0..5 {
        assert!(store.get("net").await.unwrap().is_some());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(extensions(&server, 2).await, 2, "none of these reads");
    let _: i64 = ask(&server, &["EXPIRE", "app:net", "1190"]).await;
    assert!(store.get("net").await.unwrap().is_some());
    assert_eq!(extensions(&server, 4).await, 4, "ours and the store's");
    assert!(comes_to_full(&server).await);
}

/// How often the server has set a time to live, whoever wanted it, once that is
/// `expected` or two seconds have passed.
async fn extensions(server: &Server, expected: u64) -> u64 {
    let mut count = 0;
    for _ in 0..200 {
        let stats: String = ask(server, &["INFO", "commandstats"]).await;
        let line = |line: &str| Some(line.strip_prefix("cmdstat_expire:calls=")?.to_owned());
        count = stats
            .lines()
            .find_map(line)
            .and_then(|line| line.split(',').next()?.parse().ok())
            .unwrap_or(0);
        if count == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    count
}

#[tokio::test]
async fn b1_an_entry_that_dot_net_wrote_is_read_and_slides() {
    let server = start(&[]);
    // What `RedisCache.Set` sends: HSET, then EXPIRE with the sliding window.
    let _: i64 = ask(
        &server,
        &[
            "HSET",
            "app:net",
            "absexp",
            "-1",
            "sldexp",
            "12000000000",
            "data",
            "blob",
        ],
    )
    .await;
    let _: i64 = ask(&server, &["EXPIRE", "app:net", "100"]).await;
    let store = open(server.port, Clock::system());
    assert_eq!(
        store.get("net").await.unwrap().as_deref(),
        Some(&b"blob"[..])
    );
    assert!(comes_to_full(&server).await, "reading extends");
    let _: i64 = ask(&server, &["EXPIRE", "app:net", "100"]).await;
    assert!(store.get("net").await.unwrap().is_some());
    assert!(comes_to_full(&server).await, "and extends again");
    let _: i64 = ask(&server, &["EXPIRE", "app:net", "100"]).await;
    store.refresh("net").await.unwrap();
    let ttl: i64 = ask(&server, &["TTL", "app:net"]).await;
    assert!((1_198..=1_200).contains(&ttl), "refreshing extends: {ttl}");

    // Without its times, as half a write leaves it, it is an entry without end.
    let _: i64 = ask(&server, &["HSET", "app:half", "data", "blob"]).await;
    assert!(store.get("half").await.unwrap().is_some());
    let _: i64 = ask(&server, &["HSET", "app:empty", "absexp", "-1"]).await;
    assert!(
        store.get("empty").await.unwrap().is_none(),
        "no data, no entry"
    );
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_no_blob() {
    let server = start(&[]);
    let _: String = ask(&server, &["SET", "app:string", "secret-value"]).await;
    let store = open(server.port, Clock::system());
    let error = store.get("string").await.unwrap_err();
    assert!(error.reason.contains("WRONGTYPE"), "{error}");
    assert!(!error.reason.contains("secret-value"), "{error}");
}

#[tokio::test]
async fn a_full_redis_refuses_writes_and_still_answers() {
    let server = start(&["--maxmemory-policy", "noeviction"]);
    let store = open(server.port, Clock::system());
    let sliding = Expiration {
        absolute: None,
        sliding: Some(Duration::from_secs(60)),
    };
    store.set("old", "x".into(), sliding).await.unwrap();
    let _: String = ask(&server, &["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let big = Bytes::from(vec![b'x'; 1_000_000]);
    let error = store.set("new", big.clone(), sliding).await.unwrap_err();
    assert!(error.reason.contains("OOM"), "{error}");
    let cas = store.compare_and_set().unwrap();
    assert!(cas.set_if("new", None, big.clone(), sliding).await.is_err());
    assert!(store.get("old").await.unwrap().is_some(), "reads go on");
    store.remove("old").await.unwrap();
    let _: String = ask(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    store.set("new", big, sliding).await.unwrap();
}

#[tokio::test]
async fn scripts_that_a_server_forgot_are_loaded_again() {
    let server = start(&[]);
    let store = open(server.port, Clock::system());
    store
        .set("a", "1".into(), Expiration::default())
        .await
        .unwrap();
    let _: String = ask(&server, &["SCRIPT", "FLUSH"]).await;
    store.refresh("a").await.unwrap();
    store
        .set("a", "2".into(), Expiration::default())
        .await
        .unwrap();
    assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn every_operation_is_fit_for_a_cluster() {
    let server = start(&["--cluster-enabled", "yes", "--cluster-config-file", &{
        format!("token-cache-nodes-{}.conf", std::process::id())
    }]);
    let _: String = ask(&server, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    for _ in 0..500 {
        let info: String = ask(&server, &["CLUSTER", "INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = open(server.port, Clock::system());
    let cas = store.compare_and_set().unwrap();
    for key in ["a", "b", "{c}d"] {
        store
            .set(key, "1".into(), Expiration::default())
            .await
            .unwrap();
        store.refresh(key).await.unwrap();
        let found = cas.get_versioned(key).await.unwrap().unwrap();
        let put = cas.set_if(key, Some(&found.version), "2".into(), Expiration::default());
        put.await.unwrap();
        store.remove(key).await.unwrap();
    }
    let conf = format!("/tmp/token-cache-nodes-{}.conf", std::process::id());
    let _ = std::fs::remove_file(conf);
}

#[tokio::test]
async fn a_password_is_used_and_shown_nowhere() {
    let server = start(&["--requirepass", "s3cret-word"]);
    let at = |login: &str| {
        let mut options = options(server.port);
        options.url = token_cache::Secret::new(format!("redis://{login}127.0.0.1:{}", server.port));
        options
    };
    let right = at(":s3cret-word@");
    let store = RedisStore::try_new(&right, Clock::system()).unwrap();
    store
        .set("a", "1".into(), Expiration::default())
        .await
        .unwrap();
    assert!(!format!("{right:?} {store:?}").contains("s3cret"));

    let store = RedisStore::try_new(&at(":wr0ng-word@"), Clock::system()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(!error.reason.contains("wr0ng"), "{error}");
    let store = RedisStore::try_new(&at(""), Clock::system()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("NOAUTH"), "{error}");
}

#[test]
fn a_url_that_cannot_be_read_is_refused_without_being_shown() {
    for url in [
        "redis://:pa55word@host:notaport",
        "http://:pa55word@host",
        "",
    ] {
        let options = RedisOptions::new(url);
        let error = RedisStore::try_new(&options, Clock::system()).unwrap_err();
        assert!(!error.reason.contains("pa55word"), "{error}");
    }
}

#[tokio::test]
async fn tls_is_spoken_with_an_authority_that_is_trusted_and_no_other() {
    let scratch = Scratch::new("redis-tls");
    let authority = rcgen::CertifiedIssuer::self_signed(
        {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
        },
        rcgen::KeyPair::generate().unwrap(),
    )
    .unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let leaf = rcgen::CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", &authority.pem());
    let certificate = file("leaf.pem", &leaf.pem());
    let private = file("leaf.key", &key.serialize_pem());

    let port = free_port();
    let tls_port = port.to_string();
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        "0",
        "--tls-port",
        &tls_port,
        "--bind",
        "127.0.0.1",
    ]);
    command.args(["--save", "", "--dir", "/tmp", "--tls-auth-clients", "no"]);
    command.args(["--tls-cert-file", &certificate, "--tls-key-file", &private]);
    command.args(["--tls-ca-cert-file", &ca]);
    let _server = Server::start(port, command);

    let mut options = options(port);
    options.url = token_cache::Secret::new(format!("rediss://localhost:{port}"));
    options.ca_pem = Some(authority.pem());
    let store = RedisStore::try_new(&options, Clock::system()).unwrap();
    store
        .set("a", "1".into(), Expiration::default())
        .await
        .unwrap();
    assert!(store.get("a").await.unwrap().is_some());

    options.ca_pem = None;
    let store = RedisStore::try_new(&options, Clock::system()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("certificate"), "{error}");
}
