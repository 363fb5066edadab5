//! The claims of v1 tokens: what the Azure AD endpoints issue.

use serde::Serialize;
use uuid::Uuid;

use super::{Groups, Issue, Opaque, Validity};
use crate::directory::user::User;

/// Claims that every v1 access token has.
#[derive(Debug, Clone, Serialize)]
struct Common {
    aud: String,
    iss: String,
    #[serde(flatten)]
    validity: Validity,
    aio: String,
    appid: String,
    appidacr: &'static str,
    /// The issuer of the account: the tenant itself, unless the user is a guest.
    idp: String,
    oid: Uuid,
    rh: String,
    tid: Uuid,
    uti: String,
    ver: &'static str,
    xms_ftd: String,
}

impl Common {
    fn new(issue: &Issue<'_>, oid: Uuid, idp: String, opaque: Opaque) -> Self {
        Self {
            aud: issue.audience.claim.to_owned(),
            iss: issue.issuer.clone(),
            validity: issue.validity,
            aio: opaque.aio,
            appid: issue.application.client_id.clone(),
            appidacr: issue.application.authentication.as_claim(),
            idp,
            oid,
            rh: opaque.rh,
            tid: issue.tenant_id,
            uti: opaque.uti,
            ver: "1.0",
            xms_ftd: opaque.xms_ftd,
        }
    }
}

/// Claims of an app-only access token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AppClaims {
    #[serde(flatten)]
    common: Common,
    idtyp: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    sub: Uuid,
}

impl AppClaims {
    pub(crate) fn new(issue: &Issue<'_>, opaque: Opaque) -> Self {
        let principal = issue.application.service_principal_in(issue.tenant_id);
        Self {
            common: Common::new(issue, principal, issue.issuer.clone(), opaque),
            idtyp: "app",
            roles: issue.roles.clone(),
            sub: principal,
        }
    }
}

/// Claims of a user's access token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserClaims {
    #[serde(flatten)]
    common: Common,
    acr: &'static str,
    amr: [&'static str; 1],
    #[serde(flatten)]
    groups: Groups,
    ipaddr: &'static str,
    name: String,
    scp: String,
    sub: String,
    unique_name: String,
    upn: String,
}

impl UserClaims {
    pub(crate) fn new(issue: &Issue<'_>, user: &User, opaque: Opaque) -> Self {
        let tenant = issue.tenant_id.to_string();
        let idp = issue
            .issuer
            .replace(&tenant, &user.home_tenant_id.to_string());
        Self {
            common: Common::new(issue, user.object_id_in(issue.tenant_id), idp, opaque),
            acr: "1",
            amr: ["pwd"],
            groups: Groups::of(issue, user),
            ipaddr: "127.0.0.1",
            name: user.display_name().to_owned(),
            scp: issue.scopes.granted(),
            sub: user.subject_for(issue.audience.resource),
            unique_name: user.name.clone(),
            upn: user.name.clone(),
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
    amr: [&'static str; 1],
    ipaddr: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    oid: Uuid,
    rh: String,
    sub: String,
    tid: Uuid,
    unique_name: String,
    upn: String,
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
            amr: ["pwd"],
            ipaddr: "127.0.0.1",
            name: user.display_name().to_owned(),
            nonce,
            oid: user.object_id_in(issue.tenant_id),
            rh: opaque.rh,
            sub: user.subject_for(client_id),
            tid: issue.tenant_id,
            unique_name: user.name.clone(),
            upn: user.name.clone(),
            uti: opaque.uti,
            ver: "1.0",
        }
    }
}
