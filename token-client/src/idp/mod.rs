//! The identity provider's token endpoint: one call, whatever carries it.

pub mod http;
pub mod managed_identity;
pub mod retry;
mod wire;

use std::pin::Pin;
use std::time::Duration;

use token_cache::item::TokenType;
use token_cache::{Scopes, Secret, Timestamp};
use uuid::Uuid;

use crate::flow::ManagedIdentityId;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Asks a token endpoint. A seam with two sides: HTTP, and a provider in this
/// process.
///
/// No method has a default: a provider that wraps another would inherit it where
/// it forgets to pass the method on, and behave otherwise than what it wraps.
pub trait IdentityProvider: Send + Sync + fmt::Debug {
    /// Sends one token request and waits for its answer.
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a>;

    /// Where tokens are asked for; results name it. `None` when that is no
    /// endpoint.
    fn token_endpoint(&self, tenant_id: &str) -> Option<Arc<str>>;

    /// After how long a request that failed with `error`, the last of `sent`
    /// times, is sent again; `None` when it is not. Asked where the policy has
    /// requests sent again. [`retry`] has MSAL's rules.
    fn retry(&self, error: &RequestError, sent: u32) -> Option<Duration>;

    /// What kind of provider it is.
    fn kind(&self) -> ProviderKind;
}

/// What kind of provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// An OAuth token endpoint, or a managed identity's.
    TokenEndpoint,
    /// The application's own code; MSAL's `AppTokenProvider`. A token of two
    /// hours or more that comes without advice is refreshed at half its life.
    OwnCode,
}

/// What [`IdentityProvider::request_token`] returns.
pub type TokenFuture<'a> =
    Pin<Box<dyn Future<Output = Result<TokenResponse, RequestError>> + Send + 'a>>;

/// A token request, apart from where it is sent.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Tenant in the authority's path: an id, a domain, or `common`.
    pub tenant_id: Arc<str>,
    /// The application that asks.
    pub client_id: Arc<str>,
    /// Its secret; a public client has none.
    pub client_secret: Option<Secret>,
    /// What is traded for the token.
    pub grant: Grant,
    /// Scopes, as sent.
    pub scopes: Scopes,
    /// A claims request or challenge, as JSON.
    pub claims: Option<Arc<str>>,
    /// Ties the request to the provider's log.
    pub correlation_id: Uuid,
    /// What MSAL sends as `x-client-current-telemetry`.
    pub telemetry: String,
    /// SHA-256, in lower-case hex, of an access token that a resource refused:
    /// a managed identity must not answer with that one again.
    pub token_to_refresh: Option<Arc<str>>,
}

/// What is traded for a token.
#[derive(Debug, Clone)]
pub enum Grant {
    /// Nothing but the application's own credential (RFC 6749 §4.4).
    ClientCredentials,
    /// A code from the authorize endpoint (RFC 6749 §4.1, RFC 7636).
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// Where the code was sent.
        redirect_uri: Arc<str>,
        /// PKCE's verifier, where a challenge was sent.
        code_verifier: Option<Secret>,
    },
    /// The token the application was called with (Entra's on-behalf-of).
    OnBehalfOf {
        /// That token.
        assertion: Secret,
    },
    /// A refresh token (RFC 6749 §6).
    RefreshToken {
        /// The refresh token.
        refresh_token: Secret,
    },
    /// Where the application runs (Azure's managed identities). The scope is
    /// the resource with `/.default` behind it, or the resource alone.
    ManagedIdentity {
        /// Which identity.
        identity: ManagedIdentityId,
    },
}

impl Grant {
    /// The word in reports: OAuth's grant type, or `managed_identity`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode { .. } => "authorization_code",
            Self::OnBehalfOf { .. } => "on_behalf_of",
            Self::RefreshToken { .. } => "refresh_token",
            Self::ManagedIdentity { .. } => "managed_identity",
        }
    }
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// How to present it.
    pub token_type: TokenType,
    /// Its lifetime.
    pub expires_in: Duration,
    /// When it ends, where the provider says that rather than how long it
    /// lives, as managed identities' endpoints do; stands above `expires_in`.
    pub expires_on: Option<Timestamp>,
    /// Its lifetime while the provider is down.
    pub ext_expires_in: Option<Duration>,
    /// When to replace it.
    pub refresh_in: Option<Duration>,
    /// What it covers; `None` means what was asked for.
    pub scope: Option<Scopes>,
    /// The refresh token, where one was asked for.
    pub refresh_token: Option<Secret>,
    /// The ID token, where one was asked for.
    pub id_token: Option<Secret>,
    /// Who the user is, base64url of JSON.
    pub client_info: Option<Arc<str>>,
    /// The family of applications that may share the refresh token (`foci`).
    pub family_id: Option<Arc<str>>,
}

impl TokenResponse {
    /// A bearer token that lives this long, and nothing else.
    pub fn bearer(access_token: Secret, expires_in: Duration) -> Self {
        Self {
            access_token,
            token_type: TokenType::Bearer,
            expires_in,
            expires_on: None,
            ext_expires_in: None,
            refresh_in: None,
            scope: None,
            refresh_token: None,
            id_token: None,
            client_info: None,
            family_id: None,
        }
    }
}

/// Why there was no successful answer.
#[derive(Debug)]
pub enum RequestError {
    /// No connection, or it broke before an answer came.
    Unreachable(Box<dyn Error + Send + Sync>),
    /// No answer in time.
    Timeout(Duration),
    /// An answer that is no token response and no OAuth error.
    Protocol {
        /// HTTP status.
        status: u16,
        /// What was wrong with it.
        reason: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// An OAuth error.
    Refused(Box<Refusal>),
}

/// An OAuth error, as the provider sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// OAuth's `error`, such as `invalid_grant`.
    pub error: String,
    /// The provider's words.
    pub description: String,
    /// AADSTS codes.
    pub codes: Vec<u64>,
    /// OAuth's `suberror`, such as `consent_required`.
    pub suberror: Option<String>,
    /// A claims challenge to send with the next request.
    pub claims: Option<String>,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl RequestError {
    /// Whether an HTTP answer came.
    pub fn was_answered(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) => false,
            Self::Protocol { .. } | Self::Refused(_) => true,
        }
    }

    /// The HTTP status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) => None,
            Self::Protocol { status, .. } => Some(*status),
            Self::Refused(refusal) => Some(refusal.status),
        }
    }

    /// How long the provider wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) => None,
            Self::Protocol { retry_after, .. } => *retry_after,
            Self::Refused(refusal) => refusal.retry_after,
        }
    }

    /// Whether a refresh token was refused because it is of a family that the
    /// application does not belong to.
    pub(crate) fn is_client_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Refused(refusal)
                if refusal.error == "invalid_grant"
                    && refusal.suberror.as_deref() == Some("client_mismatch")
        )
    }

    /// Whether only the user can help, by signing in or consenting.
    pub fn needs_user(&self) -> bool {
        matches!(
            self,
            Self::Refused(refusal)
                if matches!(
                    refusal.error.as_str(),
                    "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
                )
        )
    }

    /// A short, closed name for counting.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "http_timeout",
            Self::Protocol { .. } => "protocol",
            Self::Refused(refusal) if refusal.status == 429 => "throttled",
            Self::Refused(refusal) => known_oauth_error(&refusal.error),
        }
    }
}

/// OAuth's and Entra's error codes; any other counts as `other`, so that a
/// provider cannot make up names in our reports.
fn known_oauth_error(error: &str) -> &'static str {
    const KNOWN: [&str; 12] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_resource",
        "interaction_required",
        "login_required",
        "consent_required",
        "temporarily_unavailable",
        "server_error",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == error)
        .unwrap_or("other")
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("the token endpoint could not be reached"),
            Self::Timeout(limit) => write!(f, "the token endpoint did not answer in {limit:?}"),
            Self::Protocol { status, reason, .. } => {
                write!(f, "the token endpoint answered {status} with {reason}")
            }
            Self::Refused(refusal) => write!(
                f,
                "the token endpoint answered {} `{}`: {}",
                refusal.status, refusal.error, refusal.description
            ),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}
