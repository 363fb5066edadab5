//! The claims of the tokens issued, as Entra's v2 tokens carry them; those of v1 tokens are in a
//! file of their own.

mod draft;
pub(crate) mod policy;
pub(crate) mod presigned;
pub(crate) mod shape;
pub(crate) mod v1;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::draft::{Draft, reordered, stranger};
use crate::clock::UnixTime;
use crate::directory::Audience;
use crate::directory::application::Application;
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::random::Stream;
use crate::scope::Scopes;

/// Entra's tokens are valid from five minutes before they were issued, for clocks that are late.
const BACKDATED: Duration = Duration::from_mins(5);

/// The claims of one token.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Claims {
    /// An access token for an application.
    App(AppClaims),
    /// An access token for a user.
    User(UserClaims),
    /// An ID token.
    Id(IdClaims),
    /// The v1 form of the first.
    AppV1(v1::AppClaims),
    /// The v1 form of the second.
    UserV1(v1::UserClaims),
    /// The v1 form of the third.
    IdV1(v1::IdClaims),
}

impl Claims {
    /// Claims of an app-only access token of this version.
    pub(crate) fn for_application(version: Version, issue: &Issue<'_>, opaque: Opaque) -> Self {
        match version {
            Version::V1 => Self::AppV1(v1::AppClaims::new(issue, opaque)),
            Version::V2 => Self::App(AppClaims::new(issue, opaque)),
        }
    }

    /// Claims of a user's access token of this version.
    pub(crate) fn for_user(
        version: Version,
        issue: &Issue<'_>,
        user: &User,
        opaque: Opaque,
    ) -> Self {
        match version {
            Version::V1 => Self::UserV1(v1::UserClaims::new(issue, user, opaque)),
            Version::V2 => Self::User(UserClaims::new(issue, user, opaque)),
        }
    }

    /// Claims of an ID token of this version.
    pub(crate) fn about(
        version: Version,
        issue: &Issue<'_>,
        user: &User,
        nonce: Option<String>,
        opaque: Opaque,
    ) -> Self {
        match version {
            Version::V1 => Self::IdV1(v1::IdClaims::new(issue, user, nonce, opaque)),
            Version::V2 => Self::Id(IdClaims::new(issue, user, nonce, opaque)),
        }
    }

    /// The version of the token they are for.
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::App(_) | Self::User(_) | Self::Id(_) => Version::V2,
            Self::AppV1(_) | Self::UserV1(_) | Self::IdV1(_) => Version::V1,
        }
    }
}

/// When a token was issued and when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Validity {
    iat: u64,
    nbf: u64,
    exp: u64,
}

impl Validity {
    pub(crate) fn new(now: UnixTime, lifetime: Duration) -> Self {
        let from = now.minus(BACKDATED).as_seconds();
        Self {
            iat: from,
            nbf: from,
            exp: now.plus(lifetime).as_seconds(),
        }
    }

    /// The first second, since the epoch.
    pub(crate) fn from(self) -> u64 {
        self.nbf
    }

    /// The second at which it ends, since the epoch.
    pub(crate) fn until(self) -> u64 {
        self.exp
    }
}

/// Claims that mean something to Entra alone. They differ from token to token, which is why they
/// are here: what a cache stores does not compress to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Opaque {
    aio: String,
    rh: String,
    uti: String,
    xms_ftd: String,
}

impl Opaque {
    pub(crate) fn draw(ids: &Stream) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            aio: encode(&ids.bytes::<84>()),
            rh: format!("1.A{}.", encode(&ids.bytes::<33>())),
            uti: encode(&ids.bytes::<16>()),
            xms_ftd: encode(&ids.bytes::<51>()),
        }
    }
}

/// Who issues, to whom, for what.
pub(crate) struct Issue<'a> {
    pub(crate) issuer: String,
    pub(crate) tenant_id: Uuid,
    pub(crate) application: &'a Application,
    pub(crate) scopes: &'a Scopes,
    pub(crate) audience: Audience<'a>,
    pub(crate) validity: Validity,
    /// The application's own roles.
    pub(crate) roles: Vec<String>,
    /// The groups the user is in.
    pub(crate) groups: &'a [Uuid],
}

/// Most groups that a token lists.
const MOST_GROUPS: usize = 200;

/// The groups a user is in; when they are too many, where to ask for them instead.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Groups {
    #[serde(rename = "groups", skip_serializing_if = "Vec::is_empty")]
    ids: Vec<Uuid>,
    #[serde(rename = "_claim_names", skip_serializing_if = "Option::is_none")]
    names: Option<Value>,
    #[serde(rename = "_claim_sources", skip_serializing_if = "Option::is_none")]
    sources: Option<Value>,
}

impl Groups {
    fn of(issue: &Issue<'_>, user: &User) -> Self {
        if issue.groups.len() <= MOST_GROUPS {
            return Self {
                ids: issue.groups.to_vec(),
                ..Self::default()
            };
        }
        Self::too_many(issue, user)
    }

    /// Where to ask for the groups of a user who is in too many.
    fn too_many(issue: &Issue<'_>, user: &User) -> Self {
        let id = user.object_id_in(issue.tenant_id);
        let endpoint = format!(
            "https://graph.windows.net/{}/users/{id}/getMemberObjects",
            issue.tenant_id
        );
        Self {
            ids: Vec::new(),
            names: Some(json!({ "groups": "src1" })),
            sources: Some(json!({ "src1": { "endpoint": endpoint } })),
        }
    }
}

/// Claims of an app-only access token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AppClaims {
    aud: String,
    iss: String,
    #[serde(flatten)]
    validity: Validity,
    aio: String,
    azp: String,
    azpacr: &'static str,
    oid: Uuid,
    rh: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    sub: Uuid,
    tid: Uuid,
    uti: String,
    ver: &'static str,
    xms_ftd: String,
}

impl AppClaims {
    pub(crate) fn new(issue: &Issue<'_>, opaque: Opaque) -> Self {
        let principal = issue.application.service_principal_in(issue.tenant_id);
        Self {
            aud: issue.audience.claim.to_owned(),
            iss: issue.issuer.clone(),
            validity: issue.validity,
            aio: opaque.aio,
            azp: issue.application.client_id.clone(),
            azpacr: issue.application.authentication.as_claim(),
            oid: principal,
            rh: opaque.rh,
            roles: issue.roles.clone(),
            sub: principal,
            tid: issue.tenant_id,
            uti: opaque.uti,
            ver: "2.0",
            xms_ftd: opaque.xms_ftd,
        }
    }
}

/// Claims of a user's access token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserClaims {
    aud: String,
    iss: String,
    #[serde(flatten)]
    validity: Validity,
    aio: String,
    azp: String,
    azpacr: &'static str,
    #[serde(flatten)]
    groups: Groups,
    name: String,
    oid: Uuid,
    preferred_username: String,
    rh: String,
    scp: String,
    sub: String,
    tid: Uuid,
    uti: String,
    ver: &'static str,
    xms_ftd: String,
}

impl UserClaims {
    pub(crate) fn new(issue: &Issue<'_>, user: &User, opaque: Opaque) -> Self {
        Self {
            aud: issue.audience.claim.to_owned(),
            iss: issue.issuer.clone(),
            validity: issue.validity,
            aio: opaque.aio,
            azp: issue.application.client_id.clone(),
            azpacr: issue.application.authentication.as_claim(),
            groups: Groups::of(issue, user),
            name: user.display_name().to_owned(),
            oid: user.object_id_in(issue.tenant_id),
            preferred_username: user.name.clone(),
            rh: opaque.rh,
            scp: issue.scopes.granted(),
            sub: user.subject_for(issue.audience.resource),
            tid: issue.tenant_id,
            uti: opaque.uti,
            ver: "2.0",
            xms_ftd: opaque.xms_ftd,
        }
    }
}

/// Claims of an ID token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IdClaims {
    aud: String,
    iss: String,
    #[serde(flatten)]
    validity: Validity,
    aio: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    oid: Uuid,
    preferred_username: String,
    rh: String,
    sub: String,
    tid: Uuid,
    uti: String,
    ver: &'static str,
}

impl IdClaims {
    pub(crate) fn new(
        issue: &Issue<'_>,
        user: &User,
        nonce: Option<String>,
        opaque: Opaque,
    ) -> Self {
        let client_id = &issue.application.client_id;
        Self {
            aud: client_id.clone(),
            iss: issue.issuer.clone(),
            validity: issue.validity,
            aio: opaque.aio,
            name: user.display_name().to_owned(),
            nonce,
            oid: user.object_id_in(issue.tenant_id),
            preferred_username: user.name.clone(),
            rh: opaque.rh,
            sub: user.subject_for(client_id),
            tid: issue.tenant_id,
            uti: opaque.uti,
            ver: "2.0",
        }
    }
}

/// What on-behalf-of and userinfo need to know of the token they are given.
#[derive(Debug, Deserialize)]
pub(crate) struct AssertionClaims {
    pub(crate) aud: String,
    pub(crate) exp: u64,
    pub(crate) tid: Uuid,
    ver: Option<String>,
    /// The application that asked for it; absent in an ID token.
    azp: Option<String>,
    /// Its name in v1 tokens. A policy may have added either beside the other, as of the user's.
    appid: Option<String>,
    /// Absent in an app-only token.
    pub(crate) scp: Option<String>,
    preferred_username: Option<String>,
    upn: Option<String>,
    oid: Option<Value>,
    pub(crate) name: Option<String>,
    pub(crate) sub: Option<String>,
}

impl AssertionClaims {
    /// Whether it is no ID token.
    pub(crate) fn is_access_token(&self) -> bool {
        self.azp.is_some() || self.appid.is_some()
    }

    /// The name of its user, in the claim that tokens of its version have it in.
    pub(crate) fn user_name(&self) -> Option<&str> {
        let names = [&self.preferred_username, &self.upn].map(Option::as_deref);
        match self.ver.as_deref() {
            Some("1.0") => names[1].or(names[0]),
            _ => names[0].or(names[1]),
        }
    }

    /// The id of its user in its tenant.
    pub(crate) fn object_id(&self) -> Option<Uuid> {
        Uuid::try_parse(self.oid.as_ref()?.as_str()?).ok()
    }
}

/// Tells a client which account an answer is about.
pub(crate) fn client_info(user: &User) -> String {
    let info = json!({ "uid": user.home_object_id, "utid": user.home_tenant_id });
    URL_SAFE_NO_PAD.encode(info.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use crate::directory::application::Authentication;

    /// Claims that say something everywhere.
    pub(super) fn claims(now: UnixTime) -> Claims {
        let application = Application {
            client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            authentication: Authentication::Secret,
        };
        let scopes = Scopes::parse("api://x/read api://x/write").unwrap();
        let tenant_id = Uuid::from_u128(0x42);
        let issue = Issue {
            issuer: format!("https://login.microsoftonline.com/{tenant_id}/v2.0"),
            tenant_id,
            application: &application,
            scopes: &scopes,
            audience: Directory::Open.audience(Version::V2, &scopes),
            validity: Validity::new(now, Duration::from_secs(3599)),
            roles: Vec::new(),
            groups: &[],
        };
        let user = User::default_of(crate::directory::tenant::Tenant::Directory(tenant_id));
        let opaque = Opaque::draw(&Stream::new(7, "ids"));
        Claims::for_user(Version::V2, &issue, &user, opaque)
    }
}
