//! What a fetch gives to those who began it and to those who waited for it.

use std::sync::Arc;
use std::time::Duration;

use token_cache::l1::FoundSole;
use token_cache::{AccessToken, Account, CacheLevel, IdToken, Partition, Timestamp, TokenSet};
use tokio::time::Instant;

use crate::client::AcquireRequest;
use crate::error::{AcquireError, ErrorKind};
use crate::fetch::Fetch;
use crate::result::{
    AuthenticationResult, CacheRefreshReason, ResultMetadata, TokenRequests, TokenSource,
};

/// A token and the account around it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) token: Arc<AccessToken>,
    account: Option<Arc<Account>>,
    id_token: Option<Arc<IdToken>>,
    expires_on: Timestamp,
    refresh_on: Option<Timestamp>,
    is_extended_lifetime: bool,
    cached_access_token_count: u32,
}

impl Answer {
    /// A cached token that is alone in an application's partition.
    pub(crate) fn of_sole(found: FoundSole) -> Self {
        Self {
            token: found.token,
            account: None,
            id_token: None,
            expires_on: found.expires_on,
            refresh_on: found.refresh_on,
            is_extended_lifetime: false,
            cached_access_token_count: 1,
        }
    }

    /// A cached token, with the account that lies beside it.
    pub(crate) fn of(token: Arc<AccessToken>, extended: bool, partition: &Partition) -> Self {
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
            expires_on: token.expires_on,
            refresh_on: token.refresh_on,
            is_extended_lifetime: extended,
            cached_access_token_count: count_of(partition),
            token,
        }
    }

    /// What the provider has just given.
    pub(crate) fn fresh(tokens: &TokenSet) -> Self {
        Self {
            token: Arc::clone(&tokens.access_token),
            account: tokens.account.clone(),
            id_token: tokens.id_token.clone(),
            expires_on: tokens.access_token.expires_on,
            refresh_on: tokens.access_token.refresh_on,
            is_extended_lifetime: false,
            cached_access_token_count: 0,
        }
    }

    /// When the provider advises to replace the token.
    pub(crate) fn refresh_on(&self) -> Option<Timestamp> {
        self.refresh_on
    }

    /// Notes what the partition holds that it was stored in.
    pub(crate) fn count(&mut self, partition: &Partition) {
        self.cached_access_token_count = count_of(partition);
    }

    pub(crate) fn into_cached_result(
        self,
        request: &AcquireRequest,
        started: Instant,
        level: CacheLevel,
        reason: CacheRefreshReason,
    ) -> AuthenticationResult {
        let elapsed = started.elapsed();
        let metadata = ResultMetadata {
            cache_level: level,
            cache_refresh_reason: reason,
            duration_total: elapsed,
            duration_in_cache: elapsed,
            api_id: Some(request.flow.api_id()),
            ..ResultMetadata::NONE
        };
        let mut metadata = metadata.of(Some(&self));
        if defect!(HitsCountAsFetches) {
            metadata.token_source = TokenSource::IdentityProvider;
        }
        self.with(metadata, None)
    }

    fn with(
        self,
        metadata: ResultMetadata,
        token_endpoint: Option<Arc<str>>,
    ) -> AuthenticationResult {
        AuthenticationResult {
            token: self.token,
            account: self.account,
            id_token: self.id_token,
            token_endpoint,
            metadata,
        }
    }
}

fn count_of(partition: &Partition) -> u32 {
    u32::try_from(partition.access_token_count()).unwrap_or(u32::MAX)
}

impl ResultMetadata {
    /// With what `answer` says of its token.
    #[must_use]
    pub(crate) fn of(self, answer: Option<&Answer>) -> Self {
        let Some(answer) = answer else { return self };
        Self {
            refresh_on: answer.refresh_on,
            expires_on: Some(answer.expires_on),
            is_extended_lifetime: answer.is_extended_lifetime,
            cached_access_token_count: answer.cached_access_token_count,
            ..self
        }
    }
}

impl Fetch {
    /// Metadata of a fetch that has just begun.
    pub(crate) fn begun(request: &AcquireRequest, reason: CacheRefreshReason) -> ResultMetadata {
        ResultMetadata {
            token_source: TokenSource::IdentityProvider,
            cache_refresh_reason: reason,
            api_id: Some(request.flow.api_id()),
            ..ResultMetadata::NONE
        }
    }

    /// A fetch that a cache level answered.
    pub(crate) fn found(
        request: &AcquireRequest,
        answer: Answer,
        level: CacheLevel,
        began: Instant,
    ) -> Self {
        let metadata = ResultMetadata {
            token_source: TokenSource::Cache,
            cache_level: level,
            duration_total: began.elapsed(),
            duration_in_cache: began.elapsed(),
            ..Self::begun(request, CacheRefreshReason::NotApplicable)
        };
        Self {
            metadata: metadata.of(Some(&answer)),
            answer: Ok(answer),
            token_endpoint: None,
        }
    }

    /// A fetch that ended before anybody was asked.
    pub(crate) fn failed(
        request: &AcquireRequest,
        kind: impl Into<Arc<ErrorKind>>,
        reason: CacheRefreshReason,
        began: Instant,
    ) -> Self {
        Self {
            answer: Err(kind.into()),
            metadata: ResultMetadata {
                duration_total: began.elapsed(),
                duration_in_cache: began.elapsed(),
                ..Self::begun(request, reason)
            },
            token_endpoint: None,
        }
    }

    /// The fetch panicked or its runtime stopped: a request may be on its way.
    pub(crate) fn lost(begun: ResultMetadata) -> Self {
        Self {
            answer: Err(Arc::new(ErrorKind::FetchLost)),
            metadata: ResultMetadata {
                token_requests: TokenRequests {
                    answered: 0,
                    unanswered: 1,
                },
                ..begun
            },
            token_endpoint: None,
        }
    }

    /// What the fetch means for the caller that began it.
    pub(crate) fn into_leaders_result(
        self,
        started: Instant,
        in_l1: Duration,
    ) -> Result<AuthenticationResult, AcquireError> {
        let mut metadata = ResultMetadata {
            duration_total: started.elapsed(),
            duration_in_cache: self.metadata.duration_in_cache + in_l1,
            ..self.metadata
        };
        if defect!(TimesDoubled) {
            metadata.duration_total *= 2;
        }
        if defect!(ReasonLost) {
            metadata.cache_refresh_reason = CacheRefreshReason::NotApplicable;
        }
        if defect!(RequestsNotCounted) {
            metadata.token_requests = TokenRequests::default();
        }
        self.with(metadata)
    }

    /// What the fetch means for a caller that waited for it. The request is on
    /// the leader's account. Where the cache now holds the token, the caller is
    /// served from it, as MSAL serves those who queue for a managed identity;
    /// where it does not, from wherever the leader was.
    pub(crate) fn into_waiters_result(
        mut self,
        started: Instant,
        in_l1: Duration,
        cached: Option<Answer>,
    ) -> Result<AuthenticationResult, AcquireError> {
        let mut metadata = ResultMetadata {
            duration_total: started.elapsed(),
            duration_in_cache: in_l1,
            duration_in_http: None,
            coalesced: true,
            token_requests: TokenRequests::default(),
            http_status: None,
            ..self.metadata
        };
        if let Some(answer) = cached {
            metadata.token_source = TokenSource::Cache;
            metadata.cache_level = CacheLevel::L1;
            metadata.cache_refresh_reason = CacheRefreshReason::NotApplicable;
            let metadata = metadata.of(Some(&answer));
            self.token_endpoint = None;
            return Ok(answer.with(metadata, None));
        }
        self.with(metadata)
    }

    fn with(self, metadata: ResultMetadata) -> Result<AuthenticationResult, AcquireError> {
        match self.answer {
            Ok(answer) => Ok(answer.with(metadata, self.token_endpoint)),
            Err(kind) => Err(AcquireError::new(kind, metadata)),
        }
    }
}
