//! The answer: a token and how it was come by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use token_cache::{AccessToken, Account, CacheLevel, IdToken, Timestamp};

/// A token, with what MSAL's `AuthenticationResult` tells about it.
#[derive(Debug, Clone)]
pub struct AuthenticationResult {
    /// The token, its scopes and its times.
    pub token: Arc<AccessToken>,
    /// Whose token it is; `None` in app-only flows and for cached tokens whose
    /// partition holds no account.
    pub account: Option<Arc<Account>>,
    /// The ID token that came with it or lies beside it in the cache.
    pub id_token: Option<Arc<IdToken>>,
    /// Where the token was got just now; `None` when it came from a cache.
    pub token_endpoint: Option<Arc<str>>,
    /// How it was come by.
    pub metadata: ResultMetadata,
}

/// How an acquisition went; on errors, how far it got.
///
/// Of MSAL's `AuthenticationResultMetadata` it lacks what has no counterpart here:
/// `RegionDetails` (regional endpoints are not used), `Telemetry` (a broker's),
/// `DurationCreatingExtendedTokenInUs` (no scheme signs what it presents).
/// `TokenEndpoint` is [`AuthenticationResult::token_endpoint`], and MSAL's static
/// totals are sums over [`ClientEvents::acquired`](crate::ClientEvents::acquired).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultMetadata {
    /// Where the token came from.
    pub token_source: TokenSource,
    /// Which cache level served it.
    pub cache_level: CacheLevel,
    /// Why the identity provider was asked.
    pub cache_refresh_reason: CacheRefreshReason,
    /// The whole acquisition.
    pub duration_total: Duration,
    /// Reading and writing the cache, summed.
    pub duration_in_cache: Duration,
    /// Waiting for the token endpoint; `None` when it was not asked by this
    /// acquisition itself.
    pub duration_in_http: Option<Duration>,
    /// Whether it waited for a fetch that another acquisition had begun, which
    /// has the request on its account. If the cache then held the token, it was
    /// served from there; if not, its source is that fetch's.
    pub coalesced: bool,
    /// Requests this acquisition sent to the token endpoint.
    pub token_requests: TokenRequests,
    /// Which API was called; `None` in [`ResultMetadata::NONE`] alone.
    pub api_id: Option<ApiId>,
    /// When the provider advises to replace the token.
    pub refresh_on: Option<Timestamp>,
    /// When the token ends.
    pub expires_on: Option<Timestamp>,
    /// Whether it has ended, and serves on only because the provider may be
    /// down; MSAL's `IsExtendedLifeTimeToken`.
    pub is_extended_lifetime: bool,
    /// Access tokens in the partition that was looked into or written; MSAL
    /// counts its accessor, which is the same where it serialises.
    pub cached_access_token_count: u32,
    /// The HTTP status of the token endpoint's last answer.
    pub http_status: Option<u16>,
}

impl ResultMetadata {
    /// Of an acquisition that did nothing yet.
    pub const NONE: Self = Self {
        token_source: TokenSource::Cache,
        cache_level: CacheLevel::None,
        cache_refresh_reason: CacheRefreshReason::NotApplicable,
        duration_total: Duration::ZERO,
        duration_in_cache: Duration::ZERO,
        duration_in_http: None,
        coalesced: false,
        token_requests: TokenRequests {
            answered: 0,
            unanswered: 0,
        },
        api_id: None,
        refresh_on: None,
        expires_on: None,
        is_extended_lifetime: false,
        cached_access_token_count: 0,
        http_status: None,
    };
}

/// MSAL's numbers of its APIs (`ApiEvent.ApiIds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiId {
    /// By authorization code.
    AcquireTokenByAuthorizationCode = 1000,
    /// By refresh token.
    AcquireTokenByRefreshToken = 1001,
    /// Client credentials.
    AcquireTokenForClient = 1004,
    /// On behalf of a caller.
    AcquireTokenOnBehalfOf = 1006,
    /// Silently, for an account.
    AcquireTokenSilent = 1007,
    /// The machine's own identity.
    AcquireTokenForSystemAssignedManagedIdentity = 1015,
    /// An identity assigned to the machine.
    AcquireTokenForUserAssignedManagedIdentity = 1016,
    /// The begin of a long-running session.
    InitiateLongRunningObo = 1017,
    /// In a long-running session.
    AcquireTokenInLongRunningObo = 1018,
}

impl ApiId {
    /// The name that MSAL's metrics have it under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AcquireTokenByAuthorizationCode => "AcquireTokenByAuthorizationCode",
            Self::AcquireTokenByRefreshToken => "AcquireTokenByRefreshToken",
            Self::AcquireTokenForClient => "AcquireTokenForClient",
            Self::AcquireTokenOnBehalfOf => "AcquireTokenOnBehalfOf",
            Self::AcquireTokenSilent => "AcquireTokenSilent",
            Self::AcquireTokenForSystemAssignedManagedIdentity => {
                "AcquireTokenForSystemAssignedManagedIdentity"
            }
            Self::AcquireTokenForUserAssignedManagedIdentity => {
                "AcquireTokenForUserAssignedManagedIdentity"
            }
            Self::InitiateLongRunningObo => "InitiateLongRunningObo",
            Self::AcquireTokenInLongRunningObo => "AcquireTokenInLongRunningObo",
        }
    }
}

/// Requests to the token endpoint, as the client saw them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenRequests {
    /// Those with an HTTP answer, of whatever status.
    pub answered: u32,
    /// Those without: they may or may not have reached the provider.
    pub unanswered: u32,
}

/// Where a token came from; MSAL's `TokenSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenSource {
    /// The token endpoint, for this very acquisition.
    IdentityProvider,
    /// A cache, or a fetch already under way.
    Cache,
}

impl TokenSource {
    /// The word in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity_provider",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the identity provider was asked; MSAL's `CacheRefreshReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheRefreshReason {
    /// It was not, or the flow never consults the cache.
    NotApplicable,
    /// The caller asked for a new token, or brought claims.
    ForceRefreshOrClaims,
    /// The cache had nothing that fits.
    NoCachedAccessToken,
    /// It had, but too old.
    Expired,
    /// It was asked behind a served token, which the caller got.
    ProactivelyRefreshed,
    /// Nothing is cached at all.
    CacheDisabled,
}

impl CacheRefreshReason {
    /// The word in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not_applicable",
            Self::ForceRefreshOrClaims => "force_refresh_or_claims",
            Self::NoCachedAccessToken => "no_cached_access_token",
            Self::Expired => "expired",
            Self::ProactivelyRefreshed => "proactively_refreshed",
            Self::CacheDisabled => "cache_disabled",
        }
    }

    /// MSAL's number for it.
    pub fn number(self) -> u8 {
        match self {
            Self::NotApplicable => 0,
            Self::ForceRefreshOrClaims => 1,
            Self::NoCachedAccessToken => 2,
            Self::Expired => 3,
            Self::ProactivelyRefreshed => 4,
            Self::CacheDisabled => 5,
        }
    }
}
