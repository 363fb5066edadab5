//! What users said yes to on the consent page.

use std::collections::HashSet;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::directory::user::User;

/// Permissions remembered; beyond that users are asked again.
const MOST: usize = 10_000;

/// The permissions that users granted to applications.
#[derive(Default)]
pub(crate) struct Consents(Mutex<HashSet<Consent>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Consent {
    user: Uuid,
    client_id: String,
    permission: String,
}

impl Consent {
    fn new(user: &User, client_id: &str, permission: &str) -> Self {
        Self {
            user: user.home_object_id,
            client_id: client_id.to_ascii_lowercase(),
            permission: permission.to_ascii_lowercase(),
        }
    }
}

impl Consents {
    /// Forgets what it holds for what `other` holds.
    pub(crate) fn become_like(&self, other: &Self) {
        let like = other.0.lock().clone();
        *self.0.lock() = like;
    }

    /// Whether the user granted all of these.
    pub(crate) fn has_given(&self, user: &User, client_id: &str, permissions: &[String]) -> bool {
        let given = self.0.lock();
        permissions
            .iter()
            .all(|permission| given.contains(&Consent::new(user, client_id, permission)))
    }

    /// Remembers that the user granted these.
    pub(crate) fn give(&self, user: &User, client_id: &str, permissions: &[String]) {
        let mut given = self.0.lock();
        for permission in permissions {
            if given.len() < MOST {
                given.insert(Consent::new(user, client_id, permission));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tenant::Tenant;

    #[test]
    fn consent_is_one_users_to_one_application_for_what_was_asked() {
        let (alice, bob) = (
            User::named("alice@contoso.com", Tenant::Common),
            User::named("bob@contoso.com", Tenant::Common),
        );
        let consents = Consents::default();
        let read = ["openid".to_owned(), "api://service/read".to_owned()];
        let write = ["api://service/write".to_owned()];
        assert!(!consents.has_given(&alice, "app", &read));
        consents.give(&alice, "APP", &read);
        assert!(consents.has_given(&alice, "app", &read));
        assert!(consents.has_given(&alice, "app", &read[..1]));
        assert!(!consents.has_given(&alice, "app", &write));
        assert!(!consents.has_given(&alice, "app", &[&read[..], &write].concat()));
        assert!(!consents.has_given(&bob, "app", &read));
        assert!(!consents.has_given(&alice, "other", &read));
    }
}
