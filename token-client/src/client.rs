//! The confidential client: `acquire`, and the whole decision behind it.

use std::fmt;
use std::sync::Arc;

use token_cache::item::TokenType;
use token_cache::policy::{Accessor, Caching, Flight};
use token_cache::{
    AppMetadata, CacheError, CacheLevel, Environment, KeyComponents, PartitionKey, PartitionKeyRef,
    Scopes, Secret, TokenCache,
};
use tokio::time::Instant;

use crate::error::{AcquireError, ErrorKind};
use crate::events::{ClientEvents, NoEvents};
use crate::fetch::{Fetch, Seen};
use crate::flight::{Flights, Role};
use crate::flow::{Flow, managed_identity};
use crate::idp::IdentityProvider;
use crate::jitter::JitterSource;
use crate::result::{ApiId, AuthenticationResult, ResultMetadata};
use crate::throttle::Throttles;

/// A registered application.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id.
    pub client_id: Arc<str>,
    /// Its secret; `None` for a public client, which may use its family's
    /// refresh tokens.
    pub client_secret: Option<Secret>,
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
    /// SHA-256, in lower-case hex, of an access token that a resource refused:
    /// a cached token that is another one answers in spite of claims. Client
    /// credentials and managed identities only, and not with force refresh.
    pub access_token_hash_to_refresh: Option<Arc<str>>,
    /// What decides, beside client, tenant and scopes, which token answers.
    pub components: Option<KeyComponents>,
    /// How the token is presented.
    pub scheme: AuthenticationScheme,
    /// Why a distributed cache must not be used for this request; it fails
    /// where there is one. MSAL's `NoDistributedCacheUseReason`.
    pub no_distributed_cache_use_reason: Option<Arc<str>>,
    /// Whatever the caller wants to see again in [`ClientEvents`].
    pub mark: u32,
}

impl AcquireRequest {
    /// A request without force refresh or claims. The tenant is taken in lower
    /// case, as MSAL takes an authority: `CONTOSO.COM` is no other tenant.
    pub fn new(flow: Flow, tenant_id: Arc<str>, scopes: Scopes) -> Self {
        // Without a way out of the loop, so that many bytes are looked at at once.
        let is_upper = |found, byte: u8| found | byte.is_ascii_uppercase();
        let has_upper_case = tenant_id.bytes().fold(false, is_upper);
        let tenant_id = if has_upper_case {
            tenant_id.to_ascii_lowercase().into()
        } else {
            tenant_id
        };
        Self {
            flow,
            tenant_id,
            scopes,
            force_refresh: false,
            claims: None,
            access_token_hash_to_refresh: None,
            components: None,
            scheme: AuthenticationScheme::default(),
            no_distributed_cache_use_reason: None,
            mark: 0,
        }
    }

    /// Whether no cached access token answers, whichever it is.
    pub(crate) fn passes_over_cached_tokens(&self) -> bool {
        if defect!(ClaimsSticky) && matches!(self.flow, Flow::Silent(_)) {
            return true;
        }
        let challenged = self.claims.is_some() && !defect!(ClaimsIgnored);
        self.force_refresh || (challenged && self.token_refused().is_none())
    }

    /// The hash of the cached token that does not answer, where one does not.
    pub(crate) fn token_refused(&self) -> Option<&Arc<str>> {
        self.access_token_hash_to_refresh
            .as_ref()
            .filter(|_| self.flow.is_app_only())
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), ErrorKind> {
        if self.scopes.is_empty() {
            return Err(ErrorKind::InvalidRequest("at least one scope is needed"));
        }
        if self.force_refresh && self.access_token_hash_to_refresh.is_some() {
            return Err(ErrorKind::InvalidRequest(
                "force refresh and an access token's hash to refresh exclude each other",
            ));
        }
        match &self.flow {
            Flow::Silent(account) if account.as_str().is_empty() => Err(ErrorKind::UserNull),
            _ => Ok(()),
        }
    }
}

/// How a token is presented to the resource, and the key it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AuthenticationScheme {
    /// Bearer by default.
    pub token_type: TokenType,
    /// The key's id, for schemes that have one.
    pub key_id: Option<Arc<str>>,
}

/// Acquires tokens for one application. Cheap to clone; clones share.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) application: Application,
    /// Of an application of no family: one for all partitions.
    pub(crate) app_metadata: Arc<AppMetadata>,
    pub(crate) authority: Authority,
    pub(crate) cache: Arc<TokenCache>,
    pub(crate) flights: Flights<FlightKey, Fetch>,
    pub(crate) events: Arc<dyn ClientEvents>,
    pub(crate) throttles: Arc<Throttles>,
    pub(crate) jitter: Arc<JitterSource>,
    /// Where managed identities take turns, without single flight.
    pub(crate) turn: tokio::sync::Mutex<()>,
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
    token_refused: Option<Arc<str>>,
    components: Option<KeyComponents>,
    scheme: AuthenticationScheme,
    /// Who begins a long-running session has an assertion, who goes on in it has none:
    /// the failure of one is not that of the other.
    api: ApiId,
}

impl FlightKey {
    pub(crate) fn new(purpose: Purpose, partition: PartitionKey, request: &AcquireRequest) -> Self {
        #[cfg(feature = "defects")]
        if defect!(OneFlightForAll) {
            return Self::of_all(purpose, request.flow.api_id());
        }
        Self {
            purpose,
            partition,
            tenant_id: match &request.flow {
                // The request's means nothing, and must not part who asks for the same.
                Flow::ManagedIdentity(_) => managed_identity::TENANT.into(),
                _ => Arc::clone(&request.tenant_id),
            },
            // As a look at the cache compares them: reserved scopes tell no tokens apart.
            scopes: request.scopes.without_reserved(),
            force_refresh: request.force_refresh,
            claims: request.claims.clone(),
            token_refused: request.token_refused().cloned(),
            components: request.components.clone(),
            scheme: request.scheme.clone(),
            api: request.flow.api_id(),
        }
    }
}

#[cfg(feature = "defects")]
impl FlightKey {
    /// What `one_flight_for_all` takes every request for.
    fn of_all(purpose: Purpose, api: ApiId) -> Self {
        Self {
            purpose,
            partition: PartitionKey::Assertion(token_cache::AssertionHash::of_session("all")),
            tenant_id: "".into(),
            scopes: Scopes::parse(""),
            force_refresh: false,
            claims: None,
            token_refused: None,
            components: None,
            scheme: AuthenticationScheme::default(),
            api,
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
                app_metadata: Arc::new(AppMetadata::new(
                    Arc::clone(authority.environment.preferred_cache()),
                    Arc::clone(&application.client_id),
                )),
                application,
                authority,
                flights: Flights::new(),
                events,
                throttles: Arc::default(),
                jitter: Arc::new(JitterSource::new(seed)),
                turn: tokio::sync::Mutex::default(),
                cache,
            }),
        }
    }

    /// The same application at the same authority with another cache, as web
    /// applications have one for each session. The two never share a fetch; when
    /// to come back, as the provider said to one, holds for both.
    #[must_use]
    pub fn with_cache(&self, cache: Arc<TokenCache>) -> Self {
        let shared = &self.shared;
        Self {
            shared: Arc::new(Shared {
                application: shared.application.clone(),
                app_metadata: Arc::clone(&shared.app_metadata),
                authority: shared.authority.clone(),
                cache,
                flights: Flights::new(),
                events: Arc::clone(&shared.events),
                throttles: Arc::clone(&shared.throttles),
                jitter: Arc::clone(&shared.jitter),
                turn: tokio::sync::Mutex::default(),
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
        let awaited = Awaited {
            shared: &self.shared,
            request,
            started,
        };
        let outcome = self.decide(request, started).await;
        awaited.ended(outcome.as_ref());
        outcome
    }

    async fn decide(
        &self,
        request: &AcquireRequest,
        started: Instant,
    ) -> Result<AuthenticationResult, AcquireError> {
        let shared = &self.shared;
        let mut seen = Seen::nothing(request, shared.cache.policy().caching);
        if let Err(kind) = shared.permit(request) {
            return Err(AcquireError::new(kind, local(request, started, &seen)));
        }
        let key = shared.partition_to_read(request);
        // The clock is read once for a hit: it is a good part of its cost.
        let now = shared.cache.now_at(started);
        if let Some(key) = key
            && shared.cache.policy().accessor == Accessor::Shared
        {
            let look = shared.look_in_shared(request, key, now, &mut seen);
            match Box::pin(look).await {
                Ok(Some((answer, level))) => {
                    let reason = shared.refresh_if_due(request, key, &answer, now);
                    return Ok(answer.into_cached_result(request, started, level, reason));
                }
                Ok(None) => {}
                Err(error) => {
                    let metadata = local(request, started, &seen);
                    return Err(AcquireError::new(ErrorKind::Cache(error), metadata));
                }
            }
        } else if let Some(key) = key
            && let Some(cached) = shared.cache.read_l1(key, now).await
        {
            match shared.look(request, cached, now, &mut seen) {
                Ok(Some(answer)) => {
                    let reason = shared.refresh_if_due(request, key, &answer, now);
                    return Ok(answer.into_cached_result(request, started, CacheLevel::L1, reason));
                }
                Ok(None) => {}
                Err(error) => {
                    let metadata = local(request, started, &seen);
                    return Err(AcquireError::new(ErrorKind::Cache(error), metadata));
                }
            }
        }
        let in_l1 = started.elapsed();
        let owned = key.map(PartitionKeyRef::to_owned);
        let (fetch, role) = Box::pin(self.fetch(request, owned, seen)).await;
        match role {
            Role::Leader => fetch.into_leaders_result(started, in_l1),
            Role::Waiter if defect!(WaiterFetches) => {
                let seen = Seen::nothing(request, shared.cache.policy().caching);
                let fetch = Box::pin(shared.ask(request, &seen, started)).await;
                fetch.into_leaders_result(started, in_l1)
            }
            Role::Waiter => {
                let cached = key.and_then(|key| shared.look_after_waiting(request, key));
                fetch.into_waiters_result(started, in_l1, cached)
            }
        }
    }

    /// Runs a fetch, or waits for one under way, as the policy says. Fetches are boxed:
    /// they are kilobytes, which every call would set aside and every task move about,
    /// and most calls need none.
    async fn fetch(
        &self,
        request: &AcquireRequest,
        key: Option<PartitionKey>,
        seen: Seen,
    ) -> (Fetch, Role) {
        let metadata = Fetch::begun(request, seen.reason);
        let shared = Arc::clone(&self.shared);
        let policy = self.shared.cache.policy();
        if policy.flight == Flight::None || defect!(NoFlight) {
            let fetch = Box::pin(shared.fetch(request.clone(), key, seen));
            return (fetch.await, Role::Leader);
        }
        let flight_key = key
            .as_ref()
            .map(|key| FlightKey::new(Purpose::Acquire, key.clone(), request));
        let request = request.clone();
        let fetch = || Box::pin(shared.fetch(request, key, seen));
        let (fetch, role) = match flight_key {
            Some(flight_key) => self.shared.flights.join(flight_key, fetch).await,
            // Alone, but a task all the same: a code is redeemed once, and what
            // it brought is stored even if the caller gives up meanwhile.
            None => (tokio::spawn(fetch()).await.ok(), Role::Leader),
        };
        (fetch.unwrap_or_else(|| Fetch::lost(metadata)), role)
    }
}

/// An acquisition that a caller waits for. One that is dropped ended too: its caller
/// gave up.
struct Awaited<'a> {
    shared: &'a Shared,
    request: &'a AcquireRequest,
    started: Instant,
}

impl Awaited<'_> {
    fn ended(self, outcome: Result<&AuthenticationResult, &AcquireError>) {
        self.shared.events.acquired(self.request, outcome);
        std::mem::forget(self);
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let seen = Seen::nothing(self.request, self.shared.cache.policy().caching);
        let metadata = local(self.request, self.started, &seen);
        let error = AcquireError::new(ErrorKind::GivenUp, metadata);
        self.shared.events.acquired(self.request, Err(&error));
    }
}

impl Shared {
    /// Whether a request makes sense here.
    fn permit(&self, request: &AcquireRequest) -> Result<(), ErrorKind> {
        request.check()?;
        let disabled = self.cache.policy().caching == Caching::Disabled;
        if disabled && matches!(request.flow, Flow::Silent(_) | Flow::InLongRunning(_)) {
            return Err(ErrorKind::CacheDisabled);
        }
        if let Some(reason) = &request.no_distributed_cache_use_reason
            && self.cache.has_l2()
        {
            return Err(ErrorKind::Cache(CacheError::DistributedCacheForbidden {
                reason: reason.to_string(),
            }));
        }
        Ok(())
    }
}

/// Metadata of an acquisition that ended before it left this process.
fn local(request: &AcquireRequest, started: Instant, seen: &Seen) -> ResultMetadata {
    let elapsed = started.elapsed();
    ResultMetadata {
        cache_refresh_reason: seen.reason,
        duration_total: elapsed,
        duration_in_cache: elapsed,
        api_id: Some(request.flow.api_id()),
        ..ResultMetadata::NONE
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
