//! Managed identity: the token of the machine or workload itself, from an
//! endpoint in its surroundings. One partition for each identity, whatever the
//! tenant.

use std::sync::Arc;
use std::time::Duration;

use token_cache::PartitionKeyRef;

use crate::idp::Grant;

/// Stands where a tenant would, in keys and entries.
pub(crate) const TENANT: &str = "managed_identity";

/// Stands where a client id would, for the identity that has no id of its own.
const SYSTEM_ASSIGNED: &str = "system_assigned_managed_identity";

/// A token that lives longer than this and comes without advice is refreshed
/// when half its life has passed.
const LONG: Duration = Duration::from_secs(2 * 3_600);

/// Which identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ManagedIdentityId {
    /// The one that the machine was created with.
    SystemAssigned,
    /// One that was assigned to it, by its client id.
    ClientId(Arc<str>),
    /// The same, by its object id.
    ObjectId(Arc<str>),
    /// The same, by its Azure resource id.
    ResourceId(Arc<str>),
}

impl ManagedIdentityId {
    /// What stands for a client id in the cache.
    pub fn client_id(&self) -> &str {
        match self {
            Self::SystemAssigned => SYSTEM_ASSIGNED,
            Self::ClientId(id) | Self::ObjectId(id) | Self::ResourceId(id) => id,
        }
    }

    pub(super) fn partition(&self) -> PartitionKeyRef<'_> {
        PartitionKeyRef::Application {
            client_id: self.client_id(),
            tenant_id: TENANT,
            key_id: None,
            components: None,
        }
    }

    pub(super) fn grant(&self) -> Grant {
        Grant::ManagedIdentity {
            identity: self.clone(),
        }
    }
}

/// When to refresh a managed identity's token that came without advice.
pub(crate) fn advice(expires_in: Duration) -> Option<Duration> {
    (expires_in > LONG).then(|| expires_in / 2)
}

/// The same for a token of the application's own token provider, where MSAL
/// draws the line a second earlier.
pub(crate) fn advice_for_own_provider(expires_in: Duration) -> Option<Duration> {
    (expires_in >= LONG).then(|| expires_in / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p5_a_token_of_more_than_two_hours_is_refreshed_at_half_its_life() {
        let seconds = Duration::from_secs;
        assert_eq!(advice(seconds(86_400)), Some(seconds(43_200)));
        assert_eq!(
            advice(seconds(7_201)),
            Some(Duration::from_millis(3_600_500))
        );
        assert_eq!(advice(seconds(7_200)), None);
        assert_eq!(
            advice_for_own_provider(seconds(7_200)),
            Some(seconds(3_600))
        );
        assert_eq!(advice_for_own_provider(seconds(7_199)), None);
    }
}
