//! The flows: each says which partition it reads, whose token it wants and
//! what it trades for a new one.

mod authorization_code;
mod client_credentials;
mod on_behalf_of;
mod silent;

pub use authorization_code::AuthorizationCode;
pub use on_behalf_of::UserAssertion;

use token_cache::{
    Environment, HomeAccountId, Partition, PartitionKey, PartitionKeyRef, Scopes, Subject,
};

use crate::error::ErrorKind;
use crate::idp::Grant;

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
    /// A user who signed in before; MSAL's `AcquireTokenSilent`.
    Silent(HomeAccountId),
}

impl Flow {
    /// The partition the flow reads; `None` when it reads none.
    pub(crate) fn partition<'a>(
        &'a self,
        client_id: &'a str,
        tenant_id: &'a str,
    ) -> Option<PartitionKeyRef<'a>> {
        match self {
            Self::ClientCredentials => Some(client_credentials::partition(client_id, tenant_id)),
            Self::AuthorizationCode(_) => None,
            Self::OnBehalfOf(assertion) => Some(assertion.partition()),
            Self::Silent(account) => Some(silent::partition(account)),
        }
    }

    /// The partition a response is written to: the one that is read, or the
    /// account's, once it is known.
    pub(crate) fn partition_of_response(
        &self,
        client_id: &str,
        tenant_id: &str,
        account: Option<&HomeAccountId>,
    ) -> Option<PartitionKey> {
        self.partition(client_id, tenant_id)
            .or_else(|| account.map(PartitionKeyRef::Account))
            .map(PartitionKeyRef::to_owned)
    }

    /// Whose token it wants.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::ClientCredentials | Self::AuthorizationCode(_) => Subject::Application,
            Self::OnBehalfOf(assertion) => Subject::Assertion(assertion.hash()),
            Self::Silent(account) => Subject::Account(account),
        }
    }

    /// The tenant a cached token must be of; `None` takes any.
    pub(crate) fn tenant_wanted<'a>(&'a self, tenant_id: &'a str) -> Option<&'a str> {
        match self {
            Self::OnBehalfOf(_) => Some(tenant_id).filter(|tenant| is_one_tenant(tenant)),
            Self::Silent(account) => Some(silent::tenant(account, tenant_id)),
            Self::ClientCredentials | Self::AuthorizationCode(_) => Some(tenant_id),
        }
    }

    /// What to trade for a new token, given what the partition holds.
    pub(crate) fn grant(
        &self,
        partition: Option<&Partition>,
        environment: &Environment,
        client_id: &str,
    ) -> Result<Grant, ErrorKind> {
        match self {
            Self::ClientCredentials => Ok(Grant::ClientCredentials),
            Self::AuthorizationCode(code) => Ok(code.grant()),
            Self::OnBehalfOf(assertion) => Ok(assertion.grant()),
            Self::Silent(account) => silent::grant(account, partition, environment, client_id),
        }
    }

    /// The scopes to send: user flows also ask for an ID token and a refresh
    /// token.
    pub(crate) fn scopes_to_send(&self, scopes: &Scopes) -> Scopes {
        match self {
            Self::ClientCredentials => scopes.clone(),
            Self::AuthorizationCode(_) | Self::OnBehalfOf(_) | Self::Silent(_) => {
                scopes.with(&Scopes::parse("openid profile offline_access"))
            }
        }
    }

    /// Whether a refresh token in the response is stored. On-behalf-of drops
    /// it, as MSAL does: the next call brings an assertion of its own.
    pub(crate) fn keeps_refresh_token(&self) -> bool {
        matches!(self, Self::AuthorizationCode(_) | Self::Silent(_))
    }

    /// Whether it needs its partition even when it may not use its tokens: to
    /// find the refresh token.
    pub(crate) fn needs_refresh_token(&self) -> bool {
        matches!(self, Self::Silent(_))
    }
}

/// Whether this names a tenant, and not "whichever the user is at home in".
pub(crate) fn is_one_tenant(tenant_id: &str) -> bool {
    !["", "common", "organizations", "consumers"]
        .iter()
        .any(|many| tenant_id.eq_ignore_ascii_case(many))
}
