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

mod behavior;
mod clock;
mod config;
mod connection;
mod device_codes;
mod directory;
mod duration;
mod endpoint;
mod error;
mod form;
mod grant;
mod hosts;
mod idp;
mod issuer;
mod ledger;
mod metrics;
mod opening;
mod origin;
mod random;
mod redeemed;
mod refresh_families;
mod scope;
mod sealed;
mod server;
mod signing;
mod tls;
mod token;

pub use behavior::latency::{Latencies, Latency, LatencyError};
pub use config::{Config, DeviceApproval, Lifetimes, Limits};
pub use directory::Directory;
pub use directory::closed::{ClosedDirectory, DirectoryError};
pub use endpoint::router;
pub use idp::{Idp, IdpError};
pub use issuer::IssuerMode;
pub use ledger::{GrantType, LedgerSnapshot};
pub use origin::Scheme;
pub use refresh_families::RefreshTokens;
pub use server::{Server, StartError};
pub use signing::Signing;
pub use tls::TlsError;
