//! One arrival that started, and what became of it.

use std::time::Duration;

use token_client::{AcquireError, ResultMetadata};

use crate::arrival::Arrival;
use crate::oracle::Finding;

/// What became of one arrival that started.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Which arrival.
    pub arrival: Arrival,
    /// How the acquisition ended.
    pub outcome: Outcome<'a>,
    /// Intended start to when it could begin, as far as the generator goes.
    pub lag: Duration,
    /// From there to its turn, where arrivals queue when `max_in_flight` are
    /// under way.
    pub queued: Duration,
    /// Actual start to end.
    pub service: Duration,
}

impl Sample<'_> {
    /// What a caller would have waited.
    pub(super) fn response(&self) -> Duration {
        self.lag + self.queued + self.service
    }

    /// The acquisition inside the client. What never came to an answer of the
    /// client is as long as its operation: leaving it out would make the slowest
    /// acquisitions look as if none were.
    pub(super) fn total(&self) -> Duration {
        match &self.outcome {
            Outcome::Token { metadata, .. } | Outcome::Modelled(metadata) => {
                metadata.duration_total
            }
            Outcome::Error(error) => error.metadata().duration_total,
            Outcome::ModelledError { .. } | Outcome::NoSignIn | Outcome::Timeout => self.service,
        }
    }
}

/// How an acquisition ended.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// With a token.
    Token {
        /// How it was come by.
        metadata: ResultMetadata,
        /// What the oracle says of it.
        finding: Finding,
    },
    /// With a token that a model thought up: there is nothing to check.
    Modelled(ResultMetadata),
    /// Without one.
    Error(&'a AcquireError),
    /// Without one, as a model found out.
    ModelledError {
        /// The error's code.
        code: &'static str,
        /// Whether it waited for another's fetch.
        coalesced: bool,
    },
    /// Before the acquisition: the user could not sign in.
    NoSignIn,
    /// Not in time. It may still end, see [`Recorder::late`](super::Recorder::late).
    Timeout,
}
