//! One partition as an immutable snapshot: find, save, remove.
//!
//! The rules are those of MSAL.NET's `TokenCache` (`FindAccessTokenAsync`,
//! `SaveTokenResponseAsync`); a save makes a new snapshot and leaves the old
//! one as it was for whoever still reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::CacheError;
use crate::freshness::{EXPIRY_BUFFER, is_fresh};
use crate::item::{
    AccessToken, Account, AppMetadata, CredentialType, IdToken, RefreshToken, TokenType,
    UnknownMembers,
};
use crate::key::{AssertionHash, Environment, HomeAccountId, ItemKey};
use crate::scope::Scopes;

/// Up to this many access tokens are looked through one by one, which touches
/// less memory than an index does.
const SCANNED: usize = 4;

/// What one external cache key holds.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    pub(crate) access_tokens: BTreeMap<ItemKey, Arc<AccessToken>>,
    pub(crate) refresh_tokens: BTreeMap<ItemKey, Arc<RefreshToken>>,
    pub(crate) id_tokens: BTreeMap<ItemKey, Arc<IdToken>>,
    pub(crate) accounts: BTreeMap<ItemKey, Arc<Account>>,
    pub(crate) app_metadata: BTreeMap<ItemKey, Arc<AppMetadata>>,
    /// Root members of the blob that this crate does not know.
    pub(crate) unknown: UnknownMembers,
    /// Access tokens by each lower-cased scope they cover, so that a partition
    /// of thousands is searched no longer than a partition of one. Empty for
    /// partitions of up to [`SCANNED`] tokens.
    by_scope: HashMap<Box<str>, Vec<Arc<AccessToken>>>,
    size_bytes: usize,
}

/// Which access token is wanted. Borrowed, so that asking costs no allocation
/// and threads share no reference counts.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Whose.
    pub subject: Subject<'a>,
    /// Issued by this tenant; `None` takes any (on-behalf-of at `common`).
    pub tenant_id: Option<&'a str>,
    /// Covering these scopes.
    pub scopes: &'a Scopes,
    /// Presented like this.
    pub token_type: &'a TokenType,
    /// Of this cloud.
    pub environment: &'a Environment,
    /// Issued to this application.
    pub client_id: &'a str,
}

/// Whose token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The application's own.
    Application,
    /// Got on behalf of the bearer of an assertion.
    Assertion(&'a AssertionHash),
    /// A signed-in user's.
    Account(&'a HomeAccountId),
}

/// What a search for an access token found.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A token that may serve.
    Found(Arc<AccessToken>),
    /// A token that fits but is too old.
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
        let preferred = query.environment.preferred_cache();
        let (mut in_preferred, mut in_alias) = (Fitting::None, Fitting::None);
        let mut any_in_preferred = false;
        let mut consider = |token: &Arc<AccessToken>| {
            if answers(token, query) {
                let here = token.environment.eq_ignore_ascii_case(preferred);
                any_in_preferred |= here;
                if token.client_id.eq_ignore_ascii_case(query.client_id) {
                    let fitting = if here {
                        &mut in_preferred
                    } else {
                        &mut in_alias
                    };
                    fitting.add(token);
                }
            }
        };
        match query.scopes.required().next() {
            Some(scope) if self.access_tokens.len() > SCANNED => {
                let candidates = self.by_scope.get(scope);
                candidates.into_iter().flatten().for_each(&mut consider);
            }
            _ => self.access_tokens.values().for_each(&mut consider),
        }
        // Entries under the preferred host hide those under its aliases, even
        // those of another application: MSAL looks at the client id later.
        let chosen = if any_in_preferred {
            in_preferred
        } else {
            in_alias
        };
        match chosen {
            Fitting::None => Ok(Lookup::Missing),
            Fitting::One(token) if token.kid.is_none() && is_fresh(token.expires_on, now) => {
                Ok(Lookup::Found(token))
            }
            Fitting::One(_) => Ok(Lookup::Expired),
            Fitting::Several(count) => Err(CacheError::MultipleMatchingTokens { count }),
        }
    }

    /// A refresh token for the account, of this application.
    pub fn find_refresh_token(
        &self,
        account: &HomeAccountId,
        environment: &Environment,
        client_id: &str,
    ) -> Option<&Arc<RefreshToken>> {
        self.refresh_tokens.values().find(|token| {
            token.home_account_id.eq_ignore_ascii_case(account.as_str())
                && token.family_id.is_none()
                && token.client_id.eq_ignore_ascii_case(client_id)
                && environment.contains(&token.environment)
        })
    }

    /// The account signed in with this id, if any.
    pub fn find_account(&self, home_account_id: &str) -> Option<&Arc<Account>> {
        self.accounts.values().find(|account| {
            account
                .home_account_id
                .as_str()
                .eq_ignore_ascii_case(home_account_id)
        })
    }

    /// The ID token of the account, issued to this application.
    pub fn find_id_token(&self, home_account_id: &str, client_id: &str) -> Option<&Arc<IdToken>> {
        self.id_tokens.values().find(|token| {
            token.home_account_id.eq_ignore_ascii_case(home_account_id)
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
            .retain(|_, old| !gives_way(old, new, environment));
        next.access_tokens.insert(new.key(), Arc::clone(new));
        if let Some(token) = response.refresh_token {
            next.refresh_tokens.insert(token.key(), token);
        }
        if let Some(token) = response.id_token {
            next.id_tokens.insert(token.key(), token);
        }
        if let Some(account) = response.account {
            next.accounts.insert(account.key(), account);
        }
        let metadata = response.app_metadata;
        next.app_metadata.insert(metadata.key(), metadata);
        next.index();
        next
    }

    /// A snapshot without the account: its tokens go with it, the application's
    /// metadata stays.
    #[must_use]
    pub fn remove_account(&self, id: &HomeAccountId) -> Self {
        let is_theirs = |owner: &str| owner.eq_ignore_ascii_case(id.as_str());
        let mut next = self.clone();
        next.access_tokens
            .retain(|_, token| !token.home_account_id.as_deref().is_some_and(is_theirs));
        next.refresh_tokens
            .retain(|_, token| !is_theirs(&token.home_account_id));
        next.id_tokens
            .retain(|_, token| !is_theirs(&token.home_account_id));
        next.accounts
            .retain(|_, account| !is_theirs(account.home_account_id.as_str()));
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

    /// How many access tokens it holds.
    pub fn access_token_count(&self) -> usize {
        self.access_tokens.len()
    }

    /// Brings what is derived from the entries up to date.
    pub(crate) fn index(&mut self) {
        self.by_scope.clear();
        if self.access_tokens.len() > SCANNED {
            for token in self.access_tokens.values() {
                for scope in token.target.folded() {
                    let covering = self.by_scope.entry(scope.into()).or_default();
                    covering.push(Arc::clone(token));
                }
            }
        }
        self.size_bytes = weigh(&self.access_tokens, AccessToken::size_bytes)
            + weigh(&self.refresh_tokens, RefreshToken::size_bytes)
            + weigh(&self.id_tokens, IdToken::size_bytes)
            + weigh(&self.accounts, Account::size_bytes)
            + weigh(&self.app_metadata, AppMetadata::size_bytes);
    }
}

fn weigh<T>(section: &BTreeMap<ItemKey, Arc<T>>, size_bytes: impl Fn(&T) -> usize) -> usize {
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

/// MSAL's filters 1 to 4 and 6. The client id comes after the choice of host;
/// key id and expiry are judged last, since they tell `Expired` from `Missing`.
fn answers(token: &AccessToken, query: &Query<'_>) -> bool {
    let is_theirs = match query.subject {
        Subject::Application => true,
        Subject::Assertion(hash) => token
            .user_assertion_hash
            .as_ref()
            .is_some_and(|own| own.as_str().eq_ignore_ascii_case(hash.as_str())),
        Subject::Account(id) => token
            .home_account_id
            .as_deref()
            .is_some_and(|own| own.eq_ignore_ascii_case(id.as_str())),
    };
    is_theirs
        && query
            .tenant_id
            .is_none_or(|tenant| token.realm.eq_ignore_ascii_case(tenant))
        && token.token_type == *query.token_type
        && token.target.cover(query.scopes)
        && token.credential_type == CredentialType::AccessToken
        && query.environment.contains(&token.environment)
}

/// Whether saving `new` deletes `old`.
fn gives_way(old: &AccessToken, new: &AccessToken, environment: &Environment) -> bool {
    let same_owner = match (&old.home_account_id, &new.home_account_id) {
        // App tokens have no owner, and MSAL does not compare it for them.
        (_, None) => true,
        (Some(old), Some(new)) => old.eq_ignore_ascii_case(new),
        (None, Some(_)) => false,
    };
    same_owner
        && old.credential_type == new.credential_type
        && old.client_id.eq_ignore_ascii_case(&new.client_id)
        && environment.contains(&old.environment)
        && old.token_type == new.token_type
        && old.realm.eq_ignore_ascii_case(&new.realm)
        && old.target.overlap(&new.target)
}

#[cfg(test)]
mod tests;
