//! Silent: a token for a user who signed in before, by their cached access
//! token or else their refresh token.

use token_cache::{Environment, HomeAccountId, Partition, PartitionKeyRef};

use super::is_one_tenant;
use crate::error::ErrorKind;
use crate::idp::Grant;

pub(super) fn partition(account: &HomeAccountId) -> PartitionKeyRef<'_> {
    PartitionKeyRef::Account(account)
}

/// At `common` and its like, the account's home tenant is meant.
pub(super) fn tenant<'a>(account: &'a HomeAccountId, tenant_id: &'a str) -> &'a str {
    if is_one_tenant(tenant_id) {
        tenant_id
    } else {
        account.tenant_id().unwrap_or(tenant_id)
    }
}

pub(super) fn grant(
    account: &HomeAccountId,
    partition: Option<&Partition>,
    environment: &Environment,
    client_id: &str,
) -> Result<Grant, ErrorKind> {
    partition
        .and_then(|partition| partition.find_refresh_token(account, environment, client_id))
        .map(|token| Grant::RefreshToken {
            refresh_token: token.secret.clone(),
        })
        .ok_or(ErrorKind::NoTokensFound)
}
