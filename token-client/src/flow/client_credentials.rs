//! Client credentials: the application's own tokens, a partition a tenant, a
//! key and a set of extra components.

use token_cache::{KeyComponents, PartitionKeyRef};

pub(super) fn partition<'a>(
    client_id: &'a str,
    tenant_id: &'a str,
    key_id: Option<&'a str>,
    components: Option<&'a KeyComponents>,
) -> PartitionKeyRef<'a> {
    PartitionKeyRef::Application {
        client_id: if defect!(KeyWithoutClient) {
            ""
        } else {
            client_id
        },
        tenant_id: if defect!(KeyWithoutTenant) {
            ""
        } else {
            tenant_id
        },
        key_id,
        components: components.map(|components| &**components.hash()),
    }
}
