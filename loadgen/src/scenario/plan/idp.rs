//! The identity provider of a plan.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::LatencyPlan;
use crate::scenario::units::Rate;

/// Where tokens come from when the cache has none.
#[derive(Debug, Clone, PartialEq)]
pub enum IdpPlan {
    /// Start a `mock-idp` in this process, over TLS on loopback.
    Embedded(Box<EmbeddedIdpPlan>),
    /// A `mock-idp` that runs elsewhere.
    External {
        /// `https://host:port`, without a trailing slash.
        url: String,
        /// PEM file with the CA that signed its certificate.
        ca: PathBuf,
    },
}

/// How the embedded provider behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedIdpPlan {
    /// How tokens are signed.
    pub signing: SigningPlan,
    /// After how many different ones an application's tokens for the same
    /// scopes are repeated in real time; `None` repeats none.
    pub token_pool: Option<NonZeroUsize>,
    /// Lifetime of access tokens, in whole seconds.
    pub expires_in: Duration,
    /// Up to so much longer, drawn for each token.
    pub lifetime_jitter: Duration,
    /// When clients are advised to replace them; `None` gives no advice.
    pub refresh_in: Option<Duration>,
    /// Lifetime of refresh tokens.
    pub refresh_token_lifetime: Duration,
    /// Lifetime of managed identities' access tokens.
    pub managed_identity_lifetime: Duration,
    /// Whether a refresh token may be used once only.
    pub refresh_tokens_once: bool,
    /// Lifetimes that differ by application.
    pub application_lifetimes: Vec<ApplicationLifetime>,
    /// How large users' access tokens are.
    pub user_tokens: UserTokens,
    /// How long each endpoint takes.
    pub latency: IdpLatencies,
    /// How much it may be asked for.
    pub throttles: Vec<ThrottlePlan>,
}

impl EmbeddedIdpPlan {
    /// What an application's tokens have of their own; the first that is said of it.
    pub fn lifetime_of(&self, application: u32) -> Option<&ApplicationLifetime> {
        let mut own = self.application_lifetimes.iter();
        own.find(|own| own.application == application)
    }
}

/// How large users' access tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserTokens {
    /// As small as v2 tokens are.
    Small,
    /// With 50 groups: 5.4 kB.
    Groups50,
    /// With 200 groups, as many as fit: 13.2 kB.
    Groups200,
    /// With too many groups, so that the token says where to ask for them: 3.2 kB.
    Overage,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningPlan {
    /// RSA 2048, as Entra does.
    Rs256,
    /// Elliptic curve P-256: ten times as fast.
    Es256,
}

/// A lifetime of one application's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationLifetime {
    /// Which application, from 0.
    pub application: u32,
    /// Lifetime of its access tokens, in whole seconds.
    pub expires_in: Duration,
    /// When its clients are advised to replace them.
    pub refresh_in: Option<Duration>,
}

/// How long each endpoint takes.
#[derive(Debug, Clone, PartialEq)]
pub struct IdpLatencies {
    /// The token endpoint.
    pub token: LatencyPlan,
    /// The authorize endpoint.
    pub authorize: LatencyPlan,
    /// The `OpenID` configuration documents.
    pub discovery: LatencyPlan,
    /// The signing keys.
    pub keys: LatencyPlan,
    /// `/common/discovery/instance`.
    pub instance_discovery: LatencyPlan,
}

/// An endpoint of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointPlan {
    /// The token endpoint.
    Token,
    /// The authorize endpoint.
    Authorize,
    /// The `OpenID` configuration documents.
    Discovery,
    /// The signing keys.
    Keys,
}

/// A limit on what the provider may be asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThrottlePlan {
    /// How much.
    pub limit: ThrottleLimitPlan,
    /// Whose requests are counted together.
    pub per: ThrottlePer,
    /// When those refused are told to come again, in whole seconds; `None` for
    /// the time until one more is served.
    pub retry_after: Option<Duration>,
}

/// How much may be asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThrottleLimitPlan {
    /// So many requests in the long run, and `burst` at once after a pause.
    Rate {
        /// In the long run.
        rate: Rate,
        /// At once.
        burst: u32,
    },
    /// So many at a time.
    Concurrency(u32),
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottlePer {
    /// Everybody's.
    Everyone,
    /// Those to one tenant.
    Tenant,
    /// Those of one application.
    Application,
    /// Those of one application to one tenant.
    TenantAndApplication,
}
