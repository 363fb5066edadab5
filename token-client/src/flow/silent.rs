//! Silent: a token for a user who signed in before, by their cached access
//! token or else their refresh token.

use token_cache::{HomeAccountId, PartitionKeyRef};

use super::is_one_tenant;

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
