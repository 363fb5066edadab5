//! Acquires OAuth tokens through a [`token_cache::TokenCache`], as MSAL's
//! confidential client application does: flow, then cache, then identity
//! provider.
//!
//! [`Client::acquire`] holds the whole decision. Its answer says where the
//! token came from, why the provider was asked, and how long each part took.

/// Whether this process has a defect, which only test builds can have.
#[cfg(feature = "defects")]
macro_rules! defect {
    ($defect:ident) => {
        token_cache::defects::on(token_cache::defects::Defect::$defect)
    };
}
#[cfg(not(feature = "defects"))]
macro_rules! defect {
    ($defect:ident) => {
        false
    };
}

pub mod client;
pub mod error;
pub mod events;
pub mod flow;
pub mod idp;
pub mod msal_metrics;
pub mod result;
pub mod throttle;

mod account;
mod answer;
mod fetch;
mod flight;
mod jitter;
mod refresh;
mod response;
mod send;
mod telemetry;

pub use client::{AcquireRequest, Application, AuthenticationScheme, Authority, Client};
pub use error::{AcquireError, ErrorKind};
pub use events::ClientEvents;
pub use flow::{
    AuthorizationCode, Flow, InitiateLongRunning, LongRunningSession, ManagedIdentityId,
    SearchInCache, UserAssertion,
};
pub use idp::http::{HttpIdentityProvider, Transport, TransportFuture};
pub use idp::managed_identity::{HttpManagedIdentity, ManagedIdentitySource};
pub use idp::{
    Grant, IdentityProvider, ProviderKind, Refusal, RequestError, TokenRequest, TokenResponse,
};
pub use result::{ApiId, AuthenticationResult, CacheRefreshReason, ResultMetadata, TokenSource};
