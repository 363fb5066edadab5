//! Resources: an application has several names as one, and is the same resource under each.

use super::{App, ClosedDirectory};
use crate::directory::assertion::TOKEN_EXCHANGE;
use crate::origin::host_of;
use crate::scope::{self, GRAPH};

/// Domains of resources that Microsoft runs, which exist in every tenant.
const MICROSOFT: [&str; 6] = [
    "microsoft.com",
    "azure.com",
    "azure.net",
    "windows.net",
    "office.com",
    "microsoftonline.com",
];

/// Microsoft's that have an id besides, or no address: id and URI.
const WELL_KNOWN: [(&str, &str); 2] = [
    ("00000003-0000-0000-c000-000000000000", GRAPH),
    ("fb60f99c-7a34-4190-8149-302f77469936", TOKEN_EXCHANGE),
];

/// A resource that exists.
#[derive(Clone, Copy)]
pub(in crate::directory) enum Resource<'a> {
    /// An application that is written down.
    App(&'a App),
    /// One that Microsoft runs, by its URI without a slash at the end.
    Microsofts(&'a str),
}

impl Resource<'_> {
    fn is(self, other: Resource<'_>) -> bool {
        match (self, other) {
            (Self::App(one), Resource::App(other)) => one.client_id == other.client_id,
            (Self::Microsofts(one), Resource::Microsofts(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

impl ClosedDirectory {
    /// The resource of this name: a client id, with or without `api://` before it, an App ID URI,
    /// or a URI of Microsoft's, each with or without a slash at the end.
    pub(in crate::directory) fn resource<'a>(&'a self, name: &'a str) -> Option<Resource<'a>> {
        let name = without_slash(name);
        let same = |known: &str| name.eq_ignore_ascii_case(known);
        let mut well_known = WELL_KNOWN.iter();
        if let Some((_, uri)) = well_known.find(|(id, uri)| same(id) || same(uri)) {
            return Some(Resource::Microsofts(uri));
        }
        let id = name.strip_prefix("api://").unwrap_or(name);
        let is_id = |app: &&App| app.client_id.eq_ignore_ascii_case(id);
        let apps = || self.apps.iter();
        let app = apps().find(|app| app.is_at(name));
        let app = app.or_else(|| apps().find(is_id));
        match app {
            Some(app) => Some(Resource::App(app)),
            None => is_microsofts(name).then_some(Resource::Microsofts(name)),
        }
    }

    /// Whether both are names of one resource.
    pub(in crate::directory) fn is_same(&self, one: &str, other: &str) -> bool {
        let (one, other) = (self.resource(one), self.resource(other));
        one.zip(other).is_some_and(|(one, other)| one.is(other))
    }

    /// Whether users consented to `asked`, a scope as it was written, for the application.
    pub(super) fn is_consented(&self, permissions: &[String], asked: &str) -> bool {
        let Some((resource, name)) = scope::split(asked) else {
            return false;
        };
        permissions.iter().any(|permission| {
            scope::split(permission).is_some_and(|(of, permitted)| {
                // `.default` asks for whatever there is, so something there must be.
                let fits = name.eq_ignore_ascii_case(scope::DEFAULT)
                    || name.eq_ignore_ascii_case(permitted);
                fits && self.is_same(of, resource)
            })
        })
    }

    /// The application's own roles at a resource.
    pub(in crate::directory) fn roles(&self, app: &App, resource: &str) -> Vec<String> {
        let at_resource = app.roles.iter();
        at_resource
            .filter(|(of, _)| self.is_same(of, resource))
            .flat_map(|(_, roles)| roles.iter().cloned())
            .collect()
    }
}

/// A resource's name without the slash that it may have at the end.
pub(super) fn without_slash(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

fn is_microsofts(resource: &str) -> bool {
    let Some(rest) = resource.strip_prefix("https://") else {
        return false;
    };
    let host = host_of(rest.split('/').next().unwrap_or_default()).to_ascii_lowercase();
    MICROSOFT.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microsofts_resources_exist_and_names_like_them_do_not() {
        for (resource, exists) in [
            ("https://graph.microsoft.com", true),
            ("https://management.azure.com/", true),
            ("https://vault.azure.net", true),
            ("https://evilmicrosoft.com", false),
            ("https://microsoft.com.evil.example", false),
            ("api://graph.microsoft.com", false),
        ] {
            assert_eq!(is_microsofts(resource), exists, "{resource}");
        }
    }

    #[test]
    fn a_resource_is_the_same_under_each_of_its_names() {
        let directory = ClosedDirectory::parse(
            r#"{
                "tenants": [{ "id": "11111111-1111-1111-1111-111111111111" }],
                "applications": [
                    { "client_id": "service", "identifier_uris": ["api://tasks/"] },
                    { "client_id": "other", "identifier_uris": ["api://service"] }
                ]
            }"#,
        )
        .unwrap();
        for (one, other, same) in [
            ("service", "API://Tasks", true),
            ("service", "api://tasks/", true),
            // The URI that an application has comes before another's default one.
            ("api://service", "other", true),
            ("api://service", "service", false),
            ("https://graph.microsoft.com/", WELL_KNOWN[0].0, true),
            ("api://azureadtokenexchange", WELL_KNOWN[1].0, true),
            (WELL_KNOWN[0].0, WELL_KNOWN[1].0, false),
            (
                "https://graph.microsoft.com",
                "https://vault.azure.net",
                false,
            ),
            ("api://nothing", "api://nothing", false),
        ] {
            assert_eq!(directory.is_same(one, other), same, "{one} {other}");
        }
    }
}
