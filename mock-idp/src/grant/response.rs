//! The body of a successful answer.

use std::time::Duration;

use serde::Serialize;

use crate::config::Lifetimes;
use crate::endpoint::Version;
use crate::metrics::{Metrics, TokenKind};
use crate::scope::Scopes;
use crate::token::Validity;

/// The body of a successful answer. Numbers are numbers in v2 answers: `azure_identity` for Rust and MSAL Python
/// insist. No `Debug`: it is made of secrets.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    expires_in: Seconds,
    ext_expires_in: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<Seconds>,
    #[serde(flatten)]
    v1: Option<V1Members>,
    pub(super) access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token_expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_info: Option<String>,
}

impl TokenResponse {
    /// An answer without its tokens, which live for `expires_in`.
    pub(super) fn new(
        version: Version,
        lifetimes: &Lifetimes,
        expires_in: Duration,
        validity: Validity,
        scopes: &Scopes,
    ) -> Self {
        let seconds = |time: Duration| match version {
            Version::V1 => Seconds::Text(time.as_secs().to_string()),
            Version::V2 => Seconds::Number(time.as_secs()),
        };
        Self {
            token_type: "Bearer",
            scope: None,
            expires_in: seconds(expires_in),
            ext_expires_in: seconds(lifetimes.ext_expires_in.unwrap_or(expires_in)),
            refresh_in: lifetimes.refresh_in.map(seconds),
            v1: (version == Version::V1).then(|| V1Members {
                not_before: validity.from().to_string(),
                expires_on: validity.until().to_string(),
                resource: scopes.audience().to_owned(),
            }),
            access_token: String::new(),
            refresh_token: None,
            refresh_token_expires_in: None,
            id_token: None,
            client_info: None,
        }
    }

    /// Counts its tokens, which are a user's or an application's.
    pub(super) fn count(&self, metrics: &Metrics, of_user: bool) {
        let access = if of_user {
            TokenKind::UserAccess
        } else {
            TokenKind::AppAccess
        };
        for (kind, token) in [
            (access, Some(&self.access_token)),
            (TokenKind::Refresh, self.refresh_token.as_ref()),
            (TokenKind::Id, self.id_token.as_ref()),
        ] {
            if let Some(token) = token {
                metrics.issued(kind, token.len());
            }
        }
    }
}

/// A number of seconds; text in v1 answers.
#[derive(Serialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// What only v1 answers have.
#[derive(Serialize)]
struct V1Members {
    not_before: String,
    expires_on: String,
    resource: String,
}
