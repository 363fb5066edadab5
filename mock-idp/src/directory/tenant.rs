//! Tenants, as the first segment of a path names them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id_of;

/// The tenant of all personal Microsoft accounts.
pub(crate) const PERSONAL_ACCOUNTS: Uuid =
    Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);

/// Mail domains whose users have personal accounts.
const PERSONAL_DOMAINS: [&str; 4] = ["outlook.com", "hotmail.com", "live.com", "msn.com"];

/// What a request's path says about the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tenant {
    /// This one, by its id or by one of its domains.
    Directory(Uuid),
    /// Whichever the user belongs to, personal accounts included.
    Common,
    /// Whichever organisation the user belongs to.
    Organizations,
    /// Personal accounts.
    Consumers,
}

impl Tenant {
    /// Reads a path segment: a GUID, a domain name, or one of the three reserved names. `None` for
    /// what can be no tenant.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        match segment.to_ascii_lowercase().as_str() {
            "common" => Some(Self::Common),
            "organizations" => Some(Self::Organizations),
            "consumers" => Some(Self::Consumers),
            name => match parse_guid(name) {
                Some(id) => Some(Self::Directory(id)),
                None if is_domain(name) => Some(Self::Directory(tenant_of_domain(name))),
                None => None,
            },
        }
    }

    /// The tenant a user signs in to here, given the one the account lives in.
    pub(crate) fn or_home(self, home: Uuid) -> Uuid {
        match self {
            Self::Directory(id) => id,
            Self::Consumers => PERSONAL_ACCOUNTS,
            Self::Common | Self::Organizations => home,
        }
    }
}

/// The tenant that a domain belongs to. A domain whose first label is a GUID, such as
/// `<tenant id>.onmicrosoft.com`, belongs to the tenant of that id.
pub(crate) fn tenant_of_domain(domain: &str) -> Uuid {
    let domain = domain.to_ascii_lowercase();
    let first_label = domain.split('.').next().unwrap_or_default();
    if PERSONAL_DOMAINS.contains(&domain.as_str()) {
        PERSONAL_ACCOUNTS
    } else {
        parse_guid(first_label).unwrap_or_else(|| id_of("tenant", &domain))
    }
}

/// Only the form with hyphens: the others are valid names of other things.
pub(crate) fn parse_guid(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_a_domain_or_a_reserved_name() {
        let id = Uuid::from_u128(0x42);
        for (segment, tenant) in [
            ("common", Some(Tenant::Common)),
            ("Organizations", Some(Tenant::Organizations)),
            ("CONSUMERS", Some(Tenant::Consumers)),
            (
                "00000000-0000-0000-0000-000000000042",
                Some(Tenant::Directory(id)),
            ),
            (
                "contoso.com",
                Some(Tenant::Directory(tenant_of_domain("Contoso.COM"))),
            ),
            ("contoso", None),
            ("", None),
            ("-contoso.com", None),
            ("contoso..com", None),
            ("cont oso.com", None),
            ("00000000000000000000000000000042", None),
        ] {
            assert_eq!(Tenant::parse(segment), tenant, "{segment}");
        }
    }

    #[test]
    fn a_domain_may_carry_its_tenants_id() {
        let id = Uuid::from_u128(0x42);
        assert_eq!(tenant_of_domain(&id.to_string()), id);
        assert_eq!(tenant_of_domain(&format!("{id}.onmicrosoft.com")), id);
        assert_eq!(tenant_of_domain("outlook.com"), PERSONAL_ACCOUNTS);
        assert_ne!(
            tenant_of_domain("contoso.com"),
            tenant_of_domain("fabrikam.com")
        );
    }
}
