//! Good scrapers are served, bad ones do no harm.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::catalogue::{LOADGEN_IN_FLIGHT, LOADGEN_RUN_INFO};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn pages() -> Pages {
    let families = || vec![Family::of(&LOADGEN_IN_FLIGHT).value(&[], 1.0)];
    Pages::default()
        .page("/metrics", families)
        .page("/metrics/msal", Vec::new)
}

fn server() -> MetricsServer {
    MetricsServer::start(LOCAL, pages()).unwrap()
}

/// Serves on the test's thread, whose clock can be paused.
async fn serve_here(pages: Pages) -> SocketAddr {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(accept(listener, Arc::new(pages)));
    address
}

/// The whole answer to these bytes.
async fn send(server: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that hangs up on nonsense may do so with a reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(server: SocketAddr, path: &str, accept: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n");
    send(server, request.as_bytes()).await
}

#[tokio::test]
async fn a_scrape_gets_the_format_it_accepts_with_its_content_type() {
    let server = server();
    let text = get(server.address(), "/metrics", "*/*").await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(
        text.contains("content-type: text/plain; version=0.0.4"),
        "{text}"
    );
    assert!(text.ends_with("loadgen_in_flight_operations 1\n"), "{text}");
    let open = get(server.address(), "/metrics", "application/openmetrics-text").await;
    assert!(
        open.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{open}"
    );
    assert!(open.ends_with("# EOF\n"), "{open}");
    assert_eq!(server.served(), [2, 0]);
    let other = get(server.address(), "/metrics/msal", "*/*").await;
    assert!(other.starts_with("HTTP/1.1 200 OK"), "{other}");
}

#[tokio::test]
async fn whatever_a_scraper_says_it_accepts_it_gets_numbers() {
    let server = server();
    let long = "a".repeat(8_000);
    for accept in [
        "",
        "image/png",
        ";;;,,,===",
        "application/openmetrics-text;q=NaN",
        "text/plain;version=9",
        "\u{1f600}",
        &long,
    ] {
        let answer = get(server.address(), "/metrics", accept).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{accept}: {answer}");
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{accept}: {answer}"
        );
    }
    // Two headers: the first one counts, as in a list.
    let twice = send(
        server.address(),
        b"GET /metrics HTTP/1.1\r\nhost: x\r\naccept: text/plain\r\naccept: application/openmetrics-text\r\n\r\n",
    )
    .await;
    assert!(twice.contains("version=0.0.4"), "{twice}");
}

#[tokio::test]
async fn wrong_requests_get_an_answer_that_helps() {
    let server = server();
    let lost = get(server.address(), "/", "*/*").await;
    assert!(lost.starts_with("HTTP/1.1 404"), "{lost}");
    assert!(
        lost.ends_with("the metrics are at /metrics and /metrics/msal\n"),
        "{lost}"
    );
    let post = send(
        server.address(),
        b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
    assert!(post.contains("allow: GET, HEAD"), "{post}");
    let head = send(
        server.address(),
        b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let nonsense = send(
        server.address(),
        b"\x16\x03\x01 this is TLS, or a mistake\r\n\r\n",
    )
    .await;
    assert!(
        nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"),
        "{nonsense}"
    );
    let endless = format!("GET /metrics HTTP/1.1\r\nx: {}", "a".repeat(100_000));
    let refused = send(server.address(), endless.as_bytes()).await;
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 4"),
        "{refused}"
    );
    assert!(
        get(server.address(), "/healthz", "*/*")
            .await
            .ends_with("ok\n")
    );
}

#[tokio::test(start_paused = true)]
async fn scrapers_that_send_nothing_hold_the_others_up_for_seconds_and_not_for_ever() {
    let server = serve_here(pages()).await;
    let mut idle = Vec::new();
    for _ in 0..MOST_CONNECTIONS * 2 {
        idle.push(TcpStream::connect(server).await.unwrap());
    }
    let answer = get(server, "/metrics", "*/*").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

/// More than the buffers of a connection hold, on both of its ends.
const ENDLESS: usize = 8_000_000;

fn endless() -> Vec<Family> {
    let name = "x".repeat(ENDLESS);
    let labels = [name.as_str(), "hash", "7", "real"];
    vec![Family::of(&LOADGEN_RUN_INFO).count(&labels, 1)]
}

#[tokio::test(start_paused = true)]
async fn scrapers_that_never_read_their_answer_are_left_after_a_while() {
    let pages = Pages::default().page("/metrics", endless);
    let server = serve_here(pages).await;
    let mut stuck = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stuck.push(stream);
    }
    let waited = tokio::time::Instant::now();
    let answer = get(server, "/healthz", "*/*").await;
    assert!(answer.ends_with("ok\n"), "{answer}");
    let waited = waited.elapsed();
    assert!(waited <= CONNECTION_TIME * 2, "{waited:?}");
    // What they had not read is lost, and they see that it is.
    let mut rest = Vec::new();
    let _ = stuck[0].read_to_end(&mut rest).await;
    assert!(rest.len() < ENDLESS, "{} bytes", rest.len());
}

#[tokio::test(start_paused = true)]
async fn a_scraper_that_sends_a_letter_now_and_then_has_its_connection_for_so_long() {
    let server = serve_here(pages()).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    let begin = tokio::time::Instant::now();
    for letter in b"GET /metrics HTTP/1.1\r\nhost: "
        .iter()
        .chain([b'x'; 1_000].iter())
    {
        if stream.write_all(&[*letter]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let held = begin.elapsed();
    assert!(held <= CONNECTION_TIME, "{held:?}");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = server();
    let second = MetricsServer::start(first.address(), Pages::default());
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

/// A runtime of one thread that does not get round to anything else, as under load.
#[tokio::test]
async fn a_scrape_is_answered_while_the_program_s_runtime_is_busy() {
    use std::io::{Read as _, Write as _};

    let server = server();
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(CONNECTION_TIME)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_server_that_was_dropped_listens_no_more() {
    let server = server();
    let address = server.address();
    assert!(get(address, "/healthz", "*/*").await.ends_with("ok\n"));
    drop(server);
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
