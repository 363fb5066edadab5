//! The example service, scraped: the token cache's metrics in a program that is
//! not ours.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(dead_code, reason = "the example's `main` runs only there")]

#[path = "../examples/service.rs"]
mod service;

use std::net::SocketAddr;

use mock_idp::{Config, Server};
use service::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_service_exports_what_it_did_and_no_secret() {
    let data = std::env::temp_dir().join(format!("test-of-telemetry-{}", std::process::id()));
    let provider = Server::start(Config {
        https: Some(LOCAL),
        data_dir: Some(data.clone()),
        ..Config::default()
    })
    .await
    .unwrap();
    let port = provider.https_addr().unwrap().port();
    let ca = std::fs::read(provider.ca_certificate().unwrap()).unwrap();
    let service = Service::start(&format!("https://localhost:{port}"), &ca, LOCAL).unwrap();
    let before = scrape(service.address()).await;
    for _ in 0..5 {
        service.work().await;
    }
    let after = scrape(service.address()).await;
    let acquired = |source: &str, level: &str, reason: &str| {
        format!(
            "tokencache_acquisitions_total{{flow=\"client_credentials\",outcome=\"success\",token_source=\"{source}\",cache_level=\"{level}\",cache_refresh_reason=\"{reason}\"}}"
        )
    };
    let hits = acquired("cache", "l1", "not_applicable");
    let misses = acquired("identity_provider", "none", "no_cached_access_token");
    for (series, at_first, at_last) in [
        (hits.as_str(), 0, 4),
        (misses.as_str(), 0, 1),
        ("tokencache_acquire_http_duration_seconds_count", 0, 1),
        ("tokencache_partitions{level=\"l1\"}", 0, 1),
        (
            "tokencache_entries{level=\"l1\",kind=\"access_token\"}",
            0,
            1,
        ),
        (
            "tokencache_operations_total{level=\"l1\",operation=\"set\",outcome=\"ok\"}",
            0,
            1,
        ),
        (
            "tokencache_acquisition_errors_total{flow=\"client_credentials\",error=\"throttled\"}",
            0,
            0,
        ),
    ] {
        for (text, value) in [(&before, at_first), (&after, at_last)] {
            let line = format!("\n{series} {value}\n");
            assert!(text.contains(&line), "no {line}{text}");
        }
    }
    for hidden in ["contoso", "orders", "7a3c0a52", "eyJ", "open directory"] {
        assert!(!after.contains(hidden), "`{hidden}` is shown: {after}");
    }
    provider.stop().await;
    std::fs::remove_dir_all(data).unwrap();
}
