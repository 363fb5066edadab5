//! The flows: each says which partition it reads, whose token it wants and
//! what it trades for a new one.

mod authorization_code;
mod client_credentials;
mod long_running_obo;
pub(crate) mod managed_identity;
mod on_behalf_of;
mod refresh_token;
mod silent;

pub use authorization_code::AuthorizationCode;
pub use long_running_obo::{InitiateLongRunning, LongRunningSession, SearchInCache};
pub use managed_identity::ManagedIdentityId;
pub use on_behalf_of::UserAssertion;

use token_cache::{
    HomeAccountId, Partition, PartitionKey, PartitionKeyRef, RefreshTokenQuery, Scopes, Secret,
    Subject,
};

use crate::client::AcquireRequest;
use crate::error::ErrorKind;
use crate::idp::Grant;
use crate::result::ApiId;

/// How a token is acquired.
#[derive(Debug, Clone)]
pub enum Flow {
    /// The application for itself; MSAL's `AcquireTokenForClient`.
    ClientCredentials,
    /// A user has just signed in; MSAL's `AcquireTokenByAuthorizationCode`.
    /// Never answered from the cache.
    AuthorizationCode(AuthorizationCode),
    /// A web API for the user who called it; MSAL's `AcquireTokenOnBehalfOf`.
    OnBehalfOf(UserAssertion),
    /// A web API begins to work for the user who called it; MSAL's
    /// `InitiateLongRunningProcessInWebApi`.
    InitiateLongRunning(InitiateLongRunning),
    /// It goes on, without them; MSAL's `AcquireTokenInLongRunningProcess`.
    InLongRunning(LongRunningSession),
    /// A user who signed in before; MSAL's `AcquireTokenSilent`.
    Silent(HomeAccountId),
    /// A refresh token from elsewhere; MSAL's `AcquireTokenByRefreshToken`.
    /// Never answered from the cache.
    RefreshToken(Secret),
    /// The machine or workload itself; MSAL's
    /// `AcquireTokenForManagedIdentity`. The request's tenant means nothing.
    ManagedIdentity(ManagedIdentityId),
}

impl Flow {
    /// The partition the flow reads and writes; `None` when it reads none and
    /// writes that of the account in the answer.
    pub(crate) fn partition<'a>(
        &'a self,
        client_id: &'a str,
        request: &'a AcquireRequest,
    ) -> Option<PartitionKeyRef<'a>> {
        match self {
            Self::ClientCredentials => Some(client_credentials::partition(
                client_id,
                &request.tenant_id,
                request.scheme.key_id.as_deref(),
                request.components.as_ref(),
            )),
            Self::AuthorizationCode(_) | Self::RefreshToken(_) => None,
            Self::OnBehalfOf(assertion) => Some(assertion.partition()),
            Self::InitiateLongRunning(begin) => Some(begin.session.partition()),
            Self::InLongRunning(session) => Some(session.partition()),
            Self::Silent(account) => Some(silent::partition(account)),
            Self::ManagedIdentity(identity) => Some(identity.partition()),
        }
    }

    /// The partition a response is written to: the one that is read, or the
    /// account's, once it is known. A silent request's is the account's that the
    /// provider names, which without `client_info` is called by its subject.
    pub(crate) fn partition_of_response(
        &self,
        client_id: &str,
        request: &AcquireRequest,
        account: Option<&HomeAccountId>,
    ) -> Option<PartitionKey> {
        let of_account = account.map(PartitionKeyRef::Account);
        let renamed = match (self, account) {
            (Self::Silent(asked), Some(told)) => {
                !asked.as_str().eq_ignore_ascii_case(told.as_str())
            }
            _ => false,
        };
        self.partition(client_id, request)
            .filter(|_| !renamed)
            .or(of_account)
            .map(PartitionKeyRef::to_owned)
    }

    /// Whether it looks into the cache at all before it asks the provider.
    pub(crate) fn consults_cache(&self) -> bool {
        match self {
            Self::AuthorizationCode(_) | Self::RefreshToken(_) => false,
            Self::InitiateLongRunning(begin) => begin.search == SearchInCache::Yes,
            _ => true,
        }
    }

    /// Whose token it wants.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::ClientCredentials
            | Self::AuthorizationCode(_)
            | Self::RefreshToken(_)
            | Self::ManagedIdentity(_) => Subject::Application,
            Self::OnBehalfOf(assertion) => Subject::Assertion(assertion.hash()),
            Self::InitiateLongRunning(begin) => Subject::Assertion(begin.session.hash()),
            Self::InLongRunning(session) => Subject::Assertion(session.hash()),
            Self::Silent(account) => Subject::Account(account),
        }
    }

    /// Whether the token is the application's or machine's own.
    pub(crate) fn is_app_only(&self) -> bool {
        matches!(self, Self::ClientCredentials | Self::ManagedIdentity(_))
    }

    /// The client that a cached token must be of.
    pub(crate) fn client_id<'a>(&'a self, client_id: &'a str) -> &'a str {
        match self {
            Self::ManagedIdentity(identity) => identity.client_id(),
            _ => client_id,
        }
    }

    /// The tenant a cached token must be of; `None` takes any.
    pub(crate) fn tenant_wanted<'a>(&'a self, tenant_id: &'a str) -> Option<&'a str> {
        match self {
            Self::OnBehalfOf(_) | Self::InitiateLongRunning(_) | Self::InLongRunning(_) => {
                Some(tenant_id).filter(|tenant| is_one_tenant(tenant))
            }
            Self::Silent(account) => Some(silent::tenant(account, tenant_id)),
            Self::ManagedIdentity(_) => Some(managed_identity::TENANT),
            Self::ClientCredentials | Self::AuthorizationCode(_) | Self::RefreshToken(_) => {
                Some(tenant_id)
            }
        }
    }

    /// What to trade for a new token, given what the partition holds: the first,
    /// and what to try when the provider says that it is another application's.
    pub(crate) fn grants(
        &self,
        partition: Option<&Partition>,
        wanted: &RefreshTokenQuery<'_>,
    ) -> Result<Vec<Grant>, ErrorKind> {
        let cached_refresh_tokens = || -> Vec<Grant> {
            let own = RefreshTokenQuery {
                family_id: None,
                ..*wanted
            };
            let of_family = wanted.family_id.map(|_| wanted);
            let queries = of_family.into_iter().chain([&own]);
            let tokens = queries.filter_map(|query| partition?.find_refresh_token(query));
            tokens
                .map(|token| refresh_token::grant(&token.secret))
                .collect()
        };
        let or = |grants: Vec<Grant>, missing: ErrorKind| {
            let some = !grants.is_empty();
            some.then_some(grants).ok_or(missing)
        };
        match self {
            Self::ClientCredentials => Ok(vec![Grant::ClientCredentials]),
            Self::AuthorizationCode(code) => Ok(vec![code.grant()]),
            Self::OnBehalfOf(assertion) => Ok(vec![assertion.grant()]),
            Self::InitiateLongRunning(begin) => {
                let cached = match begin.search {
                    SearchInCache::No => Vec::new(),
                    SearchInCache::Yes => cached_refresh_tokens(),
                };
                Ok(if cached.is_empty() {
                    vec![begin.assertion.grant()]
                } else {
                    cached
                })
            }
            Self::InLongRunning(_) => or(cached_refresh_tokens(), ErrorKind::OboKeyNotInCache),
            Self::Silent(_) => or(cached_refresh_tokens(), ErrorKind::NoTokensFound),
            Self::RefreshToken(token) => Ok(vec![refresh_token::grant(token)]),
            Self::ManagedIdentity(identity) => Ok(vec![identity.grant()]),
        }
    }

    /// The scopes to send: user flows also ask for an ID token and a refresh
    /// token.
    pub(crate) fn scopes_to_send(&self, scopes: &Scopes) -> Scopes {
        if self.is_app_only() {
            scopes.clone()
        } else {
            scopes.with(&Scopes::parse("openid profile offline_access"))
        }
    }

    /// Whether a refresh token in the response is stored. On-behalf-of drops
    /// it, as MSAL does: the next call brings an assertion of its own.
    pub(crate) fn keeps_refresh_token(&self) -> bool {
        !self.is_app_only() && !matches!(self, Self::OnBehalfOf(_))
    }

    /// Whether it needs its partition even when it may not use its access
    /// tokens: to find the refresh token.
    pub(crate) fn needs_refresh_token(&self) -> bool {
        match self {
            Self::Silent(_) | Self::InLongRunning(_) => true,
            Self::InitiateLongRunning(begin) => begin.search == SearchInCache::Yes,
            _ => false,
        }
    }

    /// MSAL's number for the API.
    pub(crate) fn api_id(&self) -> ApiId {
        match self {
            Self::ClientCredentials => ApiId::AcquireTokenForClient,
            Self::AuthorizationCode(_) => ApiId::AcquireTokenByAuthorizationCode,
            Self::OnBehalfOf(_) => ApiId::AcquireTokenOnBehalfOf,
            Self::InitiateLongRunning(_) => ApiId::InitiateLongRunningObo,
            Self::InLongRunning(_) => ApiId::AcquireTokenInLongRunningObo,
            Self::Silent(_) => ApiId::AcquireTokenSilent,
            Self::RefreshToken(_) => ApiId::AcquireTokenByRefreshToken,
            Self::ManagedIdentity(ManagedIdentityId::SystemAssigned) => {
                ApiId::AcquireTokenForSystemAssignedManagedIdentity
            }
            Self::ManagedIdentity(_) => ApiId::AcquireTokenForUserAssignedManagedIdentity,
        }
    }

    /// The word in reports and metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode(_) => "authorization_code",
            Self::OnBehalfOf(_) => "on_behalf_of",
            Self::InitiateLongRunning(_) | Self::InLongRunning(_) => "long_running_obo",
            Self::Silent(_) => "silent",
            Self::RefreshToken(_) => "refresh_token",
            Self::ManagedIdentity(_) => "managed_identity",
        }
    }
}

/// Whether this names a tenant, and not "whichever the user is at home in".
pub(crate) fn is_one_tenant(tenant_id: &str) -> bool {
    !["", "common", "organizations", "consumers"]
        .iter()
        .any(|many| tenant_id.eq_ignore_ascii_case(many))
}
