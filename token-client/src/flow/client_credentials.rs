//! Client credentials: the application's own tokens, a partition a tenant.

use token_cache::PartitionKeyRef;

pub(super) fn partition<'a>(client_id: &'a str, tenant_id: &'a str) -> PartitionKeyRef<'a> {
    PartitionKeyRef::Application {
        client_id,
        tenant_id,
    }
}
