//! A directory in which only those exist who are written down, so that what is wrong fails as it
//! fails at Entra.

mod certificate;
mod file;
mod resource;

pub(crate) use self::certificate::Certificate;
pub(crate) use self::file::{AppEntry, TenantEntry, UserEntry};
pub(super) use self::resource::Resource;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use self::resource::without_slash;
use super::tenant::{PERSONAL_ACCOUNTS, Tenant, parse_guid};
use super::user::User;
use crate::error::{Aadsts, Refusal};
use crate::origin::host_of;
use crate::scope::Scopes;

/// Largest file read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Everyone who exists, from a file.
///
/// ```
/// let directory = mock_idp::ClosedDirectory::parse(r#"{
///     "tenants": [{ "id": "11111111-1111-1111-1111-111111111111", "domains": ["contoso.com"] }],
///     "applications": [{ "client_id": "app", "secrets": ["secret"] }],
///     "users": [{ "name": "alice@contoso.com", "password": "pass" }]
/// }"#).unwrap();
/// assert_eq!(directory.to_string(), "1 tenant, 1 application, 1 user");
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClosedDirectory {
    tenants: Vec<KnownTenant>,
    domains: HashMap<String, Uuid>,
    apps: Vec<App>,
    members: Vec<Member>,
}

/// What is wrong with a directory file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read but makes no sense; every reason is there.
    #[error("the directory makes no sense:\n  {}", problems.join("\n  "))]
    Invalid {
        /// The reasons.
        problems: Vec<String>,
    },
}

/// A tenant.
#[derive(Debug, Clone)]
struct KnownTenant {
    id: Uuid,
    /// Its first domain, or its id if it has none.
    name: String,
}

/// In which tenants somebody is.
#[derive(Debug, Clone)]
enum Tenants {
    All,
    These(Vec<Uuid>),
}

impl Tenants {
    fn have(&self, tenant_id: Uuid) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(&tenant_id),
        }
    }
}

/// An application. `Debug` shows no secrets.
#[derive(Clone)]
pub(crate) struct App {
    client_id: String,
    tenants: Tenants,
    identifier_uris: Vec<String>,
    secrets: Vec<String>,
    certificates: Vec<Certificate>,
    federated: Vec<Federated>,
    redirect_uris: Vec<String>,
    /// The delegated permissions consented to; all of them when left out.
    permissions: Option<Vec<String>>,
    /// The application's own roles, by resource.
    roles: BTreeMap<String, Vec<String>>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("App").field(&self.client_id).finish()
    }
}

/// Whose tokens an application may present instead of a credential of its own; their signature is
/// not verified.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Federated {
    /// Its `iss`.
    issuer: String,
    /// Its `sub`.
    subject: String,
    /// Its `aud`.
    #[serde(default = "token_exchange")]
    audience: String,
}

fn token_exchange() -> String {
    super::assertion::TOKEN_EXCHANGE.to_owned()
}

/// A user. `Debug` shows no password.
#[derive(Clone)]
struct Member {
    user: User,
    tenants: Tenants,
    password: Option<String>,
    groups: Vec<Uuid>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.user.name).finish()
    }
}

impl ClosedDirectory {
    /// Reads a JSON file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or makes no sense.
    pub fn load(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Read {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > LARGEST_FILE {
            return Err(failed(std::io::Error::other("it is larger than 16 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        file::read(&text, beside).map_err(|problems| DirectoryError::Invalid { problems })
    }

    /// Reads JSON text. Certificates are named by their path from the working directory, or are
    /// PEM themselves.
    ///
    /// # Errors
    ///
    /// Text that makes no sense.
    pub fn parse(text: &str) -> Result<Self, DirectoryError> {
        file::read(text, Path::new(".")).map_err(|problems| DirectoryError::Invalid { problems })
    }

    /// A directory of these.
    ///
    /// # Errors
    ///
    /// Everything that makes no sense about them, each with the name of its list before a colon.
    pub(crate) fn of(
        tenants: Vec<TenantEntry>,
        applications: Vec<AppEntry>,
        users: Vec<UserEntry>,
        beside: &Path,
    ) -> Result<Self, Vec<String>> {
        let file = file::File {
            tenants,
            applications,
            users,
        };
        file::make(file, beside)
    }

    /// The tenant that a path names, if it exists.
    pub(super) fn tenant(&self, segment: &str) -> Option<Tenant> {
        match Tenant::parse(segment)? {
            Tenant::Directory(_) => self.id_of_tenant(segment).map(Tenant::Directory),
            reserved => Some(reserved),
        }
    }

    /// The tenant of this id or domain.
    fn id_of_tenant(&self, name: &str) -> Option<Uuid> {
        let is_known = |id: &Uuid| self.tenants.iter().any(|tenant| tenant.id == *id);
        let by_domain = || self.domains.get(&name.to_ascii_lowercase()).copied();
        parse_guid(name).filter(is_known).or_else(by_domain)
    }

    /// What errors call a tenant.
    fn name_of(&self, tenant_id: Uuid) -> String {
        let known = self.tenants.iter().find(|tenant| tenant.id == tenant_id);
        known.map_or_else(|| tenant_id.to_string(), |tenant| tenant.name.clone())
    }

    /// The tenant of this domain, or else the first.
    pub(super) fn tenant_or_first(&self, domain: &str) -> Uuid {
        let first = || self.tenants.first().map(|tenant| tenant.id);
        let found = self.domains.get(domain).copied().or_else(first);
        found.unwrap_or_default()
    }

    fn member(&self, name: &str) -> Option<&Member> {
        let name = name.trim().to_ascii_lowercase();
        self.members.iter().find(|member| member.user.name == name)
    }

    /// The user of this name, if it may sign in to `tenant`.
    pub(super) fn user(&self, name: &str, tenant: Tenant) -> Result<User, Refusal> {
        let member = self.member(name).filter(|member| {
            let home = member.user.home_tenant_id;
            member.tenants.have(tenant.or_home(home))
        });
        member
            .map(|member| member.user.clone())
            .ok_or_else(|| self.no_user(name, tenant))
    }

    fn no_user(&self, name: &str, tenant: Tenant) -> Refusal {
        let domain = name.rsplit('@').next().unwrap_or_default();
        let place = match tenant {
            Tenant::Directory(id) => self.name_of(id),
            // Where the name says that the user lives.
            _ => domain.to_owned(),
        };
        Refusal::new(Aadsts::NoUser, &[name, &place])
    }

    /// The user of this id in this tenant.
    pub(super) fn user_of_id(&self, id: Uuid, tenant_id: Uuid) -> Result<User, Refusal> {
        let of_tenant = |member: &&Member| member.tenants.have(tenant_id);
        let users = self.members.iter().filter(of_tenant);
        users
            .map(|member| &member.user)
            .find(|user| user.object_id_in(tenant_id) == id)
            .cloned()
            .ok_or_else(|| self.no_user(&id.to_string(), Tenant::Directory(tenant_id)))
    }

    /// Who signs in when nobody was named: the first user of the tenant.
    pub(super) fn default_user(&self, tenant: Tenant) -> Result<User, Refusal> {
        self.members
            .iter()
            .map(|member| &member.user)
            .find(|user| tenant.or_home(user.home_tenant_id) == user.home_tenant_id)
            .cloned()
            .ok_or_else(|| self.no_user("nobody", tenant))
    }

    /// Checks a user's password; one who has none signs in with any.
    pub(super) fn check_password(&self, user: &User, password: &str) -> Result<(), Refusal> {
        match self
            .member(&user.name)
            .and_then(|member| member.password.as_deref())
        {
            Some(right) if !is_same(right, password) => Err(Aadsts::WrongPassword.into()),
            _ => Ok(()),
        }
    }

    /// The groups a user is in.
    pub(super) fn groups(&self, user: &User) -> &[Uuid] {
        self.member(&user.name)
            .map_or(&[], |member| member.groups.as_slice())
    }

    fn find_app(&self, client_id: &str) -> Option<&App> {
        let mut apps = self.apps.iter();
        apps.find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The application of this id, if it may be used at `tenant`.
    pub(super) fn app(&self, client_id: &str, tenant: Tenant) -> Result<&App, Refusal> {
        let app = self.find_app(client_id);
        let (tenant_id, place) = match tenant {
            Tenant::Directory(id) => (id, self.name_of(id)),
            Tenant::Consumers => (PERSONAL_ACCOUNTS, self.name_of(PERSONAL_ACCOUNTS)),
            Tenant::Common | Tenant::Organizations => {
                return match app {
                    Some(app) if matches!(app.tenants, Tenants::All) => Ok(app),
                    Some(_) => Err(Refusal::new(Aadsts::NotMultiTenant, &[client_id])),
                    None => Err(Refusal::new(Aadsts::NoApplication, &[client_id, "common"])),
                };
            }
        };
        app.filter(|app| app.tenants.have(tenant_id))
            .ok_or_else(|| Refusal::new(Aadsts::NoApplication, &[client_id, &place]))
    }

    /// Refuses an address that was not registered by the application, whichever tenant it is in.
    pub(super) fn check_redirect(&self, client_id: &str, uri: &str) -> Result<(), Refusal> {
        match self.find_app(client_id) {
            Some(app) => app.check_redirect(uri),
            None => Err(Refusal::new(Aadsts::UnknownRedirect, &[uri, client_id])),
        }
    }

    /// Refuses a resource that does not exist in the tenant.
    pub(super) fn check_resource(&self, scopes: &Scopes, tenant_id: Uuid) -> Result<(), Refusal> {
        let exists = match self.resource(scopes.resource()) {
            Some(Resource::App(app)) => app.tenants.have(tenant_id),
            Some(Resource::Microsofts(_)) => true,
            None => false,
        };
        if exists {
            return Ok(());
        }
        let names = [scopes.audience(), &self.name_of(tenant_id)];
        Err(Refusal::new(Aadsts::NoResource, &names))
    }

    /// Refuses permissions that nobody consented to.
    pub(super) fn check_consent(&self, app: &App, scopes: &Scopes) -> Result<(), Refusal> {
        let Some(permissions) = &app.permissions else {
            return Ok(());
        };
        let mut asked = scopes.asked().iter();
        if asked.all(|asked| self.is_consented(permissions, asked)) {
            Ok(())
        } else {
            Err(Refusal::new(Aadsts::NoConsent, &[&app.client_id]))
        }
    }
}

impl fmt::Display for ClosedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        write!(
            f,
            "{}, {}, {}",
            counted(self.tenants.len(), "tenant"),
            counted(self.apps.len(), "application"),
            counted(self.members.len(), "user")
        )
    }
}

impl App {
    fn is_at(&self, uri: &str) -> bool {
        let mut uris = self.identifier_uris.iter();
        uris.any(|known| without_slash(known).eq_ignore_ascii_case(without_slash(uri)))
    }

    /// The id it is registered by.
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whether it has no credential, and so cannot prove who it is.
    pub(super) fn is_public(&self) -> bool {
        self.secrets.is_empty() && self.certificates.is_empty() && self.federated.is_empty()
    }

    pub(super) fn check_secret(&self, secret: &str) -> Result<(), Refusal> {
        if self.is_public() {
            return Err(Aadsts::SecretOfPublic.into());
        }
        if self.secrets.iter().any(|right| is_same(right, secret)) {
            Ok(())
        } else {
            Err(Refusal::new(Aadsts::WrongSecret, &[&self.client_id]))
        }
    }

    /// The registered certificates.
    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Refuses a token of another identity provider that no federated credential is about.
    pub(super) fn check_federated(
        &self,
        issuer: &str,
        subject: &str,
        audiences: &[String],
    ) -> Result<(), Refusal> {
        let of_issuer: Vec<_> = self
            .federated
            .iter()
            .filter(|known| known.issuer.trim_end_matches('/') == issuer.trim_end_matches('/'))
            .collect();
        if of_issuer.is_empty() {
            return Err(Refusal::new(Aadsts::FederatedIssuer, &[issuer]));
        }
        let of_subject: Vec<_> = of_issuer
            .into_iter()
            .filter(|known| known.subject == subject)
            .collect();
        if of_subject.is_empty() {
            return Err(Refusal::new(Aadsts::FederatedSubject, &[subject]));
        }
        if of_subject
            .iter()
            .any(|known| audiences.contains(&known.audience))
        {
            Ok(())
        } else {
            let audience = audiences.first().map_or("", String::as_str);
            Err(Refusal::new(Aadsts::FederatedAudience, &[audience]))
        }
    }

    /// Refuses an address that was not registered. The port of this machine's own addresses does
    /// not matter, as at Entra.
    fn check_redirect(&self, uri: &str) -> Result<(), Refusal> {
        let asked = without_local_port(uri);
        if self
            .redirect_uris
            .iter()
            .any(|known| without_local_port(known) == asked)
        {
            Ok(())
        } else {
            Err(Refusal::new(
                Aadsts::UnknownRedirect,
                &[uri, &self.client_id],
            ))
        }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn without_local_port(uri: &str) -> String {
    let Some(rest) = uri.strip_prefix("http://") else {
        return uri.to_owned();
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host_of(authority);
    let mut port = authority[host.len()..].trim_start_matches(':').bytes();
    let is_port = port.all(|byte| byte.is_ascii_digit());
    match host {
        "localhost" | "127.0.0.1" | "[::1]" if is_port => format!("http://{host}/{path}"),
        _ => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests;
