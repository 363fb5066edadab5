//! What clients cannot do to the server: make it wait, make it grow, make it fall over.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use mock_idp::{Config, Latencies, Latency, Limits, Server, Signing, StartError};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Door as _, InProcess, TENANT, TestServer, client_credentials, form};
use crate::temp_dir::TempDir;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Longer than any of these tests may take to see the server act.
const LONG: Duration = Duration::from_secs(20);

fn impatient() -> Limits {
    Limits {
        handshake: MS(200),
        headers: MS(200),
        body: MS(200),
        ..Limits::default()
    }
}

/// Sends these bytes over plain TCP, and reads until the server hangs up.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let conversation = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and hang up before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(LONG, conversation)
        .await
        .expect("the server hangs up")
}

#[tokio::test]
async fn what_is_no_http_is_answered_plainly_or_hung_up_on() {
    let idp = TestServer::with(Config {
        limits: impatient(),
        ..Config::default()
    })
    .await;
    let (http, https) = (
        idp.server.http_addr().unwrap(),
        idp.server.https_addr().unwrap(),
    );
    let long_header = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let many_headers = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(500)
    );
    let truncated_body = "POST /common/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\n\
        content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\na=1";
    for (bytes, status) in [
        (&b""[..], ""),
        (b"PRI * HTTP/2.0\r\n", ""),
        (b"GET / HTTP/1.1\r\nhost:", ""),
        (b"\x16\x03\x01\x00\xa5garbage\r\n\r\n", "HTTP/1.1 400"),
        (b"nonsense\r\n\r\n", "HTTP/1.1 400"),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "",
        ),
        (long_header.as_bytes(), "HTTP/1.1 431"),
        (many_headers.as_bytes(), "HTTP/1.1 431"),
        (truncated_body.as_bytes(), "HTTP/1.1 408"),
        (
            b"GET /common/v2.0/.well-known/openid-configuration HTTP/1.1\r\nhost: \"<x>\r\n\r\n",
            "HTTP/1.1 400",
        ),
    ] {
        let answer = talk(http, bytes).await;
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(
            answer.starts_with(status),
            "{sent:?} was answered with {answer:?}"
        );
    }
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ] {
        talk(https, bytes).await;
    }
    assert_eq!(
        idp.get("/healthz").await.text(),
        "ok\n",
        "and still serves others"
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_halfway_is_counted_and_forgotten() {
    let idp = TestServer::start().await;
    let mut stream = TcpStream::connect(idp.server.http_addr().unwrap())
        .await
        .unwrap();
    let request = "POST /common/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\n\
        content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\na=1";
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    let deadline = Instant::now() + LONG;
    while idp.server.ledger().token_requests == 0 && Instant::now() < deadline {
        sleep(MS(10)).await;
    }
    assert_eq!(idp.server.ledger().token_requests, 1);
    let metrics = idp.get("/metrics").await;
    assert!(
        metrics.text().contains("mockidp_in_flight_requests 1\n"),
        "this one alone"
    );
}

#[tokio::test]
async fn an_oversized_body_is_refused_in_entras_words() {
    let idp = TestServer::start().await;
    for size in [65 * 1024, 900 * 1024, 3 * 1024 * 1024] {
        let scope = "x".repeat(size);
        let request = idp
            .request(http::Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[("scope", &scope)]).into())
            .unwrap();
        let answer = idp.send(request).await;
        assert_eq!(
            answer.refusal(),
            (413, "invalid_request".to_owned(), 9_002_313)
        );
    }
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let idp = TestServer::start().await;
    assert_eq!(
        idp.get("/healthz").await.version,
        http::Version::HTTP_2,
        "chosen by ALPN"
    );
    let answer = talk(
        idp.server.http_addr().unwrap(),
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"),
        "{answer}"
    );

    let stream = TcpStream::connect(idp.server.http_addr().unwrap())
        .await
        .unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/healthz")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        sender.send_request(request).await.unwrap().status(),
        200,
        "h2c"
    );
    connection.abort();
}

#[tokio::test]
async fn a_document_speaks_of_the_scheme_it_was_asked_over() {
    let idp = TestServer::start().await;
    let port = idp.server.http_addr().unwrap().port();
    let request = "GET /common/v2.0/.well-known/openid-configuration HTTP/1.1\r\n\
        host: localhost:PORT\r\nconnection: close\r\n\r\n"
        .replace("PORT", &port.to_string());
    let answer = talk(idp.server.http_addr().unwrap(), request.as_bytes()).await;
    let issuer = format!("\"issuer\":\"http://localhost:{port}/{{tenantid}}/v2.0\"");
    assert!(answer.contains(&issuer), "{answer}");
}

#[tokio::test]
async fn stopping_lets_requests_in_flight_finish() {
    let latency = Latencies {
        token: Latency::Fixed(MS(500)),
        ..Latencies::default()
    };
    let idp = TestServer::with(Config {
        latency,
        ..Config::default()
    })
    .await;
    let address = idp.server.http_addr().unwrap();
    // A connection that is kept open holds nothing up.
    let idle = TcpStream::connect(address).await.unwrap();
    let client = idp.client.clone();
    let request = idp
        .request(http::Method::POST, &format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(&client_credentials("api://x/.default")).into())
        .unwrap();
    let in_flight = tokio::spawn(async move { client.request(request).await });
    while !idp
        .get("/metrics")
        .await
        .text()
        .contains("mockidp_in_flight_requests 2\n")
    {
        sleep(MS(5)).await;
    }
    let started = Instant::now();
    idp.server.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(in_flight.await.unwrap().unwrap().status(), 200);
    assert!(
        TcpStream::connect(address).await.is_err(),
        "accepts no more"
    );
    drop(idle);
}

#[tokio::test]
async fn requests_that_do_not_finish_are_given_up() {
    let latency = Latencies {
        token: Latency::Fixed(Duration::from_mins(5)),
        ..Latencies::default()
    };
    let limits = Limits {
        drain: MS(100),
        ..Limits::default()
    };
    let idp = TestServer::with(Config {
        latency,
        limits,
        ..Config::default()
    })
    .await;
    let client = idp.client.clone();
    let request = idp
        .request(http::Method::POST, "/common/oauth2/v2.0/token")
        .body("".into())
        .unwrap();
    let in_flight = tokio::spawn(async move { client.request(request).await });
    while !idp
        .get("/metrics")
        .await
        .text()
        .contains("mockidp_in_flight_requests 2\n")
    {
        sleep(MS(5)).await;
    }
    timeout(LONG, idp.server.stop())
        .await
        .expect("stops in time");
    assert!(in_flight.await.unwrap().is_err());
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let idp = TestServer::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    let address = idp.server.http_addr().unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let second = tokio::spawn(async move { talk(address, request).await });
    sleep(MS(100)).await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().ends_with("ok\n"));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let data = TempDir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let start = async |config: Config| Server::start(config).await.map(drop).unwrap_err();

    let error = start(Config::default()).await;
    assert!(matches!(error, StartError::NoAddress), "{error}");

    // Nothing is bound that other machines reach, unless they are meant to.
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = start(Config {
            http: Some(address.parse().unwrap()),
            ..Config::default()
        })
        .await;
        assert!(matches!(error, StartError::Exposed { .. }), "{error}");
        assert!(error.hint().unwrap().contains("--expose"));
    }
    let exposed = Server::start(Config {
        http: Some(([0, 0, 0, 0], 0).into()),
        expose: true,
        ..Config::default()
    });
    exposed.await.unwrap().stop().await;

    let error = start(Config {
        http: Some(taken),
        ..Config::default()
    })
    .await;
    assert_eq!(error.to_string(), format!("cannot serve http at {taken}"));
    assert!(
        error.hint().unwrap().contains("--http 127.0.0.1:0"),
        "{:?}",
        error.hint()
    );
    drop(holder);

    std::fs::write(data.path().join("ca"), "a file where a directory should be").unwrap();
    let error = start(Config {
        https: Some(([127, 0, 0, 1], 0).into()),
        data_dir: Some(data.path().to_owned()),
        ..Config::default()
    })
    .await;
    assert!(matches!(error, StartError::Tls(_)), "{error}");

    let latency = Latency::Uniform {
        min: MS(2),
        max: MS(1),
    };
    let error = start(Config {
        http: Some(([127, 0, 0, 1], 0).into()),
        latency: Latencies {
            jwks: latency,
            ..Latencies::default()
        },
        ..Config::default()
    })
    .await;
    assert!(matches!(error, StartError::Idp(_)), "{error}");
}

/// Status of the answer to a form body of these bytes.
fn answer_to(idp: &InProcess, runtime: &tokio::runtime::Runtime, body: Vec<u8>) -> u16 {
    runtime.block_on(async {
        let request = Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        timeout(LONG, idp.call(request))
            .await
            .expect("no hang")
            .status()
            .as_u16()
    })
}

#[test]
fn no_form_body_breaks_the_token_endpoint() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let idp = InProcess::new(Config {
        signing: Signing::Inline,
        ..Config::default()
    });
    let known = prop::sample::select(vec![
        "grant_type=client_credentials",
        "grant_type=authorization_code",
        "grant_type=refresh_token",
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "requested_token_use=on_behalf_of",
        "client_id=app",
        "client_secret=s",
        "scope=api://x/.default",
        "redirect_uri=http://localhost/",
        "claims={}",
    ]);
    let names = prop::sample::select(vec![
        "code",
        "refresh_token",
        "assertion",
        "scope",
        "client_id",
        "resource",
        "claims",
        "x",
    ]);
    let anything = (names, "[\\x00-\\x7f\u{e9}]{0,40}").prop_map(|(name, value)| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair(name, &value)
            .finish()
    });
    let parts = prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), anything], 0..8);
    let likely = parts.prop_map(|parts| parts.join("&").into_bytes());
    let bodies = prop_oneof![prop::collection::vec(any::<u8>(), 0..2000), likely];
    proptest!(ProptestConfig::with_cases(512), |(body in bodies)| {
        let status = answer_to(&idp, &runtime, body);
        prop_assert!(status < 500, "{status}");
    });
}
