//! `mock-idp` without sockets: its router is the transport.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use token_cache::Secret;
use token_client::{
    AuthorizationCode, HttpIdentityProvider, IdentityProvider, RequestError, Transport,
    TransportFuture,
};
use tower::ServiceExt as _;

const HOST: &str = "https://login.microsoftonline.com";
const REDIRECT: &str = "https://localhost/x";

/// A mock that answers in this process, under Entra's address.
#[derive(Debug, Clone)]
pub(crate) struct InProcess(Router);

impl InProcess {
    pub(crate) fn new(router: Router) -> Self {
        Self(router)
    }

    /// The client's side of it.
    pub(crate) fn provider(&self) -> Arc<dyn IdentityProvider> {
        let transport = Arc::new(self.clone());
        let limit = Duration::from_secs(10);
        Arc::new(HttpIdentityProvider::over(transport, HOST, limit))
    }

    /// Signs a user of contoso.com in, as their browser would, and gives the code
    /// that it brings back.
    pub(crate) async fn sign_in(
        &self,
        tenant: &str,
        client_id: &str,
        scope: &str,
        user: &str,
    ) -> AuthorizationCode {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("scope", &format!("openid profile offline_access {scope}"))
            .append_pair("login_hint", &format!("{user}@contoso.com"))
            .finish();
        let uri = format!("{HOST}/{tenant}/oauth2/v2.0/authorize?{query}");
        let request = Request::get(uri).body(Full::default()).unwrap();
        let answer = self.exchange(request).await;
        let location = answer.headers()["location"].to_str().unwrap();
        let code = location.split("code=").nth(1).expect("a code");
        let code = code.split('&').next().unwrap_or_default();
        AuthorizationCode {
            code: Secret::new(code),
            redirect_uri: REDIRECT.into(),
            code_verifier: None,
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let request = request.map(axum::body::Body::new);
        let answer = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, body)
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request<Full<Bytes>>) -> TransportFuture<'_> {
        Box::pin(async { Ok::<_, RequestError>(self.exchange(request).await) })
    }
}
