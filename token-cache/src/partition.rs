//! One partition as an immutable snapshot: find, save, remove.
//!
//! The rules are those of MSAL.NET's `TokenCache` (`FindAccessTokenAsync`,
//! `SaveTokenResponseAsync`); a save makes a new snapshot and leaves the old
//! one as it was for whoever still reads it.

mod late;

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::environment::Environment;
use crate::error::CacheError;
use crate::freshness::EXPIRY_BUFFER;
use crate::item::{AccessToken, Account, AppMetadata, IdToken, RefreshToken, UnknownMembers};
use crate::key::{AssertionHash, HomeAccountId};
use crate::query::{self, Query, RefreshTokenQuery, Subject};
use crate::section::Section;

/// Up to this many access tokens are looked through one by one, which touches
/// less memory than an index does.
const SCANNED: usize = 4;

type ByScope = HashMap<Box<str>, Vec<Arc<AccessToken>>>;

/// What one external cache key holds.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    pub(crate) access_tokens: Section<AccessToken>,
    pub(crate) refresh_tokens: Section<RefreshToken>,
    pub(crate) id_tokens: Section<IdToken>,
    pub(crate) accounts: Section<Account>,
    pub(crate) app_metadata: Section<AppMetadata>,
    /// Root members of the blob that this crate does not know.
    pub(crate) unknown: UnknownMembers,
    /// Access tokens by each lower-cased scope they cover, so that a partition
    /// of thousands is searched no longer than a partition of one. Partitions of
    /// up to [`SCANNED`] tokens have none.
    by_scope: Option<Box<ByScope>>,
    size_bytes: usize,
}

/// What a search for an access token found.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A token that may serve.
    Found(Arc<AccessToken>),
    /// A token past its time that may serve while the provider is down, as the
    /// query allows.
    Extended(Arc<AccessToken>),
    /// A token that fits but is too old, or a user's that is bound to another key.
    Expired,
    /// Nothing that fits.
    Missing,
}

/// What a token response brings into a partition.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// The access token.
    pub access_token: Arc<AccessToken>,
    /// A refresh token, where the flow keeps one. Without one in the response
    /// the partition keeps the one it has.
    pub refresh_token: Option<Arc<RefreshToken>>,
    /// Who signed in.
    pub id_token: Option<Arc<IdToken>>,
    /// Their account.
    pub account: Option<Arc<Account>>,
    /// The application's metadata.
    pub app_metadata: Arc<AppMetadata>,
}

impl Partition {
    /// Searches for an access token that answers `query` at `now`.
    ///
    /// # Errors
    ///
    /// [`CacheError::MultipleMatchingTokens`] when more than one fits.
    pub fn find_access_token(
        &self,
        query: &Query<'_>,
        now: Timestamp,
    ) -> Result<Lookup, CacheError> {
        let (mut in_preferred, mut in_alias) = (Fitting::None, Fitting::None);
        let mut any_in_preferred = false;
        let mut consider = |token: &Arc<AccessToken>| {
            if query.admits(token) {
                let here = query.environment.is_preferred(&token.environment);
                any_in_preferred |= here;
                if query.admits_client_and_components(token) {
                    let fitting = if here {
                        &mut in_preferred
                    } else {
                        &mut in_alias
                    };
                    fitting.add(token);
                }
            }
        };
        let by_scope = query.scopes.required().next();
        match by_scope.filter(|_| !defect!(LookupIgnoresScopes)) {
            Some(scope) if self.access_tokens.len() > SCANNED => {
                let candidates = self.by_scope.as_ref().and_then(|index| index.get(scope));
                candidates.into_iter().flatten().for_each(&mut consider);
            }
            _ => self.access_tokens.values().for_each(&mut consider),
        }
        // Entries under the preferred host hide those under its aliases, even
        // those of another application: MSAL looks at the client id and at
        // components later.
        let chosen = if any_in_preferred {
            in_preferred
        } else {
            in_alias
        };
        match chosen {
            Fitting::None => Ok(Lookup::Missing),
            Fitting::One(token) => Ok(query.judge(token, now)),
            Fitting::Several(count) => Err(CacheError::MultipleMatchingTokens { count }),
        }
    }

    /// The first refresh token that answers `query`.
    pub fn find_refresh_token(&self, query: &RefreshTokenQuery<'_>) -> Option<&Arc<RefreshToken>> {
        self.refresh_tokens
            .values()
            .find(|token| query.admits(token))
    }

    /// What is known of an application apart from its tokens, such as its family.
    pub fn app_metadata(&self, client_id: &str) -> Option<&Arc<AppMetadata>> {
        let mut known = self.app_metadata.values();
        known.find(|data| data.client_id().eq_ignore_ascii_case(client_id))
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// The one access token, if there is exactly one.
    pub(crate) fn sole_access_token(&self) -> Option<&Arc<AccessToken>> {
        self.access_tokens
            .values()
            .next()
            .filter(|_| self.access_tokens.len() == 1)
    }

    /// The account signed in with this id, to the letter, if any.
    pub fn find_account(&self, home_account_id: &str) -> Option<&Arc<Account>> {
        let mut accounts = self.accounts.values();
        accounts.find(|account| account.home_account_id.as_str() == home_account_id)
    }

    /// The ID token of the account, issued to this application. MSAL finds it in
    /// the account's partition, which is told by case, under an item key, which is
    /// not.
    pub fn find_id_token(&self, home_account_id: &str, client_id: &str) -> Option<&Arc<IdToken>> {
        self.id_tokens.values().find(|token| {
            *token.home_account_id == *home_account_id
                && token.client_id.eq_ignore_ascii_case(client_id)
        })
    }

    /// A snapshot with a token response in it. Access tokens that share any
    /// scope with the new one, reserved scopes included, give way to it.
    #[must_use]
    pub fn save(&self, response: TokenSet, environment: &Environment) -> Self {
        let mut next = self.clone();
        let new = &response.access_token;
        next.access_tokens
            .retain(|old| !query::gives_way(old, new, environment));
        if defect!(SaveDropsSiblings) {
            next.access_tokens.retain(|_| false);
        }
        next.access_tokens.insert(new.key(), Arc::clone(new));
        if let Some(token) = response.refresh_token
            && !defect!(RefreshTokenDropped)
        {
            next.refresh_tokens.insert(token.key(), token);
        }
        if let Some(token) = response.id_token {
            next.id_tokens.insert(token.key(), token);
        }
        if let Some(mut account) = response.account {
            let key = account.key();
            if let Some(older) = next.accounts.get(&key)
                && older.wam_account_ids.is_some()
            {
                account = Arc::new(Account::clone(&account).with_wam_ids_of(older));
            }
            next.accounts.insert(key, account);
        }
        let metadata = response.app_metadata;
        next.app_metadata.insert(metadata.key(), metadata);
        next.index();
        next
    }

    /// A snapshot without the account: what lies in its partition goes with it,
    /// the application's metadata and tokens on behalf of an assertion stay.
    #[must_use]
    pub fn remove_account(&self, id: &HomeAccountId) -> Self {
        let is_theirs = |assertion: Option<&AssertionHash>, owner: Option<&str>| {
            Subject::Account(id).has_in_partition(assertion, owner) && !defect!(SignOutKeepsTokens)
        };
        let mut next = self.clone();
        next.access_tokens.retain(|token| {
            let owner = token.home_account_id.as_deref();
            !is_theirs(token.user_assertion_hash.as_ref(), owner)
        });
        next.refresh_tokens.retain(|token| {
            let owner = Some(&*token.home_account_id);
            !is_theirs(token.user_assertion_hash.as_ref(), owner)
        });
        next.id_tokens
            .retain(|token| !is_theirs(None, Some(&token.home_account_id)));
        next.accounts
            .retain(|account| !is_theirs(None, Some(account.home_account_id.as_str())));
        next.index();
        next
    }

    /// A snapshot without the tokens of an on-behalf-of session.
    #[must_use]
    pub fn remove_session(&self, session: &AssertionHash) -> Self {
        let is_theirs = |own: &Option<AssertionHash>| own.as_ref() == Some(session);
        let mut next = self.clone();
        next.access_tokens
            .retain(|token| !is_theirs(&token.user_assertion_hash));
        next.refresh_tokens
            .retain(|token| !is_theirs(&token.user_assertion_hash));
        next.index();
        next
    }

    /// A snapshot with every access token under the cloud's preferred host, as
    /// it would be if this crate had stored them.
    #[must_use]
    pub fn in_environment(&self, environment: &Environment) -> Self {
        let mut next = self.clone();
        next.access_tokens = self
            .access_tokens
            .values()
            .map(|token| {
                let mut token = AccessToken::clone(token);
                if environment.contains(&token.environment) {
                    token.environment = Arc::clone(environment.preferred_cache());
                }
                (token.key(), Arc::new(token))
            })
            .collect();
        next.index();
        next
    }

    /// Whether it is worth storing: it has a refresh token, or an access token
    /// that has not yet entered the expiry buffer.
    pub fn has_tokens(&self, now: Timestamp) -> bool {
        !self.refresh_tokens.is_empty()
            || self
                .access_tokens
                .values()
                .any(|token| token.expires_on >= now.plus(EXPIRY_BUFFER))
    }

    /// When a store may forget it: when the last access token ends, if there is
    /// no refresh token to outlive it.
    pub fn suggested_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.refresh_tokens.is_empty() {
            return None;
        }
        self.access_tokens
            .values()
            .map(|token| token.expires_on)
            .max()
            .filter(|&expiry| expiry >= now.plus(EXPIRY_BUFFER))
    }

    /// Bytes of payload in all entries: what L1 weighs.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Its access tokens, in the order of their keys.
    pub fn access_tokens(&self) -> impl Iterator<Item = &Arc<AccessToken>> {
        self.access_tokens.values()
    }

    /// Its refresh tokens, in the order of their keys.
    pub fn refresh_tokens(&self) -> impl Iterator<Item = &Arc<RefreshToken>> {
        self.refresh_tokens.values()
    }

    /// How many access tokens it holds.
    pub fn access_token_count(&self) -> usize {
        self.access_tokens.len()
    }

    /// Brings what is derived from the entries up to date.
    pub(crate) fn index(&mut self) {
        self.by_scope = (self.access_tokens.len() > SCANNED).then(|| {
            let mut index = ByScope::new();
            for token in self.access_tokens.values() {
                for scope in token.target.folded() {
                    let covering = index.entry(scope.into()).or_default();
                    covering.push(Arc::clone(token));
                }
            }
            Box::new(index)
        });
        self.size_bytes = weigh(&self.access_tokens, AccessToken::size_bytes)
            + weigh(&self.refresh_tokens, RefreshToken::size_bytes)
            + weigh(&self.id_tokens, IdToken::size_bytes)
            + weigh(&self.accounts, Account::size_bytes)
            + weigh(&self.app_metadata, AppMetadata::size_bytes);
    }
}

fn weigh<T>(section: &Section<T>, size_bytes: impl Fn(&T) -> usize) -> usize {
    section
        .iter()
        .map(|(key, item)| key.len() + size_bytes(item))
        .sum()
}

/// The tokens that fit, as far as the decision needs them.
enum Fitting {
    None,
    One(Arc<AccessToken>),
    Several(usize),
}

impl Fitting {
    fn add(&mut self, token: &Arc<AccessToken>) {
        *self = match self {
            Self::None => Self::One(Arc::clone(token)),
            Self::One(_) => Self::Several(2),
            Self::Several(count) => Self::Several(*count + 1),
        };
    }
}

#[cfg(test)]
mod tests;
