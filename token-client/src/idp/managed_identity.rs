//! A managed identity's endpoint over HTTP: the instance metadata service
//! (IMDS) of a virtual machine, or what App Service puts in its place.
//!
//! What it says of a token's end is taken before what it says of its lifetime:
//! App Service sends `expires_on` alone, and MSAL.NET looks at nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use token_cache::Secret;

use super::http::{self as over_http, Transport};
use super::wire::Lifetime;
use super::{
    Grant, IdentityProvider, ProviderKind, RequestError, TokenFuture, TokenRequest, TokenResponse,
    retry,
};
use crate::flow::ManagedIdentityId;

/// Where a managed identity's tokens come from.
#[derive(Debug, Clone)]
pub enum ManagedIdentitySource {
    /// A virtual machine's metadata service.
    Imds,
    /// App Service and Functions: the application is told a secret header.
    AppService {
        /// `IDENTITY_HEADER`.
        secret: Secret,
    },
}

/// A managed identity's endpoint.
pub struct HttpManagedIdentity {
    base: String,
    source: ManagedIdentitySource,
    timeout: Duration,
    transport: Arc<dyn Transport>,
}

impl HttpManagedIdentity {
    /// The endpoint at `base`: `http://169.254.169.254` on a virtual machine,
    /// `IDENTITY_ENDPOINT` without its path on App Service.
    pub fn new(base: impl Into<String>, source: ManagedIdentitySource, timeout: Duration) -> Self {
        Self::over(over_http::plain(), base, source, timeout)
    }

    /// The endpoint at `base` that is reached through `transport`.
    pub fn over(
        transport: Arc<dyn Transport>,
        base: impl Into<String>,
        source: ManagedIdentitySource,
        timeout: Duration,
    ) -> Self {
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            source,
            timeout,
            transport,
        }
    }

    fn path(&self) -> &'static str {
        match self.source {
            ManagedIdentitySource::Imds => "/metadata/identity/oauth2/token",
            ManagedIdentitySource::AppService { .. } => "/msi/token",
        }
    }

    fn uri(&self, identity: &ManagedIdentityId, request: &TokenRequest) -> String {
        let scope = request.scopes.target();
        let mut query = form_urlencoded::Serializer::new(String::new());
        let (version, resource_id) = match self.source {
            ManagedIdentitySource::Imds => ("2018-02-01", "msi_res_id"),
            ManagedIdentitySource::AppService { .. } => ("2019-08-01", "mi_res_id"),
        };
        query
            .append_pair("api-version", version)
            .append_pair("resource", scope.trim_end_matches("/.default"));
        match identity {
            ManagedIdentityId::SystemAssigned => {}
            ManagedIdentityId::ClientId(id) => {
                query.append_pair("client_id", id);
            }
            ManagedIdentityId::ObjectId(id) => {
                query.append_pair("object_id", id);
            }
            ManagedIdentityId::ResourceId(id) => {
                query.append_pair(resource_id, id);
            }
        }
        // What endpoints that know of claims are sent (`xms_cc`) in MSAL.NET.
        if let Some(hash) = &request.token_to_refresh {
            query.append_pair("token_sha256_to_refresh", hash);
        }
        format!("{}{}?{}", self.base, self.path(), query.finish())
    }

    async fn send(&self, request: &TokenRequest) -> Result<TokenResponse, RequestError> {
        let Grant::ManagedIdentity { identity } = &request.grant else {
            let reason = "a managed identity's endpoint gives no other tokens";
            return Err(RequestError::Unreachable(reason.into()));
        };
        let builder = Request::get(self.uri(identity, request))
            .header(header::ACCEPT, "application/json")
            .header("x-ms-client-request-id", request.correlation_id.to_string());
        let builder = match &self.source {
            ManagedIdentitySource::Imds => builder.header("Metadata", "true"),
            ManagedIdentitySource::AppService { secret } => {
                builder.header("X-IDENTITY-HEADER", secret.expose())
            }
        };
        let http_request = builder
            .body(Full::new(Bytes::new()))
            .map_err(|error| RequestError::Unreachable(Box::new(error)))?;
        over_http::read(&self.transport.send(http_request).await?, Lifetime::End)
    }
}

impl IdentityProvider for HttpManagedIdentity {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            tokio::time::timeout(self.timeout, self.send(request))
                .await
                .unwrap_or(Err(RequestError::Timeout(self.timeout)))
        })
    }

    fn token_endpoint(&self, _: &str) -> Option<Arc<str>> {
        Some(format!("{}{}", self.base, self.path()).into())
    }

    fn retry(&self, error: &RequestError, sent: u32) -> Option<Duration> {
        match self.source {
            ManagedIdentitySource::Imds => retry::of_metadata_service(error, sent),
            ManagedIdentitySource::AppService { .. } => retry::of_managed_identity(error, sent),
        }
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::TokenEndpoint
    }
}

impl fmt::Debug for HttpManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpManagedIdentity")
            .field("base", &self.base)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
