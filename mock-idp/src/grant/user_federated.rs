//! An agent acts for a user of its own: it presents a token that it got for exchanging tokens, and
//! names the user. MSAL calls the grant `user_fic`.

use uuid::Uuid;

use super::{Approval, Subject, TokenRequest, require_credential};
use crate::directory::application::Application;
use crate::directory::tenant::{PERSONAL_ACCOUNTS, Tenant};
use crate::error::{Aadsts, Refusal};
use crate::token::AssertionClaims;

/// The `grant_type`.
pub(super) const GRANT: &str = "user_fic";

/// Whom tokens to be exchanged for others are for: by name, and by id as v2 tokens have it.
const EXCHANGE: [&str; 2] = [
    "api://azureadtokenexchange",
    "fb60f99c-7a34-4190-8149-302f77469936",
];

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    let TokenRequest { form, tenant, .. } = *request;
    require_credential(application)?;
    let tenant_id = match tenant {
        Tenant::Directory(id) if id != PERSONAL_ACCOUNTS => id,
        _ => return Err(Refusal::new(Aadsts::GrantNotForTenant, &[GRANT])),
    };
    examine(
        request,
        form.require("user_federated_identity_credential")?,
        tenant_id,
    )?;
    let directory = &request.settings.directory;
    let user = match (form.get("username"), form.get("user_id")) {
        (Some(name), _) => directory.user(name, tenant)?,
        (None, Some(id)) => {
            let no_user = |_| Refusal::new(Aadsts::NoUser, &[id, &tenant_id.to_string()]);
            let parsed = Uuid::try_parse(id).map_err(no_user)?;
            directory.user_of_id(parsed, tenant_id)?
        }
        (None, None) => return Err(Refusal::new(Aadsts::MissingParameter, &["username"])),
    };
    Ok(Approval {
        subject: Subject::User { user, tenant_id },
        scopes: request.required_scopes()?,
        nonce: None,
        assertion: None,
        lineage: None,
        excused: false,
    })
}

/// Whether this is a token that this server issued in this tenant, to be exchanged.
fn examine(request: &TokenRequest<'_>, token: &str, tenant_id: Uuid) -> Result<(), Refusal> {
    let invalid = |why| Refusal::new(Aadsts::AssertionInvalid, &[why]);
    let claims: AssertionClaims = request
        .idp
        .keys
        .verify(token, request.now)
        .ok_or_else(|| invalid("The token was not signed by this authority"))?;
    if claims.exp <= request.now.as_seconds() {
        return Err(Aadsts::AssertionExpired.into());
    }
    if !EXCHANGE.contains(&claims.aud.to_ascii_lowercase().as_str()) {
        return Err(Refusal::new(Aadsts::FederatedAudience, &[&claims.aud]));
    }
    if claims.tid != tenant_id {
        return Err(invalid("The token was issued by another tenant"));
    }
    Ok(())
}
