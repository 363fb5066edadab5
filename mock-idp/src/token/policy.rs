//! What the tokens of some applications or scopes are like.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shape::{AppShape, UserShape};
use crate::config::Lifetimes;
use crate::directory::Directory;
use crate::duration::as_optional_text;
use crate::scope::Scopes;

/// Claims that say when a token is valid: those the answer and the ledger say as well.
const TIMES: [&str; 3] = ["iat", "nbf", "exp"];

/// What the access tokens of some requests are like. The first policy that fits a request decides
/// everything; what it leaves out is as without any.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenPolicy {
    /// Of this application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// For this resource, or with this among the scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How large tokens for applications are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppShape>,
    /// How large tokens for users are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserShape>,
    /// Claims to add, or to put in place of the server's own.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// `expires_in`.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_in: Option<Duration>,
    /// Up to so much longer.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Duration>,
    /// `ext_expires_in`.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ext_expires_in: Option<Duration>,
    /// `refresh_in`.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub refresh_in: Option<Duration>,
}

impl TokenPolicy {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    ///
    /// Claims about time, and lifetimes that are not whole seconds above zero.
    pub fn validate(&self) -> Result<(), String> {
        if let Some(name) = TIMES.iter().find(|name| self.claims.contains_key(**name)) {
            return Err(format!(
                "`{name}` cannot be a claim of its own; set `expires_in`, or forge the token with \
                 a rule"
            ));
        }
        for (name, time) in [
            ("expires_in", self.expires_in),
            ("ext_expires_in", self.ext_expires_in),
            ("refresh_in", self.refresh_in),
        ] {
            if time.is_some_and(|time| time.is_zero() || time.subsec_nanos() != 0) {
                return Err(format!(
                    "`{name}` is not a whole number of seconds above zero"
                ));
            }
        }
        Ok(())
    }

    /// Whether it is about a request of this application for these scopes.
    pub(crate) fn fits(&self, client_id: &str, scopes: &Scopes, directory: &Directory) -> bool {
        let same = |wanted: &str, found: &str| wanted.eq_ignore_ascii_case(found);
        let is_scope = |wanted: &str| {
            directory.names(wanted, scopes)
                || scopes.asked().iter().any(|scope| same(wanted, scope))
        };
        self.client.as_deref().is_none_or(|id| same(id, client_id))
            && self.scope.as_deref().is_none_or(is_scope)
    }

    /// These lifetimes, except for those it has its own of.
    pub(crate) fn lifetimes(&self, base: &Lifetimes) -> Lifetimes {
        Lifetimes {
            expires_in: self.expires_in.unwrap_or(base.expires_in),
            jitter: self.jitter.unwrap_or(base.jitter),
            ext_expires_in: self.ext_expires_in.or(base.ext_expires_in),
            refresh_in: self.refresh_in.or(base.refresh_in),
            ..*base
        }
    }
}
