//! An identity provider in the test's own process, which answers at once and never fails.
//! Tests and benches of other programs share it by path.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use token_client::idp::TokenFuture;
use token_client::{IdentityProvider, ProviderKind, RequestError, TokenRequest, TokenResponse};

/// Answers each request with what the function makes of it.
pub(crate) struct AtOnce<F>(pub(crate) F);

impl<F> IdentityProvider for AtOnce<F>
where
    F: Fn(&TokenRequest) -> TokenResponse + Send + Sync,
{
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(std::future::ready(Ok(self.0(request))))
    }

    fn token_endpoint(&self, _: &str) -> Option<Arc<str>> {
        None
    }

    fn retry(&self, _: &RequestError, _: u32) -> Option<Duration> {
        None
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::TokenEndpoint
    }
}

impl<F> fmt::Debug for AtOnce<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtOnce")
    }
}
