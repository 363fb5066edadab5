//! An account: the person behind the tokens.

use std::sync::Arc;

use serde::Serialize;

use super::UnknownMembers;
use super::members::read_members;
use crate::key::{HomeAccountId, ItemKey, account_key};

/// An account in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// Members this crate does not know.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
    /// `uid.utid`.
    pub home_account_id: HomeAccountId,
    /// The cloud's preferred cache host.
    pub environment: Arc<str>,
    /// `client_info` as the provider sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Arc<str>>,
    /// The name they sign in with; never empty.
    pub username: Arc<str>,
    /// The name they are called by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Their first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<Arc<str>>,
    /// Their last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<Arc<str>>,
    /// Their object id in `realm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_account_id: Option<Arc<str>>,
    /// `MSSTS`.
    pub(crate) authority_type: Arc<str>,
    /// The tenant they signed in to; empty where there is none (ADFS).
    #[serde(skip_serializing_if = "str::is_empty")]
    pub realm: Arc<str>,
    /// Which flow brought the account, where an SDK notes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_source: Option<Arc<str>>,
    /// What Windows' account manager calls them, by client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wam_account_ids: Option<UnknownMembers>,
}

read_members!(Account {
    home_account_id: required,
    environment: required,
    client_info: text,
    username: (text_or no_username),
    name: text,
    given_name: text,
    family_name: text,
    local_account_id: text,
    authority_type: (or mssts),
    realm: (or Arc::default),
    account_source: text,
    wam_account_ids: optional,
});

fn mssts() -> Arc<str> {
    "MSSTS".into()
}

/// What MSAL writes for a username the provider did not send.
fn no_username() -> Arc<str> {
    "Missing from the token response".into()
}

impl Account {
    /// Takes its parts; MSAL's placeholder stands in for a missing username.
    pub fn new(
        home_account_id: HomeAccountId,
        environment: Arc<str>,
        realm: Arc<str>,
        username: Option<Arc<str>>,
        name: Option<Arc<str>>,
        local_account_id: Option<Arc<str>>,
        client_info: Option<Arc<str>>,
    ) -> Self {
        Self {
            unknown: UnknownMembers::new(),
            home_account_id,
            environment,
            client_info,
            username: username.unwrap_or_else(no_username),
            name,
            given_name: None,
            family_name: None,
            local_account_id,
            authority_type: mssts(),
            realm,
            account_source: None,
            wam_account_ids: None,
        }
    }

    /// Which entry of a partition it is.
    pub fn key(&self) -> ItemKey {
        account_key(
            self.home_account_id.as_str(),
            &self.environment,
            &self.realm,
        )
    }

    /// WAM ids that `older` knew are kept.
    #[must_use]
    pub(crate) fn with_wam_ids_of(mut self, older: &Self) -> Self {
        if let Some(known) = &older.wam_account_ids {
            let ids = self.wam_account_ids.get_or_insert_default();
            for (client, id) in known.iter() {
                ids.entry(client.clone()).or_insert_with(|| id.clone());
            }
        }
        self
    }

    /// Bytes of payload.
    pub fn size_bytes(&self) -> usize {
        self.home_account_id.as_str().len()
            + self.environment.len()
            + self.realm.len()
            + self.username.len()
            + self.name.as_deref().map_or(0, str::len)
            + self.client_info.as_deref().map_or(0, str::len)
    }
}
