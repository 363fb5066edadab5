//! Names for the members of a population: ids, scopes and sign-in names that
//! are the same in every run.

use std::sync::Arc;

use token_cache::Scopes;
use uuid::Uuid;

use crate::population::Subject;
use crate::scenario::plan::{Flow, PopulationPlan};

/// Namespace of every id made here.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1d_52a1_7d0b_4a39_9a41_70c6_5b1f_3e02);

/// The names of a population.
#[derive(Debug)]
pub struct Directory {
    tenants: Vec<Arc<str>>,
    applications: Vec<Arc<str>>,
    resources: Vec<Resource>,
}

/// A protected resource.
#[derive(Debug)]
pub struct Resource {
    /// Its id, which is the audience of its tokens.
    pub id: Arc<str>,
    /// What an application asks for itself.
    pub application_scopes: Scopes,
    /// What is asked for on a user's behalf.
    pub user_scopes: Scopes,
}

/// The scope that user flows ask of a resource, without the resource in front.
pub const USER_SCOPE: &str = "access_as_user";

impl Directory {
    /// Names for everyone in `population`.
    pub fn new(population: &PopulationPlan) -> Self {
        let named =
            |count: u64, what: &str| (0..count).map(|n| id(&format!("{what}/{n}"))).collect();
        let resources: Vec<Arc<str>> = named(population.resources.most, "resource");
        Self {
            tenants: named(population.tenants.most, "tenant"),
            applications: (0..population.applications.most)
                .map(|number| application_id(u32::try_from(number).unwrap_or(u32::MAX)))
                .collect(),
            resources: resources.into_iter().map(Resource::new).collect(),
        }
    }

    /// The id of a tenant.
    pub fn tenant(&self, subject: &Subject) -> &Arc<str> {
        &self.tenants[subject.tenant as usize]
    }

    /// The client id of an application.
    pub fn application(&self, subject: &Subject) -> &Arc<str> {
        &self.applications[subject.application as usize]
    }

    /// Every tenant's id.
    pub fn tenants(&self) -> &[Arc<str>] {
        &self.tenants
    }

    /// Every resource.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Every client id.
    pub fn applications(&self) -> &[Arc<str>] {
        &self.applications
    }

    /// A resource.
    pub fn resource(&self, subject: &Subject) -> &Resource {
        &self.resources[subject.resource as usize]
    }

    /// The sign-in name of the subject's user, if it has one: a member of the
    /// tenant, as the domain says.
    pub fn username(&self, subject: &Subject) -> Option<String> {
        let user = subject.user?;
        Some(format!("user{user}@{}", self.tenant(subject)))
    }

    /// The front end that users sign in to before it calls the web API.
    pub fn front_end() -> Arc<str> {
        id("front end")
    }
}

impl Resource {
    fn new(id: Arc<str>) -> Self {
        Self {
            application_scopes: Scopes::parse(&format!("api://{id}/.default")),
            user_scopes: Scopes::parse(&format!("api://{id}/{USER_SCOPE}")),
            id,
        }
    }

    /// What `flow` asks of it.
    pub fn scopes(&self, flow: Flow) -> &Scopes {
        match flow {
            Flow::ClientCredentials | Flow::ManagedIdentity => &self.application_scopes,
            Flow::AuthorizationCode
            | Flow::OnBehalfOf
            | Flow::LongRunningObo
            | Flow::Silent
            | Flow::RefreshToken => &self.user_scopes,
        }
    }
}

/// The client id of the application with this number.
pub fn application_id(number: u32) -> Arc<str> {
    id(&format!("application/{number}"))
}

fn id(name: &str) -> Arc<str> {
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string().into()
}
