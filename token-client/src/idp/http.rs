//! The token endpoint over HTTP.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
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

/// A token endpoint at `{base}/{tenant}/oauth2/v2.0/token`, with a connection
/// pool of its own.
pub struct HttpIdentityProvider {
    base: String,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpIdentityProvider {
    /// A provider at `base` (`https://host[:port]`), trusted as `tls` says.
    /// A request that takes longer than `timeout`, connecting included, fails.
    pub fn new(base: impl Into<String>, tls: &rustls::ClientConfig, timeout: Duration) -> Self {
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            timeout,
            client,
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
        let response = self
            .client
            .request(http_request)
            .await
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|_| RequestError::Protocol {
                status,
                reason: format!("a body that broke off or exceeds {MAX_BODY_BYTES} bytes"),
            })?
            .to_bytes();
        wire::decode(status, retry_after, &body)
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

impl fmt::Debug for HttpIdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpIdentityProvider")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
