//! How many requests for one token an instance has under way at a time: one, if
//! callers share a fetch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use token_client::IdentityProvider;
use token_client::idp::{Grant, ProviderKind, RequestError, TokenFuture, TokenRequest};

/// The most that any instance of a fleet had.
#[derive(Debug, Default)]
pub struct Overlap(AtomicU64);

impl Overlap {
    /// Watches the requests of one instance.
    pub fn watch(
        self: Arc<Self>,
        provider: Arc<dyn IdentityProvider>,
    ) -> Arc<dyn IdentityProvider> {
        Arc::new(Watched {
            provider,
            open: Mutex::default(),
            overlap: self,
        })
    }

    /// The most requests for one token that one instance had under way at a time.
    pub fn most(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Watched {
    provider: Arc<dyn IdentityProvider>,
    /// Requests under way, by what they ask for.
    open: Mutex<HashMap<u64, u64>>,
    overlap: Arc<Overlap>,
}

/// One request under way; nobody waits for it any more when it is dropped.
struct Open<'a> {
    watched: &'a Watched,
    key: u64,
}

impl Watched {
    fn begin(&self, request: &TokenRequest) -> Open<'_> {
        let key = key(request);
        let mut open = self.open.lock();
        let now = open.entry(key).or_default();
        *now += 1;
        self.overlap.0.fetch_max(*now, Ordering::Relaxed);
        Open { watched: self, key }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut open = self.watched.open.lock();
        if let Some(now) = open.get_mut(&self.key) {
            *now -= 1;
            if *now == 0 {
                open.remove(&self.key);
            }
        }
    }
}

impl IdentityProvider for Watched {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            let _open = self.begin(request);
            self.provider.request_token(request).await
        })
    }

    fn token_endpoint(&self, tenant_id: &str) -> Option<Arc<str>> {
        self.provider.token_endpoint(tenant_id)
    }

    fn retry(&self, error: &RequestError, sent: u32) -> Option<Duration> {
        self.provider.retry(error, sent)
    }

    fn kind(&self) -> ProviderKind {
        self.provider.kind()
    }
}

/// What a request asks for, the same for requests of one token.
fn key(request: &TokenRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.tenant_id, &request.client_id, &request.scopes).hash(&mut hasher);
    request.grant.as_str().hash(&mut hasher);
    match &request.grant {
        Grant::ClientCredentials => {}
        Grant::AuthorizationCode { code, .. } => code.expose().hash(&mut hasher),
        Grant::OnBehalfOf { assertion } => assertion.expose().hash(&mut hasher),
        Grant::RefreshToken { refresh_token } => refresh_token.expose().hash(&mut hasher),
        Grant::ManagedIdentity { identity } => identity.hash(&mut hasher),
    }
    hasher.finish()
}
