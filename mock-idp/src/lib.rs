//! A stand-in for Microsoft Entra ID: real endpoints, signed tokens, chosen latency.
//!
//! ```no_run
//! use mock_idp::{Config, Server};
//!
//! # async fn example() -> Result<(), mock_idp::StartError> {
//! let config = Config { https: Some(([127, 0, 0, 1], 0).into()), ..Config::default() };
//! let server = Server::start(config).await?;
//! println!("https://localhost:{}", server.https_addr().map_or(0, |address| address.port()));
//! // ... point a client at it, trusting `server.ca_certificate()` ...
//! println!("{} token requests", server.ledger().token_requests);
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod cli;

mod aadsts;
mod behavior;
mod clock;
mod config;
mod connection;
mod consents;
mod device_codes;
mod directory;
mod duration;
mod endpoint;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod herd;
mod hosts;
mod idp;
mod issuer;
mod ledger;
mod metrics;
mod mock;
mod opening;
mod origin;
mod proxy;
mod random;
mod recent;
mod redeemed;
mod refresh_families;
mod request;
mod revoked;
mod run;
mod runs;
mod saved;
mod scope;
mod sealed;
mod server;
mod settings;
mod signing;
mod socket;
mod tls;
mod token;

pub use behavior::fault::{Fault, FaultKind, RetryAfter};
pub use behavior::forgery::Forgery;
pub use behavior::latency::{Latencies, Latency, LatencyError, TokenPace};
pub use behavior::matcher::Matcher;
pub use behavior::rule::{Rule, RuleError, RuleStatus, Trigger, When};
pub use behavior::throttle::{ThrottleBy, ThrottleKind, ThrottleLimit, ThrottlePolicy};
pub use config::{
    AdminToken, Config, ConfigError, DeviceApproval, Lifetimes, Limits, Problem, SignInBy,
};
pub use directory::Directory;
pub use directory::closed::{ClosedDirectory, DirectoryError};
pub use endpoint::managed_identity::router as managed_identity_router;
pub use endpoint::{Unpaced, router};
pub use error::ErrorStyle;
pub use idp::{Idp, IdpError};
pub use issuer::IssuerMode;
pub use ledger::{GrantType, LedgerSnapshot};
pub use mock::{MockIdp, MockIdpBuilder};
pub use origin::Scheme;
pub use recent::{RecordedRequest, RecordedRequests, RequestFilter};
pub use refresh_families::RefreshTokens;
pub use request::{ApiId, CacheRefreshReason, ClientSku};
pub use server::{Server, StartError};
pub use signing::{KeySchedule, ScheduleError, Signing, SigningAlgorithm};
pub use tls::TlsError;
pub use token::policy::TokenPolicy;
pub use token::shape::{AppShape, UserShape};
