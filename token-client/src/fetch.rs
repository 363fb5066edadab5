//! What `acquire` does when L1 has no answer: look once more, ask L2, ask the
//! identity provider, and store what it gives.

use std::sync::Arc;
use std::time::Duration;

use token_cache::item::TokenType;
use token_cache::policy::{Flight, StaleL1};
use token_cache::{
    AccessToken, Account, CacheError, CacheLevel, IdToken, Lookup, Partition, PartitionKey,
    PartitionKeyRef, Query, Timestamp,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::{AcquireRequest, Shared};
use crate::error::{AcquireError, ErrorKind};
use crate::flow::Flow;
use crate::idp::{RequestError, TokenRequest, TokenResponse};
use crate::response::receive;
use crate::result::{
    AuthenticationResult, CacheRefreshReason, ResultMetadata, TokenRequests, TokenSource,
};

/// What a request knows of its partition so far.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) partition: Option<Arc<Partition>>,
    pub(crate) reason: CacheRefreshReason,
}

/// How a fetch ended.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) answer: Result<Answer, Arc<ErrorKind>>,
    pub(crate) level: CacheLevel,
    pub(crate) reason: CacheRefreshReason,
    pub(crate) in_cache: Duration,
    pub(crate) in_http: Option<Duration>,
    pub(crate) token_requests: TokenRequests,
}

/// A token and the account around it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) token: Arc<AccessToken>,
    account: Option<Arc<Account>>,
    id_token: Option<Arc<IdToken>>,
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn nothing(request: &AcquireRequest) -> Self {
        let reason = if request.passes_over_cached_tokens() {
            CacheRefreshReason::ForceRefreshOrClaims
        } else if matches!(request.flow, Flow::AuthorizationCode(_)) {
            CacheRefreshReason::NotApplicable
        } else {
            CacheRefreshReason::NoCachedAccessToken
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
        if request.passes_over_cached_tokens() && !request.flow.needs_refresh_token() {
            return None;
        }
        request
            .flow
            .partition(&self.application.client_id, &request.tenant_id)
    }

    /// Looks for the token wanted at `now` in `partition` and notes in `seen`
    /// what was there.
    pub(crate) fn look(
        &self,
        request: &AcquireRequest,
        partition: Arc<Partition>,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<Answer>, CacheError> {
        let mut found = None;
        if !request.passes_over_cached_tokens() {
            let query = Query {
                subject: request.flow.subject(),
                tenant_id: request.flow.tenant_wanted(&request.tenant_id),
                scopes: &request.scopes,
                token_type: &TokenType::Bearer,
                environment: &self.authority.environment,
                client_id: &self.application.client_id,
            };
            match partition.find_access_token(&query, now)? {
                Lookup::Found(token) => found = Some(Answer::of(token, &partition)),
                Lookup::Expired => seen.reason = CacheRefreshReason::Expired,
                Lookup::Missing => {}
            }
        }
        seen.partition = Some(partition);
        Ok(found)
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
        self.look(request, partition, now, &mut Seen::nothing(request))
            .ok()?
    }

    /// Gets the token from L2, else from the provider.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        request: AcquireRequest,
        key: Option<PartitionKey>,
        mut seen: Seen,
    ) -> Fetch {
        let began = Instant::now();
        match self.look_again(&request, key.as_ref(), &mut seen).await {
            Ok(None) => self.ask(&request, &seen, began).await,
            Ok(Some((answer, level))) => {
                let now = self.cache.clock().now();
                let reason = key.map_or(CacheRefreshReason::NotApplicable, |key| {
                    self.refresh_if_due(&request, key.borrowed(), &answer.token, now)
                });
                Fetch {
                    answer: Ok(answer),
                    level,
                    reason,
                    in_cache: began.elapsed(),
                    in_http: None,
                    token_requests: TokenRequests::default(),
                }
            }
            Err(error) => Fetch::failed(ErrorKind::Cache(error), seen.reason, began),
        }
    }

    /// Asks the provider and stores what it gives.
    pub(crate) async fn ask(&self, request: &AcquireRequest, seen: &Seen, began: Instant) -> Fetch {
        let client_id = &self.application.client_id;
        let environment = &self.authority.environment;
        let grant = request
            .flow
            .grant(seen.partition.as_deref(), environment, client_id);
        let grant = match grant {
            Ok(grant) => grant,
            Err(kind) => return Fetch::failed(kind, seen.reason, began),
        };
        let token_request = TokenRequest {
            tenant_id: Arc::clone(&request.tenant_id),
            client_id: Arc::clone(client_id),
            client_secret: self.application.client_secret.clone(),
            grant,
            scopes: request.flow.scopes_to_send(&request.scopes),
            claims: request.claims.clone(),
            correlation_id: Uuid::new_v4(),
        };
        let asked = Instant::now();
        let response = self.authority.provider.request_token(&token_request).await;
        let answered = Instant::now();
        let was_answered = response
            .as_ref()
            .map_or_else(RequestError::was_answered, |_| true);
        let answer = match response {
            Ok(response) => Ok(self.store(request, response, answered).await),
            Err(error) => Err(Arc::new(ErrorKind::Provider(error))),
        };
        Fetch {
            answer,
            level: CacheLevel::None,
            reason: seen.reason,
            in_cache: asked.duration_since(began) + answered.elapsed(),
            in_http: Some(answered.duration_since(asked)),
            token_requests: TokenRequests {
                answered: u32::from(was_answered),
                unanswered: u32::from(!was_answered),
            },
        }
    }

    /// Puts what the provider gave into the cache.
    async fn store(
        &self,
        request: &AcquireRequest,
        response: TokenResponse,
        answered: Instant,
    ) -> Answer {
        let client_id = &self.application.client_id;
        let environment = &self.authority.environment;
        let now = self.cache.clock().at(answered);
        let received = receive(response, request, client_id, environment, now);
        let answer = Answer {
            token: Arc::clone(&received.tokens.access_token),
            account: received.tokens.account.clone(),
            id_token: received.tokens.id_token.clone(),
        };
        let key = request.flow.partition_of_response(
            client_id,
            &request.tenant_id,
            received.home_account_id.as_ref(),
        );
        if let Some(key) = key {
            let tokens = received.tokens;
            let save = |current: &Partition| current.save(tokens, environment);
            self.cache.update(&key, save).await;
        }
        answer
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
        if policy.flight == Flight::PerKey
            && let Some(partition) = self.cache.peek_l1(key.borrowed(), now)
            && let Some(answer) = self.look(request, partition, now, seen)?
        {
            return Ok(Some((answer, CacheLevel::L1)));
        }
        if seen.partition.is_none() || policy.stale_l1 == StaleL1::AskL2 {
            let read = self.cache.read_l2(key).await;
            if let Some(partition) = read.partition
                && let Some(answer) = self.look(request, partition, now, seen)?
            {
                return Ok(Some((answer, read.level)));
            }
        }
        Ok(None)
    }
}

impl Answer {
    /// A cached token, with the account that lies beside it.
    fn of(token: Arc<AccessToken>, partition: &Partition) -> Self {
        let account = token
            .home_account_id
            .as_deref()
            .and_then(|owner| partition.find_account(owner));
        let id_token = account.and_then(|account| {
            partition.find_id_token(account.home_account_id.as_str(), &token.client_id)
        });
        Self {
            account: account.cloned(),
            id_token: id_token.cloned(),
            token,
        }
    }

    pub(crate) fn into_cached_result(
        self,
        started: Instant,
        level: CacheLevel,
        reason: CacheRefreshReason,
    ) -> AuthenticationResult {
        let elapsed = started.elapsed();
        self.with(ResultMetadata {
            token_source: TokenSource::Cache,
            cache_level: level,
            cache_refresh_reason: reason,
            duration_total: elapsed,
            duration_in_cache: elapsed,
            duration_in_http: None,
            coalesced: false,
            token_requests: TokenRequests::default(),
        })
    }

    fn with(self, metadata: ResultMetadata) -> AuthenticationResult {
        AuthenticationResult {
            token: self.token,
            account: self.account,
            id_token: self.id_token,
            metadata,
        }
    }
}

impl Fetch {
    fn failed(kind: ErrorKind, reason: CacheRefreshReason, began: Instant) -> Self {
        Self {
            answer: Err(Arc::new(kind)),
            level: CacheLevel::None,
            reason,
            in_cache: began.elapsed(),
            in_http: None,
            token_requests: TokenRequests::default(),
        }
    }

    /// The fetch panicked or its runtime stopped: a request may be on its way.
    pub(crate) fn lost(reason: CacheRefreshReason) -> Self {
        Self {
            answer: Err(Arc::new(ErrorKind::FetchLost)),
            level: CacheLevel::None,
            reason,
            in_cache: Duration::ZERO,
            in_http: None,
            token_requests: TokenRequests {
                answered: 0,
                unanswered: 1,
            },
        }
    }

    /// What the fetch means for the caller that began it.
    pub(crate) fn into_leaders_result(
        self,
        started: Instant,
        in_l1: Duration,
    ) -> Result<AuthenticationResult, AcquireError> {
        let mut metadata = self.leaders_metadata();
        metadata.duration_total = started.elapsed();
        metadata.duration_in_cache += in_l1;
        self.with(metadata)
    }

    /// The fetch's own metadata: its parts are its whole time.
    pub(crate) fn leaders_metadata(&self) -> ResultMetadata {
        ResultMetadata {
            token_source: self.source(),
            cache_level: self.level,
            cache_refresh_reason: self.reason,
            duration_total: self.in_cache + self.in_http.unwrap_or_default(),
            duration_in_cache: self.in_cache,
            duration_in_http: self.in_http,
            coalesced: false,
            token_requests: self.token_requests,
        }
    }

    /// What the fetch means for a caller that waited for it. The request is on
    /// the leader's account. Where the cache now holds the token, the caller is
    /// served from it, as MSAL serves those who queue for a managed identity;
    /// where it does not, from wherever the leader was.
    pub(crate) fn into_waiters_result(
        self,
        started: Instant,
        in_l1: Duration,
        cached: Option<Answer>,
    ) -> Result<AuthenticationResult, AcquireError> {
        let mut metadata = ResultMetadata {
            token_source: self.source(),
            cache_level: self.level,
            cache_refresh_reason: self.reason,
            duration_total: started.elapsed(),
            duration_in_cache: in_l1,
            duration_in_http: None,
            coalesced: true,
            token_requests: TokenRequests::default(),
        };
        if let Some(answer) = cached {
            metadata.token_source = TokenSource::Cache;
            metadata.cache_level = CacheLevel::L1;
            metadata.cache_refresh_reason = CacheRefreshReason::NotApplicable;
            return Ok(answer.with(metadata));
        }
        self.with(metadata)
    }

    fn source(&self) -> TokenSource {
        match self.level {
            CacheLevel::None => TokenSource::IdentityProvider,
            CacheLevel::L1 | CacheLevel::L2 => TokenSource::Cache,
        }
    }

    fn with(self, metadata: ResultMetadata) -> Result<AuthenticationResult, AcquireError> {
        match self.answer {
            Ok(answer) => Ok(answer.with(metadata)),
            Err(kind) => Err(AcquireError::new(kind, metadata)),
        }
    }
}
