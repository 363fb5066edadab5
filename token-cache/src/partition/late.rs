//! A change that reaches a partition late, after others have changed it.

use super::Partition;
use crate::clock::Timestamp;
use crate::environment::Environment;
use crate::item::AccessToken;
use crate::query;

impl Partition {
    /// `self`, which a change of `noted` time has made of `base`, with what is newer in
    /// `base` as it was there: access tokens that were cached in a later second, and
    /// their owner's refresh token, ID token and account. Those have no time of their
    /// own, but come with an access token. What the change brought in their stead is
    /// left out: a refresh token that has been rotated since would end the session.
    #[must_use]
    pub(crate) fn with_what_is_newer_in(mut self, base: &Self, noted: Timestamp) -> Self {
        let noted = noted.unix_seconds();
        let newer: Vec<_> = base
            .access_tokens
            .values()
            .filter(|token| token.cached_at.unix_seconds() > noted)
            .collect();
        if newer.is_empty() {
            return self;
        }
        self.access_tokens.retain(|token| {
            !newer.iter().any(|newer| {
                let environment = Environment::of_host(&newer.environment);
                query::gives_way(token, newer, &environment)
            })
        });
        for token in &newer {
            self.access_tokens.insert(token.key(), (*token).clone());
        }
        let is_owner = |home: &str, token: &AccessToken| {
            token
                .home_account_id
                .as_deref()
                .is_some_and(|own| own == home)
        };
        for token in base.refresh_tokens.values() {
            let comes_with = |access: &AccessToken| {
                is_owner(&token.home_account_id, access)
                    && access.user_assertion_hash == token.user_assertion_hash
            };
            if newer.iter().any(|access| comes_with(access)) {
                self.refresh_tokens.insert(token.key(), token.clone());
            }
        }
        for token in base.id_tokens.values() {
            if newer
                .iter()
                .any(|access| is_owner(&token.home_account_id, access))
            {
                self.id_tokens.insert(token.key(), token.clone());
            }
        }
        for account in base.accounts.values() {
            let home = account.home_account_id.as_str();
            if newer.iter().any(|access| is_owner(home, access)) {
                self.accounts.insert(account.key(), account.clone());
            }
        }
        self.index();
        self
    }
}
