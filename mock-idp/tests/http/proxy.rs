//! The proxy that leads to Entra's login hosts, which are this server.

use std::sync::Arc;

use mock_idp::Config;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::support::TestServer;

async fn start() -> TestServer {
    TestServer::with(Config {
        proxy: Some(([127, 0, 0, 1], 0).into()),
        ..Config::default()
    })
    .await
}

/// A connection to the proxy, and the status line of its answer to a request for a tunnel.
async fn connect(idp: &TestServer, target: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(idp.server.proxy_addr().unwrap())
        .await
        .unwrap();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (stream, status)
}

#[tokio::test]
async fn a_tunnel_to_entra_ends_in_the_server() {
    let idp = start().await;
    let (stream, status) = connect(&idp, "login.microsoftonline.com:443").await;
    assert_eq!(status, "HTTP/1.1 200 Connection established");

    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(idp.server.ca_certificate().unwrap());
    roots.add(authority.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("login.microsoftonline.com").unwrap();
    let mut stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .unwrap();
    let request = "GET /contoso.com/v2.0/.well-known/openid-configuration HTTP/1.1\r\n\
                   host: login.microsoftonline.com\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let document: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let endpoint = document["token_endpoint"].as_str().unwrap();
    assert!(
        endpoint.starts_with("https://login.microsoftonline.com/"),
        "{endpoint}"
    );
}

#[tokio::test]
async fn a_tunnel_leads_nowhere_else() {
    let idp = start().await;
    // Somebody who listens where a tunnel is asked for hears nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = listener.local_addr().unwrap().to_string();
    for target in [
        elsewhere.as_str(),
        "localhost:443",
        "example.com:443",
        "graph.microsoft.com:443",
        "169.254.169.254:80",
        "login.microsoftonline.com:22",
    ] {
        let (mut stream, status) = connect(&idp, target).await;
        assert_eq!(status, "HTTP/1.1 403 Forbidden", "{target}");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("nowhere else"), "{rest}");
    }
    tokio::select! {
        biased;
        _ = listener.accept() => panic!("the proxy connected to {elsewhere}"),
        () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
    }
}
