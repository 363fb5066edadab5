//! The token endpoint over HTTP.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{IdentityProvider, RequestError, TokenFuture, TokenRequest, TokenResponse, wire};

/// An answer larger than this is no token response.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);

/// Brings an HTTP request to the provider and its answer back.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends `request` and waits for the whole answer.
    fn send(&self, request: Request<Full<Bytes>>) -> TransportFuture<'_>;
}

/// What [`Transport::send`] returns.
pub type TransportFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, RequestError>> + Send + 'a>>;

/// A token endpoint at `{base}/{tenant}/oauth2/v2.0/token`.
#[derive(Debug)]
pub struct HttpIdentityProvider {
    base: String,
    timeout: Duration,
    transport: Arc<dyn Transport>,
}

/// Sockets and TLS, with a connection pool of its own.
struct Network(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpIdentityProvider {
    /// A provider at `base` (`https://host[:port]`), trusted as `tls` says.
    /// A request that takes longer than `timeout`, connecting included, fails.
    pub fn new(base: impl Into<String>, tls: &rustls::ClientConfig, timeout: Duration) -> Self {
        Self::over(Arc::new(Network::new(tls)), base, timeout)
    }

    /// A provider at `base` that is reached through `transport`; a request that
    /// takes longer than `timeout` fails.
    pub fn over(transport: Arc<dyn Transport>, base: impl Into<String>, timeout: Duration) -> Self {
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            timeout,
            transport,
        }
    }

    async fn send(&self, request: &TokenRequest) -> Result<TokenResponse, RequestError> {
        let uri: Uri = format!("{}/{}/oauth2/v2.0/token", self.base, request.tenant_id)
            .parse()
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        let http_request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header("client-request-id", request.correlation_id.to_string())
            .header("return-client-request-id", "true")
            .header("x-client-sku", "token-client")
            .header("x-client-ver", env!("CARGO_PKG_VERSION"))
            .body(Full::from(wire::encode(request)))
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        let response = self.transport.send(http_request).await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        wire::decode(status, retry_after, response.body())
    }
}

impl Network {
    fn new(tls: &rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        // HTTP/1.1, as MSAL.NET's HttpClient speaks by default: one connection
        // a request in flight, where HTTP/2 would put all on one.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(without_alpn(tls))
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(connector),
        )
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, RequestError> {
        let response = self
            .0
            .request(request)
            .await
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|_| RequestError::Protocol {
                status: parts.status.as_u16(),
                reason: format!("a body that broke off or exceeds {MAX_BODY_BYTES} bytes"),
            })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

impl Transport for Network {
    fn send(&self, request: Request<Full<Bytes>>) -> TransportFuture<'_> {
        Box::pin(self.exchange(request))
    }
}

/// The connector sets ALPN itself and refuses a configuration that has it.
fn without_alpn(tls: &rustls::ClientConfig) -> rustls::ClientConfig {
    let mut tls = tls.clone();
    tls.alpn_protocols.clear();
    tls
}

impl IdentityProvider for HttpIdentityProvider {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            tokio::time::timeout(self.timeout, self.send(request))
                .await
                .unwrap_or(Err(RequestError::Timeout(self.timeout)))
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
