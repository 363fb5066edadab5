//! What the oracle found, and what became of sessions: parts of `report.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the check of every returned token found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Oracle {
    /// Tokens checked.
    pub checked: u64,
    /// Tokens of another tenant, application, user or audience.
    pub wrong_token: u64,
    /// Tokens past their expiry, or served from a cache inside the five-minute
    /// buffer.
    pub expired_served: u64,
    /// Tokens without all the scopes asked for.
    pub under_scoped: u64,
    /// Tokens whose signature is not the provider's.
    pub not_issued: u64,
    /// Of all tokens, the part that could be wrong in truth is below this with
    /// 95 % confidence: 3 in `checked` when none was found. `null` when some
    /// were, or none was checked.
    #[serde(default)]
    pub wrong_rate_below: Option<f64>,
}

impl Oracle {
    /// Tokens that were not the right ones.
    pub fn violations(&self) -> u64 {
        self.wrong_token + self.expired_served + self.under_scoped + self.not_issued
    }

    /// Adds another's counts; of their sum no bound is said yet.
    pub fn add(&mut self, other: &Self) {
        self.checked += other.checked;
        self.wrong_token += other.wrong_token;
        self.expired_served += other.expired_served;
        self.under_scoped += other.under_scoped;
        self.not_issued += other.not_issued;
        self.wrong_rate_below = None;
    }

    /// With the bound that its counts allow. Of N tokens that are each wrong with
    /// chance p none is found wrong with chance (1 - p)^N, which is below 5 % for
    /// p above 3/N ("rule of three").
    #[must_use]
    pub fn bounded(self) -> Self {
        let clean = self.violations() == 0 && self.checked > 0;
        Self {
            wrong_rate_below: clean.then(|| (3.0 / self.checked as f64).min(1.0)),
            ..self
        }
    }
}

/// A token that was not the right one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// `wrong_token`, `expired_served`, `under_scoped` or `not_issued`.
    pub kind: String,
    /// The flow's name in the scenario.
    pub flow: String,
    /// Seconds from the first arrival.
    pub at_s: f64,
    /// Where it came from: `cache` or `identity_provider`.
    pub token_source: String,
    /// What was asked for and what came, without the token.
    pub why: String,
}

/// What became of users' sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// Calls of users who had signed in and had to again, since neither the
    /// cache nor the provider could go on without them.
    pub interaction_required: u64,
    /// Tokens served from a cache although a newer one had been asked for, by a
    /// forced refresh or a claims challenge, before the call began.
    pub stale_served: u64,
    /// Tokens for somebody who had signed out: each is asked for once, as
    /// another tab or device would, before the user signs in again.
    pub served_after_sign_out: u64,
}
