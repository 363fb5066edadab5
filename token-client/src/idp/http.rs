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
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::wire::Lifetime;
use super::{
    Grant, IdentityProvider, ProviderKind, RequestError, TokenFuture, TokenRequest, TokenResponse,
    retry, wire,
};

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
struct Network<C>(Client<C, Full<Bytes>>);

/// Sockets without TLS, for endpoints inside the machine.
pub(super) fn plain() -> Arc<dyn Transport> {
    Arc::new(Network(pooled(HttpConnector::new())))
}

fn pooled<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

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

    fn endpoint(&self, tenant_id: &str) -> String {
        format!("{}/{tenant_id}/oauth2/v2.0/token", self.base)
    }

    async fn send(&self, request: &TokenRequest) -> Result<TokenResponse, RequestError> {
        if matches!(request.grant, Grant::ManagedIdentity { .. }) {
            let reason = "a token endpoint gives no managed identity's tokens; use \
                          `HttpManagedIdentity`";
            return Err(RequestError::Unreachable(reason.into()));
        }
        let uri: Uri = self
            .endpoint(&request.tenant_id)
            .parse()
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        let http_request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header("client-request-id", request.correlation_id.to_string())
            .header("return-client-request-id", "true")
            .header("x-client-sku", "token-client")
            .header("x-client-ver", env!("CARGO_PKG_VERSION"))
            .header("x-client-current-telemetry", &request.telemetry)
            .body(Full::from(wire::encode(request)))
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        read(&self.transport.send(http_request).await?, Lifetime::Length)
    }
}

/// What an answer to a token request says.
pub(super) fn read(
    response: &Response<Bytes>,
    lifetime: Lifetime,
) -> Result<TokenResponse, RequestError> {
    let retry_after = retry_after(response.headers());
    wire::decode(
        response.status().as_u16(),
        retry_after,
        response.body(),
        lifetime,
    )
}

/// `Retry-After` in seconds; dates, which Entra does not send, are not read.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

impl Network<HttpsConnector<HttpConnector>> {
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
        Self(pooled(connector))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Network<C> {
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
                retry_after: retry_after(&parts.headers),
            })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Transport for Network<C> {
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

    fn token_endpoint(&self, tenant_id: &str) -> Option<Arc<str>> {
        Some(self.endpoint(tenant_id).into())
    }

    fn retry(&self, error: &RequestError, sent: u32) -> Option<Duration> {
        retry::of_token_endpoint(error, sent)
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::TokenEndpoint
    }
}

impl<C> fmt::Debug for Network<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
