//! Users, by the name they sign in with.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id_of;
use super::tenant::{Tenant, tenant_of_domain};
use crate::error::{Aadsts, Refusal};

/// A user account. Its name's domain decides which tenant it lives in; in every other tenant the
/// user is a guest, with another object id there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// The name to sign in with, such as `alice@contoso.com`; lower case.
    pub(crate) name: String,
    /// The id in the home tenant.
    pub(crate) home_object_id: Uuid,
    /// The tenant the account lives in.
    pub(crate) home_tenant_id: Uuid,
}

impl User {
    /// The user of this name; one without a domain lives in the `tenant` signed in to.
    pub(crate) fn named(name: &str, tenant: Tenant) -> Self {
        let mut name = name.trim().to_ascii_lowercase();
        if !name.contains('@') {
            name = format!("{name}@{}", default_domain(tenant));
        }
        let domain = name.rsplit('@').next().unwrap_or_default();
        Self {
            home_tenant_id: tenant_of_domain(domain),
            home_object_id: id_of("user", &name),
            name,
        }
    }

    /// A user of whom the id alone is known, which is the name then.
    pub(crate) fn of_id(id: Uuid, tenant_id: Uuid) -> Self {
        Self {
            home_object_id: id,
            ..Self::named(&id.to_string(), Tenant::Directory(tenant_id))
        }
    }

    /// The user whose id in a tenant is this one, if the account lives there: it may have been
    /// named by its id alone.
    pub(crate) fn with_object_id(self, object_id: Option<Uuid>, tenant_id: Uuid) -> Self {
        match object_id {
            Some(home_object_id) if tenant_id == self.home_tenant_id => Self {
                home_object_id,
                ..self
            },
            _ => self,
        }
    }

    /// The user of a name that came from outside.
    ///
    /// # Errors
    ///
    /// What can be no name of a user.
    pub(crate) fn checked(name: &str, tenant: Tenant) -> Result<Self, Refusal> {
        if name.len() > 254 || name.chars().any(char::is_control) {
            return Err(Refusal::new(
                Aadsts::Malformed,
                &["the name given is no user name"],
            ));
        }
        Ok(Self::named(name, tenant))
    }

    /// Who signs in when nobody was named.
    pub(crate) fn default_of(tenant: Tenant) -> Self {
        Self::named("user", tenant)
    }

    /// The id in `tenant_id`: a guest has one of its own in each tenant.
    pub(crate) fn object_id_in(&self, tenant_id: Uuid) -> Uuid {
        if tenant_id == self.home_tenant_id {
            self.home_object_id
        } else {
            id_of("guest", &format!("{tenant_id}/{}", self.name))
        }
    }

    /// The `sub` that `client_id` sees: another for each application.
    pub(crate) fn subject_for(&self, client_id: &str) -> String {
        let name = format!("{}/{}", self.home_object_id, client_id.to_ascii_lowercase());
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, name.as_bytes()))
    }

    /// A name for people, made of the part before the `@`.
    pub(crate) fn display_name(&self) -> &str {
        self.name.split('@').next().unwrap_or(&self.name)
    }
}

fn default_domain(tenant: Tenant) -> String {
    match tenant {
        Tenant::Directory(id) => format!("{id}.onmicrosoft.com"),
        Tenant::Common | Tenant::Organizations => "contoso.com".to_owned(),
        Tenant::Consumers => "outlook.com".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_account_everywhere() {
        let here = User::named("Alice@Contoso.com", Tenant::Common);
        let there = User::named("alice@contoso.com", Tenant::Directory(Uuid::from_u128(1)));
        assert_eq!(here, there);
        assert_ne!(here.subject_for("a"), here.subject_for("b"));
    }

    #[test]
    fn a_user_without_a_domain_lives_in_the_tenant_signed_in_to() {
        let id = Uuid::from_u128(0x42);
        let user = User::named("alice", Tenant::Directory(id));
        assert_eq!(user.home_tenant_id, id);
        assert_eq!(user.object_id_in(id), user.home_object_id);
    }

    #[test]
    fn a_guest_has_an_id_of_its_own() {
        let guest = User::named("alice@contoso.com", Tenant::Common);
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_ne!(guest.object_id_in(one), guest.home_object_id);
        assert_ne!(guest.object_id_in(one), guest.object_id_in(two));
        assert_eq!(guest.object_id_in(one), guest.object_id_in(one));
    }
}
