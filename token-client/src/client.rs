//! The confidential client: `acquire`, and the whole decision behind it.

use std::fmt;
use std::sync::Arc;

use token_cache::policy::Flight;
use token_cache::{
    CacheLevel, Environment, PartitionKey, PartitionKeyRef, Scopes, Secret, TokenCache,
};
use tokio::time::Instant;

use crate::error::{AcquireError, ErrorKind};
use crate::events::{ClientEvents, NoEvents};
use crate::fetch::{Fetch, Seen};
use crate::flight::{Flights, Role};
use crate::flow::Flow;
use crate::idp::IdentityProvider;
use crate::jitter::JitterSource;
use crate::result::{AuthenticationResult, ResultMetadata, TokenRequests, TokenSource};

/// A registered application.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id.
    pub client_id: Arc<str>,
    /// Its secret.
    pub client_secret: Secret,
}

/// Who is asked for tokens.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The cloud, which goes into the cache with each token.
    pub environment: Environment,
    /// Its token endpoint.
    pub provider: Arc<dyn IdentityProvider>,
}

/// What a caller wants.
#[derive(Debug, Clone)]
pub struct AcquireRequest {
    /// How to get it.
    pub flow: Flow,
    /// Tenant to get it from: an id, a domain, or `common`.
    pub tenant_id: Arc<str>,
    /// What it must be good for.
    pub scopes: Scopes,
    /// Whether to pass over cached access tokens.
    pub force_refresh: bool,
    /// A claims challenge from a resource, as JSON; cached access tokens do not
    /// answer it.
    pub claims: Option<Arc<str>>,
    /// Whatever the caller wants to see again in [`ClientEvents`].
    pub mark: u32,
}

impl AcquireRequest {
    /// A request without force refresh or claims.
    pub fn new(flow: Flow, tenant_id: Arc<str>, scopes: Scopes) -> Self {
        Self {
            flow,
            tenant_id,
            scopes,
            force_refresh: false,
            claims: None,
            mark: 0,
        }
    }

    pub(crate) fn passes_over_cached_tokens(&self) -> bool {
        self.force_refresh || self.claims.is_some()
    }
}

/// Acquires tokens for one application. Cheap to clone; clones share.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) application: Application,
    pub(crate) authority: Authority,
    pub(crate) cache: Arc<TokenCache>,
    pub(crate) flights: Flights<FlightKey, Fetch>,
    pub(crate) events: Arc<dyn ClientEvents>,
    pub(crate) jitter: JitterSource,
}

/// What a flight is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Callers wait for it.
    Acquire,
    /// Nobody does.
    Refresh,
}

/// Requests with one key have one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    purpose: Purpose,
    partition: PartitionKey,
    tenant_id: Arc<str>,
    scopes: Scopes,
    force_refresh: bool,
    claims: Option<Arc<str>>,
}

impl FlightKey {
    pub(crate) fn new(purpose: Purpose, partition: PartitionKey, request: &AcquireRequest) -> Self {
        Self {
            purpose,
            partition,
            tenant_id: Arc::clone(&request.tenant_id),
            scopes: request.scopes.clone(),
            force_refresh: request.force_refresh,
            claims: request.claims.clone(),
        }
    }
}

impl Client {
    /// A client for `application` at `authority`, with tokens in `cache`. The
    /// cache may be shared by clients of several applications.
    pub fn new(application: Application, authority: Authority, cache: Arc<TokenCache>) -> Self {
        Self::with_events(application, authority, cache, Arc::new(NoEvents))
    }

    /// [`Client::new`] with a listener.
    pub fn with_events(
        application: Application,
        authority: Authority,
        cache: Arc<TokenCache>,
        events: Arc<dyn ClientEvents>,
    ) -> Self {
        Self::seeded(application, authority, cache, events, rand::random())
    }

    /// [`Client::with_events`], with the seed of its random choices: when it
    /// refreshes, around the provider's advice. For runs that must be the same
    /// each time; clients that should differ need seeds that do.
    pub fn seeded(
        application: Application,
        authority: Authority,
        cache: Arc<TokenCache>,
        events: Arc<dyn ClientEvents>,
        seed: u64,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                application,
                authority,
                cache,
                flights: Flights::new(),
                events,
                jitter: JitterSource::new(seed),
            }),
        }
    }

    /// The cache it uses.
    pub fn cache(&self) -> &Arc<TokenCache> {
        &self.shared.cache
    }

    /// Gets a token: from L1, else from L2, else from the identity provider.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] with the cause and the metadata of the attempt.
    pub async fn acquire(
        &self,
        request: &AcquireRequest,
    ) -> Result<AuthenticationResult, AcquireError> {
        let started = Instant::now();
        let shared = &self.shared;
        let key = shared.partition_to_read(request);
        let mut seen = Seen::nothing(request);
        if request.scopes.is_empty() {
            let kind = ErrorKind::InvalidRequest("at least one scope is needed");
            return Err(AcquireError::new(kind, local(started, &seen)));
        }
        // The clock is read once for a hit: it is a good part of its cost.
        let now = shared.cache.clock().at(started);
        if let Some(key) = key
            && let Some(partition) = shared.cache.read_l1(key, now).await
        {
            match shared.look(request, partition, now, &mut seen) {
                Ok(Some(answer)) => {
                    let reason = shared.refresh_if_due(request, key, &answer.token, now);
                    return Ok(answer.into_cached_result(started, CacheLevel::L1, reason));
                }
                Ok(None) => {}
                Err(error) => {
                    return Err(AcquireError::new(
                        ErrorKind::Cache(error),
                        local(started, &seen),
                    ));
                }
            }
        }
        let in_l1 = started.elapsed();
        let owned = key.map(PartitionKeyRef::to_owned);
        let (fetch, role) = self.fetch(request, owned, seen).await;
        match role {
            Role::Leader => fetch.into_leaders_result(started, in_l1),
            Role::Waiter => {
                let cached = key.and_then(|key| shared.look_after_waiting(request, key));
                fetch.into_waiters_result(started, in_l1, cached)
            }
        }
    }

    /// Runs a fetch, or waits for one under way, as the policy says.
    async fn fetch(
        &self,
        request: &AcquireRequest,
        key: Option<PartitionKey>,
        seen: Seen,
    ) -> (Fetch, Role) {
        let reason = seen.reason;
        let shared = Arc::clone(&self.shared);
        match (self.shared.cache.policy().flight, &key) {
            (Flight::PerKey, Some(partition)) => {
                let flight_key = FlightKey::new(Purpose::Acquire, partition.clone(), request);
                let request = request.clone();
                let fetch = || shared.fetch(request, key, seen);
                let (fetch, role) = self.shared.flights.join(flight_key, fetch).await;
                (fetch.unwrap_or_else(|| Fetch::lost(reason)), role)
            }
            _ => (shared.fetch(request.clone(), key, seen).await, Role::Leader),
        }
    }
}

/// Metadata of an acquisition that ended before it left this process.
fn local(started: Instant, seen: &Seen) -> ResultMetadata {
    let elapsed = started.elapsed();
    ResultMetadata {
        token_source: TokenSource::Cache,
        cache_level: CacheLevel::None,
        cache_refresh_reason: seen.reason,
        duration_total: elapsed,
        duration_in_cache: elapsed,
        duration_in_http: None,
        coalesced: false,
        token_requests: TokenRequests::default(),
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("application", &self.application)
            .field("authority", &self.authority)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
