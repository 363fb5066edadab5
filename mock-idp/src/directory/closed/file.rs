//! The directory file: what it may say, and everything that is wrong with one at once.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::resource::without_slash;
use super::{App, Certificate, ClosedDirectory, Federated, KnownTenant, Member, Tenants};
use crate::directory::id_of;

/// What a file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) tenants: Vec<TenantEntry>,
    #[serde(default)]
    pub(super) applications: Vec<AppEntry>,
    #[serde(default)]
    pub(super) users: Vec<UserEntry>,
}

/// A tenant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantEntry {
    /// Its id, a GUID.
    #[schemars(with = "String")]
    id: Uuid,
    /// Its domain names.
    #[serde(default)]
    domains: Vec<String>,
}

/// An application.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppEntry {
    /// Its id; usually a GUID.
    client_id: String,
    /// The tenant it is registered in, by id or domain; it is in each tenant when left out.
    tenant: Option<String>,
    /// Whether it is in the other tenants too, and may be used at `common` and `organizations`.
    #[serde(default)]
    multi_tenant: bool,
    /// Its names as a resource.
    #[serde(default)]
    identifier_uris: Vec<String>,
    /// Its client secrets.
    #[serde(default)]
    secrets: Vec<String>,
    /// Its certificates: PEM, or the path of a PEM file.
    #[serde(default)]
    certificates: Vec<String>,
    /// Whose tokens it may present instead of a credential of its own. Their issuer, subject,
    /// audience and times are looked at, their signature is not: the keys are elsewhere.
    #[serde(default)]
    federated_credentials: Vec<Federated>,
    /// Where its users may be sent after a sign-in.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// The delegated permissions that users consented to, each with its resource under any of its
    /// names; all of them when left out.
    permissions: Option<Vec<String>>,
    /// Its own roles, by resource under any of its names.
    #[serde(default)]
    roles: BTreeMap<String, Vec<String>>,
}

/// A user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserEntry {
    /// The name to sign in with; its domain is a tenant's.
    name: String,
    /// What it signs in with; any will do when left out.
    password: Option<String>,
    /// The id in the home tenant; computed from the name when left out.
    #[schemars(with = "Option<String>")]
    object_id: Option<Uuid>,
    /// The tenants it is a guest of, by id or domain, beside the one it lives in; all of them when
    /// left out.
    guest_of: Option<Vec<String>>,
    /// The ids of the groups the user is in.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    groups: Vec<Uuid>,
}

/// Shows no secrets.
macro_rules! debug_by_name {
    ($($entry:ident $name:ident),+) => {
        $(impl fmt::Debug for $entry {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($entry)).field(&self.$name).finish()
            }
        })+
    };
}

debug_by_name!(TenantEntry id, AppEntry client_id, UserEntry name);

/// A directory from the text of a file. Certificates that it names by path are looked for in
/// `beside`.
pub(super) fn read(text: &str, beside: &Path) -> Result<ClosedDirectory, Vec<String>> {
    let file: File = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
    make(file, beside)
}

/// A directory of what a file says.
pub(super) fn make(file: File, beside: &Path) -> Result<ClosedDirectory, Vec<String>> {
    let mut problems = Vec::new();
    let mut directory = ClosedDirectory::default();
    if file.tenants.is_empty() {
        problems.push("tenants: there must be at least one".to_owned());
    }
    for tenant in file.tenants {
        if directory.tenants.iter().any(|known| known.id == tenant.id) {
            problems.push(format!("tenants: `{}` is there twice", tenant.id));
        }
        let first_domain = tenant.domains.first();
        directory.tenants.push(KnownTenant {
            id: tenant.id,
            name: first_domain.map_or_else(|| tenant.id.to_string(), Clone::clone),
        });
        for domain in tenant.domains {
            let domain = domain.to_ascii_lowercase();
            if directory
                .domains
                .insert(domain.clone(), tenant.id)
                .is_some()
            {
                problems.push(format!("tenants: the domain `{domain}` is there twice"));
            }
        }
    }
    let mut names = HashSet::new();
    for entry in file.applications {
        for name in std::iter::once(&entry.client_id).chain(&entry.identifier_uris) {
            if !names.insert(without_slash(name).to_ascii_lowercase()) {
                problems.push(format!("applications: `{name}` is there twice"));
            }
        }
        let tenant_id = entry.tenant.as_ref().and_then(|tenant| {
            let id = directory.id_of_tenant(tenant);
            if id.is_none() {
                let app = &entry.client_id;
                problems.push(format!(
                    "applications: `{app}` is of `{tenant}`, which is no tenant"
                ));
            }
            id
        });
        let app = application(entry, tenant_id, beside, &mut problems);
        directory.apps.push(app);
    }
    for entry in file.users {
        match member(entry, &directory) {
            Ok(member) if directory.member(&member.user.name).is_none() => {
                directory.members.push(member);
            }
            Ok(member) => problems.push(format!("users: `{}` is there twice", member.user.name)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(directory)
    } else {
        Err(problems)
    }
}

fn application(
    entry: AppEntry,
    tenant_id: Option<Uuid>,
    beside: &Path,
    problems: &mut Vec<String>,
) -> App {
    let client_id = entry.client_id;
    if client_id.is_empty() || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(format!("applications: `{client_id}` is no client id"));
    }
    if entry.secrets.iter().any(String::is_empty) {
        problems.push(format!("applications: `{client_id}` has an empty secret"));
    }
    let mut certificates = Vec::new();
    for named in &entry.certificates {
        match Certificate::load(named, beside) {
            Ok(certificate) => certificates.push(certificate),
            Err(why) => problems.push(format!(
                "applications: a certificate of `{client_id}` {why}"
            )),
        }
    }
    App {
        client_id,
        tenants: match tenant_id {
            Some(id) if !entry.multi_tenant => Tenants::These(vec![id]),
            _ => Tenants::All,
        },
        identifier_uris: entry.identifier_uris,
        secrets: entry.secrets,
        certificates,
        federated: entry.federated_credentials,
        redirect_uris: entry.redirect_uris,
        permissions: entry.permissions,
        roles: entry.roles,
    }
}

fn member(entry: UserEntry, directory: &ClosedDirectory) -> Result<Member, String> {
    let name = entry.name.to_ascii_lowercase();
    let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
    let home_tenant_id = *directory
        .domains
        .get(domain)
        .ok_or_else(|| format!("users: no tenant has the domain of `{name}`"))?;
    let guest_of = entry.guest_of.map(|tenants| {
        let ids = tenants.iter().map(|tenant| {
            directory.id_of_tenant(tenant).ok_or_else(|| {
                format!("users: `{name}` is a guest of `{tenant}`, which is no tenant")
            })
        });
        ids.collect::<Result<Vec<_>, _>>()
    });
    let tenants = match guest_of.transpose()? {
        None => Tenants::All,
        Some(mut ids) => {
            ids.push(home_tenant_id);
            Tenants::These(ids)
        }
    };
    Ok(Member {
        tenants,
        user: crate::directory::user::User {
            home_object_id: entry.object_id.unwrap_or_else(|| id_of("user", &name)),
            home_tenant_id,
            name,
        },
        password: entry.password,
        groups: entry.groups,
    })
}
