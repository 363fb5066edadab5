//! Signs tokens, off the threads that serve requests.
//!
//! An RSA-2048 signature takes most of a millisecond. On a runtime's worker that would stall every
//! other connection of that worker, so signatures are made by threads of their own and a request
//! only waits for its own.

mod algorithm;
mod key;
mod pool;
mod provider;
mod ring;
mod schedule;
mod sets;
mod signer;

pub use algorithm::SigningAlgorithm;
pub(crate) use key::SigningKey;
pub use pool::Signing;
pub(crate) use schedule::Rollover;
pub use schedule::{KeySchedule, ScheduleError};
pub(crate) use sets::{Accounts, SavedKeys, SigningKeys};

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Key(String),
    /// The threads could not be started.
    #[error("no signing thread could be started: {0}")]
    Threads(std::io::Error),
    /// More tokens are waiting for a signature than is sensible.
    #[error("too many tokens wait to be signed")]
    Overloaded,
    /// The library refused.
    #[error("a token could not be signed: {0}")]
    Token(String),
}
