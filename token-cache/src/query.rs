//! Which token is wanted, and whether a cached one is it: MSAL.NET's filters of
//! `FindAccessTokenAsync`, and the rule by which a new token replaces old ones.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::components::KeyComponents;
use crate::environment::Environment;
use crate::freshness::{is_fresh, is_fresh_while_provider_is_down};
use crate::item::{AccessToken, RefreshToken, TokenType};
use crate::key::{AssertionHash, HomeAccountId, PartitionKeyRef};
use crate::partition::Lookup;
use crate::scope::Scopes;

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
    /// Bound to this key, or to none.
    pub key_id: Option<&'a str>,
    /// Of this cloud.
    pub environment: &'a Environment,
    /// Issued to this application.
    pub client_id: &'a str,
    /// With exactly these extra components, or without any.
    pub components: Option<&'a KeyComponents>,
    /// Whether a token may serve up to its extended expiry.
    pub extended_lifetime: bool,
}

/// Whose token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The application's own: of the query's client, tenant, key and components to
    /// the letter, since they make its partition's key.
    Application,
    /// Got on behalf of the bearer of an assertion, or in a session: of this hash
    /// to the letter, since it is the partition's key.
    Assertion(&'a AssertionHash),
    /// A signed-in user's: of this id to the letter, and on behalf of no assertion,
    /// which would name another partition.
    Account(&'a HomeAccountId),
}

/// Which refresh token is wanted.
#[derive(Debug, Clone, Copy)]
pub struct RefreshTokenQuery<'a> {
    /// Whose.
    pub subject: Subject<'a>,
    /// Of this cloud.
    pub environment: &'a Environment,
    /// Issued to this application, or to its family.
    pub client_id: &'a str,
    /// The family that may share it; public clients alone have one.
    pub family_id: Option<&'a str>,
    /// Components it must be bound to, where they bind refresh tokens.
    pub components: Option<&'a KeyComponents>,
}

impl Query<'_> {
    /// MSAL's filters 1 to 4: subject and tenant, token type, scopes, cloud.
    pub(crate) fn admits(&self, token: &AccessToken) -> bool {
        self.admits_subject(token)
            && self
                .tenant_id
                .is_none_or(|tenant| same(&token.realm, tenant))
            && token.is_presented_as(self.token_type)
            && (token.target.cover(self.scopes) || defect!(LookupIgnoresScopes))
            && self.environment.contains(&token.environment)
    }

    /// MSAL's filters 5 and 6, which come after the choice of host.
    pub(crate) fn admits_client_and_components(&self, token: &AccessToken) -> bool {
        same(&token.client_id, self.client_id)
            && token.ext.as_ref() == self.components
            && (self.components.is_some() || token.is_plain())
    }

    /// What one token that passed the filters is: key id and expiry are judged
    /// last, since they tell `Expired` from `Missing`.
    pub(crate) fn judge(&self, token: Arc<AccessToken>, now: Timestamp) -> Lookup {
        if token.kid.as_deref() != self.key_id {
            Lookup::Expired
        } else if is_fresh(token.expires_on, now) {
            Lookup::Found(token)
        } else if self.extended_lifetime
            && is_fresh_while_provider_is_down(token.extended_expires_on, now)
        {
            Lookup::Extended(token)
        } else {
            Lookup::Expired
        }
    }

    /// Whether the sole token of an application's plain partition answers,
    /// given that the partition's key was matched to the letter and that the
    /// token is of the key's client and tenant: what the key proves is not
    /// checked again. Anything else than a plain yes is left to the full search.
    pub(crate) fn admits_sole(&self, token: &TokenFacts, now: Timestamp) -> bool {
        self.subject == Subject::Application
            && self.components.is_none()
            && self.key_id.is_none()
            && token.token_type == *self.token_type
            && (token.target.cover(self.scopes) || defect!(LookupIgnoresScopes))
            && self.environment.contains(&token.environment)
            && is_fresh(token.expires_on, now)
    }

    /// Whether an application's token belongs under the key that was read. MSAL
    /// sorts what it loads into partitions by what each item says of itself, to
    /// the letter: in the blob of `client` and `tenant`, a token of `TENANT` or
    /// one that is bound to a key lies in another partition, where nobody looks.
    fn is_of_partition_read(&self, token: &AccessToken) -> bool {
        *token.client_id == *self.client_id
            && self.tenant_id.is_none_or(|tenant| *token.realm == *tenant)
            && token.kid.as_deref() == self.key_id
            && token.ext.as_ref() == self.components
    }

    fn admits_subject(&self, token: &AccessToken) -> bool {
        match self.subject {
            Subject::Application => self.is_of_partition_read(token),
            Subject::Assertion(_) | Subject::Account(_) => {
                let assertion = token.user_assertion_hash.as_ref();
                self.subject
                    .has_in_partition(assertion, token.home_account_id.as_deref())
            }
        }
    }
}

impl Subject<'_> {
    /// Whether a user's token lies in the partition of this subject. MSAL sorts
    /// what it loads by what each item says of itself: under the hash of the
    /// assertion where it has one, else under the home account id. Partitions are
    /// told apart by case; MSAL's later comparison without regard to it finds
    /// nothing more.
    pub(crate) fn has_in_partition(
        self,
        assertion: Option<&AssertionHash>,
        home_account_id: Option<&str>,
    ) -> bool {
        match (self, assertion) {
            (Subject::Assertion(asked), Some(own)) => own == asked,
            (Subject::Account(asked), None) => home_account_id == Some(asked.as_str()),
            (Subject::Application | Subject::Assertion(_) | Subject::Account(_), _) => false,
        }
    }
}

impl RefreshTokenQuery<'_> {
    pub(crate) fn admits(&self, token: &RefreshToken) -> bool {
        let is_theirs = self.subject.has_in_partition(
            token.user_assertion_hash.as_ref(),
            Some(&token.home_account_id),
        );
        let is_of_client = match (self.family_id, token.family_id.as_deref()) {
            // A family's token is never bound to components.
            (Some(family), Some(own)) => same(own, family),
            (None, None) => {
                let bound_to = self.components.filter(|parts| parts.binds_refresh_tokens());
                same(&token.client_id, self.client_id) && token.ext.as_ref() == bound_to
            }
            _ => false,
        };
        is_theirs && is_of_client && self.environment.contains(&token.environment)
    }
}

/// What decides whether a token answers, beside what its partition's key says.
#[derive(Debug, Clone)]
pub(crate) struct TokenFacts {
    pub(crate) expires_on: Timestamp,
    pub(crate) refresh_on: Option<Timestamp>,
    target: Scopes,
    environment: Arc<str>,
    token_type: TokenType,
}

impl TokenFacts {
    pub(crate) fn of(token: &AccessToken) -> Self {
        Self {
            expires_on: token.expires_on,
            refresh_on: token.refresh_on,
            target: token.target.clone(),
            environment: Arc::clone(&token.environment),
            token_type: token.token_type.clone(),
        }
    }
}

/// Whether all that a plain application partition's key says of a token is so,
/// to the letter.
pub(crate) fn is_as_key_says(key: PartitionKeyRef<'_>, token: &AccessToken) -> bool {
    let PartitionKeyRef::Application {
        client_id,
        tenant_id,
        key_id: None,
        components: None,
    } = key
    else {
        return false;
    };
    *token.client_id == *client_id
        && *token.realm == *tenant_id
        && token.home_account_id.is_none()
        && token.kid.is_none()
        && token.is_plain()
}

/// Whether saving `new` deletes `old`.
pub(crate) fn gives_way(old: &AccessToken, new: &AccessToken, environment: &Environment) -> bool {
    if defect!(SaveKeepsAll) {
        return false;
    }
    // MSAL looks in the new token's partition alone: an application's by client,
    // tenant and key, a user's by assertion or account.
    let same_owner = match (&new.user_assertion_hash, &new.home_account_id) {
        // App tokens have no owner, and MSAL does not compare it for them.
        (None, None) => {
            old.client_id == new.client_id && old.realm == new.realm && old.kid == new.kid
        }
        (None, Some(home)) => {
            old.user_assertion_hash.is_none() && old.home_account_id.as_ref() == Some(home)
        }
        (Some(assertion), home) => {
            old.user_assertion_hash.as_ref() == Some(assertion)
                && match (&old.home_account_id, home) {
                    (Some(old), Some(new)) => same(old, new),
                    (old, new) => old == new,
                }
        }
    };
    same_owner
        && same(&old.client_id, &new.client_id)
        && environment.contains(&old.environment)
        && old.is_presented_as(&new.token_type)
        && same(&old.realm, &new.realm)
        && old.ext == new.ext
        && old.target.overlap(&new.target)
}

/// Without regard to case; equal text is the common case, and the quicker one.
fn same(one: &str, other: &str) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}
