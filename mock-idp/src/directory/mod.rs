//! Who exists: tenants, users and applications.
//!
//! The open directory is the default: every tenant, user, application and secret one names exists.
//! Their ids are computed from their names, so the same name is the same account in every run. In
//! a closed one only those exist who are written down.

pub(crate) mod application;
pub(crate) mod assertion;
pub(crate) mod closed;
pub(crate) mod tenant;
pub(crate) mod user;

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use self::application::Application;
use self::closed::{App, ClosedDirectory, Resource};
use self::tenant::{Tenant, tenant_of_domain};
use self::user::User;
use crate::endpoint::Version;
use crate::error::{Aadsts, Refusal};
use crate::scope::{GRAPH, Scopes};

/// The namespace of all ids computed from names.
const NAMESPACE: Uuid = Uuid::from_u128(0x5bd0_6d1c_8d0f_4b51_9a4c_3f1f_8f3e_7a10);

/// The domain of the tenant that managed identities live in.
const HOME_OF_MACHINES: &str = "contoso.com";

/// The id of what is called `name` among things of this `kind`; names differ in case only for
/// people.
pub(crate) fn id_of(kind: &str, name: &str) -> Uuid {
    let name = format!("{kind}/{}", name.to_ascii_lowercase());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audience<'a> {
    /// Its `aud`: the client id of an application that is known in v2 tokens, the resource as it
    /// was asked for in v1 tokens.
    pub(crate) claim: &'a str,
    /// The same under all names of the resource: what the `sub` of users is made for.
    pub(crate) resource: &'a str,
}

/// Who exists.
#[derive(Debug, Clone, Default)]
pub enum Directory {
    /// Everyone one names.
    #[default]
    Open,
    /// Those who are written down.
    Closed(Arc<ClosedDirectory>),
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("everyone exists"),
            Self::Closed(directory) => directory.fmt(f),
        }
    }
}

impl Directory {
    fn closed(&self) -> Option<&ClosedDirectory> {
        match self {
            Self::Open => None,
            Self::Closed(directory) => Some(directory),
        }
    }

    /// The tenant that a path names.
    ///
    /// # Errors
    ///
    /// AADSTS90002 when there is none.
    pub(crate) fn tenant(&self, segment: &str) -> Result<Tenant, Refusal> {
        let found = match self.closed() {
            None => Tenant::parse(segment),
            Some(directory) => directory.tenant(segment),
        };
        found.ok_or_else(|| Refusal::new(Aadsts::TenantNotFound, &[segment]))
    }

    /// The name by which requests to a tenant are recorded and counted together, whichever of its
    /// names they were sent to: its id, a reserved name, or what was said when it is no tenant.
    pub(crate) fn counted_tenant(&self, segment: &str) -> String {
        match self.tenant(segment) {
            Ok(Tenant::Directory(id)) => id.to_string(),
            _ => segment.to_ascii_lowercase(),
        }
    }

    /// The tenant that managed identities live in: `contoso.com`, or the first that is written
    /// down when that is none.
    pub(crate) fn tenant_of_machines(&self) -> Uuid {
        match self.closed() {
            None => tenant_of_domain(HOME_OF_MACHINES),
            Some(directory) => directory.tenant_or_first(HOME_OF_MACHINES),
        }
    }

    /// Checks that the user, who proved who it is, may still sign in to this tenant.
    ///
    /// # Errors
    ///
    /// AADSTS50034 when there is no such user.
    pub(crate) fn check_user(&self, user: &User, tenant_id: Uuid) -> Result<(), Refusal> {
        let tenant = Tenant::Directory(tenant_id);
        self.closed().map_or(Ok(()), |directory| {
            directory.user(&user.name, tenant).map(drop)
        })
    }

    /// The user of this name; one without a domain lives in the `tenant` signed in to, if anyone
    /// may exist.
    ///
    /// # Errors
    ///
    /// What can be no name, or AADSTS50034 when there is no such user.
    pub(crate) fn user(&self, name: &str, tenant: Tenant) -> Result<User, Refusal> {
        match self.closed() {
            None => User::checked(name, tenant),
            Some(directory) => directory.user(name, tenant),
        }
    }

    /// Whether a token for `audience` was made for this application, under any of its names.
    pub(crate) fn is_audience(&self, application: &Application, audience: &str) -> bool {
        let resource = self
            .closed()
            .and_then(|directory| directory.resource(audience));
        match resource {
            Some(Resource::App(app)) => {
                app.client_id().eq_ignore_ascii_case(&application.client_id)
            }
            Some(Resource::Microsofts(_)) => false,
            None => application.is_audience(audience),
        }
    }

    /// Whether tokens for `audience` are good for asking who their user is. Anyone's are where
    /// anyone exists.
    pub(crate) fn has_user_info(&self, audience: &str) -> bool {
        self.closed()
            .is_none_or(|directory| directory.is_same(audience, GRAPH))
    }

    /// The user that a token of this server is about.
    ///
    /// # Errors
    ///
    /// AADSTS50034 when there is no such user any more.
    pub(crate) fn user_of_token(
        &self,
        name: &str,
        object_id: Option<Uuid>,
        tenant_id: Uuid,
    ) -> Result<User, Refusal> {
        let tenant = Tenant::Directory(tenant_id);
        let Some(directory) = self.closed() else {
            let user = User::checked(name, tenant)?;
            return Ok(user.with_object_id(object_id, tenant_id));
        };
        // A policy may have put other names into the token.
        let by_id = object_id.and_then(|id| directory.user_of_id(id, tenant_id).ok());
        by_id.map_or_else(|| directory.user(name, tenant), Ok)
    }

    /// Whether this is a name of the resource of these scopes.
    pub(crate) fn names(&self, name: &str, scopes: &Scopes) -> bool {
        let asked = scopes.resource();
        [scopes.audience(), asked, asked.trim_end_matches('/')]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
            || self
                .closed()
                .is_some_and(|directory| directory.is_same(name, asked))
    }

    /// Whom a token of this version for these scopes is for.
    pub(crate) fn audience<'a>(&'a self, version: Version, scopes: &'a Scopes) -> Audience<'a> {
        let resource = self
            .closed()
            .and_then(|directory| directory.resource(scopes.resource()));
        match resource {
            Some(Resource::App(app)) => Audience {
                claim: match version {
                    Version::V1 => scopes.resource(),
                    Version::V2 => app.client_id(),
                },
                resource: app.client_id(),
            },
            _ => Audience {
                claim: scopes.audience(),
                resource: scopes.audience(),
            },
        }
    }

    /// The user of this id, at home in this tenant.
    ///
    /// # Errors
    ///
    /// AADSTS50034 when there is none.
    pub(crate) fn user_of_id(&self, id: Uuid, tenant_id: Uuid) -> Result<User, Refusal> {
        match self.closed() {
            None => Ok(User::of_id(id, tenant_id)),
            Some(directory) => directory.user_of_id(id, tenant_id),
        }
    }

    /// Who signs in when nobody was named.
    ///
    /// # Errors
    ///
    /// AADSTS50034 when the tenant has no users.
    pub(crate) fn default_user(&self, tenant: Tenant) -> Result<User, Refusal> {
        match self.closed() {
            None => Ok(User::default_of(tenant)),
            Some(directory) => directory.default_user(tenant),
        }
    }

    /// Whether passwords are known.
    pub(crate) fn has_passwords(&self) -> bool {
        self.closed().is_some()
    }

    /// Checks a password, if passwords are known.
    pub(crate) fn check_password(&self, user: &User, password: &str) -> Result<(), Refusal> {
        self.closed()
            .map_or(Ok(()), |directory| directory.check_password(user, password))
    }

    /// The groups a user is in.
    pub(crate) fn groups(&self, user: &User) -> &[Uuid] {
        self.closed()
            .map_or(&[], |directory| directory.groups(user))
    }

    /// What is known of an application; `None` when nothing is because it may be anyone.
    ///
    /// # Errors
    ///
    /// AADSTS700016 when there is none of this id in the tenant, AADSTS50194 for one of a single
    /// tenant that is used without naming it.
    pub(crate) fn app(&self, client_id: &str, tenant: Tenant) -> Result<Option<&App>, Refusal> {
        self.closed()
            .map(|directory| directory.app(client_id, tenant))
            .transpose()
    }

    /// Checks that an application may send its users to the tenant of this name, and have them
    /// sent to this address.
    pub(crate) fn check_sign_in(
        &self,
        client_id: &str,
        tenant: &str,
        redirect_uri: &str,
    ) -> Result<(), Refusal> {
        let Some(directory) = self.closed() else {
            return Ok(());
        };
        directory.app(client_id, self.tenant(tenant)?)?;
        directory.check_redirect(client_id, redirect_uri)
    }

    /// Checks that an application may have its users sent to this address.
    pub(crate) fn check_redirect(&self, client_id: &str, uri: &str) -> Result<(), Refusal> {
        self.closed()
            .map_or(Ok(()), |directory| directory.check_redirect(client_id, uri))
    }

    /// Checks that the resource exists in the tenant.
    pub(crate) fn check_resource(&self, scopes: &Scopes, tenant_id: Uuid) -> Result<(), Refusal> {
        self.closed().map_or(Ok(()), |directory| {
            directory.check_resource(scopes, tenant_id)
        })
    }

    /// Checks that the resource exists in the tenant and that users consented to what is asked of
    /// it.
    pub(crate) fn check_consent(
        &self,
        client_id: &str,
        scopes: &Scopes,
        tenant_id: Uuid,
    ) -> Result<(), Refusal> {
        self.check_resource(scopes, tenant_id)?;
        let Some(directory) = self.closed() else {
            return Ok(());
        };
        let app = directory.app(client_id, Tenant::Directory(tenant_id))?;
        directory.check_consent(app, scopes)
    }

    /// Checks that an application that has credentials used one.
    pub(crate) fn check_proven(&self, client_id: &str, tenant: Tenant) -> Result<(), Refusal> {
        match self.app(client_id, tenant)? {
            Some(app) if !app.is_public() => Err(Aadsts::CredentialRequired.into()),
            _ => Ok(()),
        }
    }

    /// The application's own roles at the resource of these scopes.
    pub(crate) fn roles(&self, client_id: &str, scopes: &Scopes, tenant_id: Uuid) -> Vec<String> {
        let Some(directory) = self.closed() else {
            return Vec::new();
        };
        let app = directory.app(client_id, Tenant::Directory(tenant_id)).ok();
        app.map_or_else(Vec::new, |app| directory.roles(app, scopes.resource()))
    }
}
