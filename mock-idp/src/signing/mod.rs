//! Signs tokens, one a core at a time.
//!
//! An RSA-2048 signature takes most of a millisecond, so signatures are made in turns, and before
//! each the thread serves whatever else is ready: no connection waits for more than one.

mod algorithm;
mod key;
mod provider;
mod ring;
mod schedule;
mod sets;
mod signer;
mod turns;

pub use algorithm::SigningAlgorithm;
pub(crate) use key::SigningKey;
pub(crate) use schedule::Rollover;
pub use schedule::{KeySchedule, ScheduleError};
pub(crate) use sets::{Accounts, SavedKeys, SigningKeys};
pub use turns::Signing;

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Key(String),
    /// More tokens are waiting for a signature than is sensible.
    #[error("too many tokens wait to be signed")]
    Overloaded,
    /// The library refused.
    #[error("a token could not be signed: {0}")]
    Token(String),
}
