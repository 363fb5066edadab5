//! What of a server can change while it runs.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::{Config, DeviceApproval, Lifetimes, SignInBy};
use crate::directory::Directory;
use crate::error::ErrorStyle;
use crate::issuer::IssuerMode;
use crate::refresh_families::RefreshTokens;
use crate::scope::Scopes;
use crate::token::policy::TokenPolicy;

/// What a request is answered by. A request keeps the settings that it began with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Tells these settings from any others of this process.
    pub(crate) number: u64,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) directory: Directory,
    pub(crate) issuer: IssuerMode,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) sign_in: SignInBy,
    pub(crate) device_approval: DeviceApproval,
    pub(crate) tokens: Vec<TokenPolicy>,
    pub(crate) token_pool: Option<NonZeroUsize>,
    pub(crate) error_style: ErrorStyle,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            lifetimes: config.lifetimes,
            directory: config.directory.clone(),
            issuer: config.issuer,
            refresh_tokens: config.refresh_tokens,
            sign_in: config.sign_in,
            device_approval: config.device_approval,
            tokens: config.tokens.clone(),
            token_pool: config.token_pool,
            error_style: config.error_style,
        }
    }

    /// What the access tokens of an application for these scopes are like.
    pub(crate) fn policy(&self, client_id: &str, scopes: &Scopes) -> Option<&TokenPolicy> {
        let mut policies = self.tokens.iter();
        policies.find(|policy| policy.fits(client_id, scopes, &self.directory))
    }
}
