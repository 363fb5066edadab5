//! The driver's own HTTPS calls: what a browser, a front end or an operator
//! would send, and never the clients under test.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::exit::with_causes;
use crate::target::in_process::InProcess;

/// No answer we read is larger.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A call takes no longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the driver's calls.
pub enum Http {
    /// Over HTTPS, with a pool of connections.
    Network(Box<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>),
    /// To a provider in this process.
    InProcess(InProcess),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it redirects to.
    pub location: Option<String>,
    /// Its body.
    pub body: Bytes,
}

impl Http {
    /// A client that trusts as `tls` says.
    pub fn new(tls: &rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self::Network(Box::new(client))
    }

    /// `GET url`, redirects not followed.
    ///
    /// # Errors
    ///
    /// Why no answer came, in words.
    pub async fn get(&self, url: &str) -> Result<Answer, String> {
        self.send(Method::GET, url, String::new()).await
    }

    /// `POST url` with a form.
    ///
    /// # Errors
    ///
    /// Why no answer came, in words.
    pub async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Answer, String> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.send(Method::POST, url, body).await
    }

    async fn send(&self, method: Method, url: &str, body: String) -> Result<Answer, String> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(body))
            .map_err(|error| with_causes(&error))?;
        let client = match self {
            Self::Network(client) => client,
            Self::InProcess(provider) => {
                let response = provider.send_at_once(request).await?;
                return Ok(Answer {
                    status: response.status(),
                    location: location(response.headers()),
                    body: response.into_body(),
                });
            }
        };
        let work = async {
            let response = client.request(request).await.map_err(|e| with_causes(&e))?;
            let status = response.status();
            let location = location(response.headers());
            let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            Ok(Answer {
                status,
                location,
                body,
            })
        };
        tokio::time::timeout(TIMEOUT, work)
            .await
            .unwrap_or_else(|_| Err(format!("no answer in {TIMEOUT:?}")))
    }
}

fn location(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    Some(location.to_owned())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// A TLS configuration that trusts the certificate authorities in `pem`, and
/// no other.
///
/// # Errors
///
/// When `pem` holds no certificate or one that cannot be used.
pub fn trusting(pem: &[u8]) -> Result<rustls::ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("no PEM certificate: {error:?}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no PEM certificate".to_owned());
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
