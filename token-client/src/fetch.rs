//! What `acquire` does when L1 has no answer: look once more, ask L2, ask the
//! identity provider, and store what it gives.

use std::sync::Arc;

use aws_lc_rs::digest;
use token_cache::l1::Cached;
use token_cache::policy::{Caching, ExtendedLifetime, Flight, StaleL1, Throttle};
use token_cache::{
    AccessToken, CacheError, CacheLevel, Lookup, Partition, PartitionKey, PartitionKeyRef, Query,
    RefreshTokenQuery, Timestamp,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::Answer;
use crate::client::{AcquireRequest, Shared};
use crate::error::ErrorKind;
use crate::flow::Flow;
use crate::idp::{RequestError, TokenRequest, TokenResponse};
use crate::response::{Recipient, receive};
use crate::result::{CacheRefreshReason, ResultMetadata, TokenSource};
use crate::telemetry;
use crate::throttle::ThrottleKey;

/// What a request knows of its partition so far.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) partition: Option<Arc<Partition>>,
    pub(crate) reason: CacheRefreshReason,
}

/// How a fetch ended: its answer, and the metadata of whoever began it, whose
/// total is the fetch's own time.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) answer: Result<Answer, Arc<ErrorKind>>,
    pub(crate) metadata: ResultMetadata,
    pub(crate) token_endpoint: Option<Arc<str>>,
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn nothing(request: &AcquireRequest, caching: Caching) -> Self {
        let reason = if caching == Caching::Disabled {
            CacheRefreshReason::CacheDisabled
        } else if request.passes_over_cached_tokens() {
            CacheRefreshReason::ForceRefreshOrClaims
        } else if request.flow.consults_cache() {
            CacheRefreshReason::NoCachedAccessToken
        } else {
            CacheRefreshReason::NotApplicable
        };
        Self {
            partition: None,
            reason,
        }
    }
}

impl Shared {
    /// The partition whose tokens, or whose refresh token, may answer.
    pub(crate) fn partition_to_read<'a>(
        &'a self,
        request: &'a AcquireRequest,
    ) -> Option<PartitionKeyRef<'a>> {
        let flow = &request.flow;
        let reads = flow.consults_cache()
            && (!request.passes_over_cached_tokens()
                || flow.needs_refresh_token()
                // To find out which token a resource refused.
                || matches!(flow, Flow::ManagedIdentity(_)))
            && self.cache.policy().caching == Caching::On;
        flow.partition(&self.application.client_id, request)
            .filter(|_| reads)
    }

    fn query<'a>(&'a self, request: &'a AcquireRequest) -> Query<'a> {
        Query {
            subject: request.flow.subject(),
            tenant_id: request.flow.tenant_wanted(&request.tenant_id),
            scopes: &request.scopes,
            token_type: &request.scheme.token_type,
            key_id: request.scheme.key_id.as_deref(),
            environment: &self.authority.environment,
            client_id: request.flow.client_id(&self.application.client_id),
            components: request.components.as_ref(),
            extended_lifetime: self.cache.policy().extended_lifetime == ExtendedLifetime::Honoured,
        }
    }

    /// Looks for the token wanted at `now` in what L1 has and notes in `seen`
    /// what was there.
    pub(crate) fn look(
        &self,
        request: &AcquireRequest,
        mut cached: Cached,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<Answer>, CacheError> {
        let asks_for_any =
            !request.passes_over_cached_tokens() && request.token_refused().is_none();
        if asks_for_any {
            cached = match cached.into_sole(&self.query(request), now) {
                Ok(found) => return Ok(Some(Answer::of_sole(found))),
                Err(cached) => cached,
            };
        }
        let partition = cached.partition();
        let found = self.search(request, partition, now, seen)?;
        if found.is_none() {
            seen.partition = Some(Arc::clone(partition));
        }
        Ok(found)
    }

    /// [`Shared::look`], in a partition from wherever.
    pub(crate) fn look_in(
        &self,
        request: &AcquireRequest,
        partition: &Arc<Partition>,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<Answer>, CacheError> {
        let found = self.search(request, partition, now, seen)?;
        seen.partition = Some(Arc::clone(partition));
        Ok(found)
    }

    fn search(
        &self,
        request: &AcquireRequest,
        partition: &Partition,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<Answer>, CacheError> {
        if request.passes_over_cached_tokens() {
            return Ok(None);
        }
        let lookup = partition.find_access_token(&self.query(request), now)?;
        let found = note(request, lookup, seen);
        Ok(found.map(|(token, extended)| Answer::of(token, extended, partition)))
    }

    /// [`Shared::look`], through the accessor that all requests share. Who finds
    /// it cleared by another has looked all the same.
    pub(crate) async fn look_in_shared(
        &self,
        request: &AcquireRequest,
        key: PartitionKeyRef<'_>,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<(Answer, CacheLevel)>, CacheError> {
        let read = self.cache.read_shared(&key.to_owned()).await?;
        let partition = read.partition.unwrap_or_default();
        let answer = self.look_in(request, &partition, now, seen)?;
        Ok(answer.map(|answer| (answer, read.level)))
    }

    /// What L1 holds for a caller that has waited for another's fetch. One that
    /// asked for a new token takes the fetch's own result.
    pub(crate) fn look_after_waiting(
        &self,
        request: &AcquireRequest,
        key: PartitionKeyRef<'_>,
    ) -> Option<Answer> {
        let now = self.cache.clock().now();
        let partition = self.cache.peek_l1(key, now)?;
        let mut seen = Seen::nothing(request, Caching::On);
        self.look_in(request, &partition, now, &mut seen).ok()?
    }

    /// Gets the token from L2, else from the provider.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        request: AcquireRequest,
        key: Option<PartitionKey>,
        mut seen: Seen,
    ) -> Fetch {
        let began = Instant::now();
        // Managed identities take turns where there is no single flight; who
        // finds a token when the turn comes takes it.
        let _turn = match (&request.flow, self.cache.policy().flight) {
            (Flow::ManagedIdentity(_), Flight::None) => Some(self.turn.lock().await),
            _ => None,
        };
        match self.look_again(&request, key.as_ref(), &mut seen).await {
            Ok(None) => self.ask(&request, &seen, began).await,
            Ok(Some((answer, level))) => {
                let now = self.cache.clock().now();
                let reason = key.map_or(CacheRefreshReason::NotApplicable, |key| {
                    self.refresh_if_due(&request, key.borrowed(), &answer, now)
                });
                let mut fetch = Fetch::found(&request, answer, level, began);
                fetch.metadata.cache_refresh_reason = reason;
                fetch
            }
            Err(error) => Fetch::failed(&request, ErrorKind::Cache(error), seen.reason, began),
        }
    }

    /// Asks the provider and stores what it gives.
    pub(crate) async fn ask(&self, request: &AcquireRequest, seen: &Seen, began: Instant) -> Fetch {
        let client_id = &self.application.client_id;
        let family_id = self.family(seen.partition.as_deref());
        let wanted = RefreshTokenQuery {
            subject: request.flow.subject(),
            environment: &self.authority.environment,
            client_id,
            family_id: family_id.as_deref(),
            components: request.components.as_ref(),
        };
        let grants = match request.flow.grants(seen.partition.as_deref(), &wanted) {
            Ok(grants) => grants,
            Err(kind) => return Fetch::failed(request, kind, seen.reason, began),
        };
        let partition = request.flow.partition(client_id, request);
        let throttle_key = ThrottleKey::of(request, partition.map(PartitionKeyRef::to_owned));
        let throttles = self.cache.policy().throttle == Throttle::Remembered;
        if throttles && let Some(kind) = self.throttles.check(&throttle_key) {
            return Fetch::failed(request, kind, seen.reason, began);
        }
        let of_grant = |grant| TokenRequest {
            tenant_id: Arc::clone(&request.tenant_id),
            client_id: Arc::clone(client_id),
            client_secret: self.application.client_secret.clone(),
            grant,
            scopes: request.flow.scopes_to_send(&request.scopes),
            claims: request.claims.clone(),
            correlation_id: Uuid::new_v4(),
            telemetry: telemetry::current(request, seen.reason, self.cache.has_l2()),
            token_to_refresh: self.token_to_refresh(request, seen),
        };
        let asked = Instant::now();
        let (response, token_requests) = self.send(grants.into_iter().map(of_grant)).await;
        let answered = Instant::now();
        let http_status = response
            .as_ref()
            .map_or_else(RequestError::status, |_| Some(200));
        let answer = match response {
            Ok(response) => self.store(request, response, answered).await,
            Err(error) => {
                let kind = Arc::new(ErrorKind::Provider(error));
                if throttles {
                    self.throttles.note(throttle_key, &kind);
                }
                Err(kind)
            }
        };
        let (in_cache, in_http) = (
            asked.duration_since(began) + answered.elapsed(),
            answered.duration_since(asked),
        );
        let metadata = ResultMetadata {
            token_source: TokenSource::IdentityProvider,
            duration_total: in_cache + in_http,
            duration_in_cache: in_cache,
            duration_in_http: Some(in_http),
            token_requests,
            http_status,
            ..Fetch::begun(request, seen.reason)
        };
        let provider = &self.authority.provider;
        Fetch {
            token_endpoint: answer
                .is_ok()
                .then(|| provider.token_endpoint(&request.tenant_id))
                .flatten(),
            metadata: metadata.of(answer.as_ref().ok()),
            answer,
        }
    }

    /// The hash of the token that a managed identity must not answer with: the
    /// cached one, which a resource refused with claims.
    fn token_to_refresh(&self, request: &AcquireRequest, seen: &Seen) -> Option<Arc<str>> {
        if let Some(hash) = request.token_refused() {
            return Some(Arc::clone(hash));
        }
        let refused = matches!(request.flow, Flow::ManagedIdentity(_)) && request.claims.is_some();
        let partition = seen.partition.as_ref().filter(|_| refused)?;
        let now = self.cache.clock().now();
        match partition.find_access_token(&self.query(request), now) {
            Ok(Lookup::Found(token) | Lookup::Extended(token)) => Some(hash_of(&token).into()),
            _ => None,
        }
    }

    /// Puts what the provider gave into the cache.
    async fn store(
        &self,
        request: &AcquireRequest,
        response: TokenResponse,
        answered: Instant,
    ) -> Result<Answer, Arc<ErrorKind>> {
        let client_id = &self.application.client_id;
        let environment = &self.authority.environment;
        let now = self.cache.clock().at(answered);
        let recipient = Recipient {
            client_id,
            environment,
            app_metadata: &self.app_metadata,
            kind: self.authority.provider.kind(),
        };
        let received = receive(response, request, &recipient, now);
        if received.is_anothers {
            return Err(Arc::new(ErrorKind::UserMismatch));
        }
        let mut answer = Answer::fresh(&received.tokens);
        let key = request.flow.partition_of_response(
            client_id,
            request,
            received.home_account_id.as_ref(),
        );
        if let Some(key) = key
            && self.cache.policy().caching == Caching::On
        {
            let (tokens, environment) = (received.tokens, environment.clone());
            let save = move |current: &Partition| current.save(tokens.clone(), &environment);
            match self.cache.update(&key, save).await {
                Ok(updated) => answer.count(&updated.partition),
                Err(error) => return Err(Arc::new(ErrorKind::Cache(error))),
            }
        }
        Ok(answer)
    }

    /// Looks where the caller has not: in L1 once more, since another fetch may
    /// have landed meanwhile, and in L2.
    async fn look_again(
        &self,
        request: &AcquireRequest,
        key: Option<&PartitionKey>,
        seen: &mut Seen,
    ) -> Result<Option<(Answer, CacheLevel)>, CacheError> {
        let Some(key) = key else { return Ok(None) };
        let policy = self.cache.policy();
        let now = self.cache.clock().now();
        let has_waited =
            policy.flight == Flight::PerKey || matches!(request.flow, Flow::ManagedIdentity(_));
        if has_waited
            && let Some(partition) = self.cache.peek_l1(key.borrowed(), now)
            && let Some(answer) = self.look_in(request, &partition, now, seen)?
        {
            return Ok(Some((answer, CacheLevel::L1)));
        }
        if seen.partition.is_none() || policy.stale_l1 == StaleL1::AskL2 {
            let read = self.cache.read_l2(key).await?;
            if let Some(partition) = read.partition
                && let Some(answer) = self.look_in(request, &partition, now, seen)?
            {
                return Ok(Some((answer, read.level)));
            }
        }
        Ok(None)
    }
}

/// What a search means: a token to serve and whether it has ended, or a note of
/// why not.
fn note(
    request: &AcquireRequest,
    lookup: Lookup,
    seen: &mut Seen,
) -> Option<(Arc<AccessToken>, bool)> {
    let (token, extended) = match lookup {
        Lookup::Found(token) => (token, false),
        Lookup::Extended(token) => (token, true),
        Lookup::Expired => {
            seen.reason = CacheRefreshReason::Expired;
            return None;
        }
        Lookup::Missing => return None,
    };
    let refused = request.token_refused();
    if refused.is_some_and(|hash| hash.eq_ignore_ascii_case(&hash_of(&token))) {
        return None;
    }
    Some((token, extended))
}

/// SHA-256 of a token, in lower-case hex.
fn hash_of(token: &AccessToken) -> String {
    use std::fmt::Write as _;
    let hash = digest::digest(&digest::SHA256, token.secret.expose().as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
