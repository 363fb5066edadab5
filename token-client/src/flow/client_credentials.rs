//! Client credentials: the application's own tokens, a partition a tenant.

use std::sync::Arc;

use token_cache::PartitionKey;

pub(super) fn partition(client_id: &Arc<str>, tenant_id: &Arc<str>) -> PartitionKey {
    PartitionKey::Application {
        client_id: Arc::clone(client_id),
        tenant_id: Arc::clone(tenant_id),
    }
}
