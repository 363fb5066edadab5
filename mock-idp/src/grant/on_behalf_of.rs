//! A service asks for a token for another service, in the name of the user who called it.

use uuid::Uuid;

use super::{Approval, Subject, TokenRequest, require_credential};
use crate::directory::application::Application;
use crate::directory::user::User;
use crate::error::{Aadsts, Refusal};
use crate::token::AssertionClaims;

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    let assertion = request.form.require("assertion")?;
    let use_of_token = request.form.require("requested_token_use")?;
    if use_of_token != "on_behalf_of" {
        return Err(Refusal::new(
            Aadsts::Malformed,
            &["requested_token_use is not on_behalf_of"],
        ));
    }
    require_credential(application)?;
    let (user, tenant_id) = examine(request, application, assertion)?;
    Ok(Approval {
        subject: Subject::User { user, tenant_id },
        scopes: request.required_scopes()?,
        nonce: None,
        assertion: Some(assertion.to_owned()),
        lineage: None,
        excused: false,
    })
}

/// The user an assertion speaks for and the tenant it is about, if the assertion is a token that
/// this server issued, to be used by this application.
fn examine(
    request: &TokenRequest<'_>,
    application: &Application,
    assertion: &str,
) -> Result<(User, Uuid), Refusal> {
    let invalid = |why| Refusal::new(Aadsts::AssertionInvalid, &[why]);
    let claims: AssertionClaims = request
        .idp
        .keys
        .verify(assertion, request.now)
        .ok_or_else(|| invalid("The token was not signed by this authority"))?;
    if !claims.is_access_token() {
        return Err(Aadsts::AssertionIsIdToken.into());
    }
    if claims.exp <= request.now.as_seconds() {
        return Err(Aadsts::AssertionExpired.into());
    }
    let directory = &request.settings.directory;
    if !directory.is_audience(application, &claims.aud) {
        let names = [claims.aud.as_str(), &application.client_id];
        return Err(Refusal::new(Aadsts::AssertionOfOtherAudience, &names));
    }
    let (Some(_), Some(name)) = (&claims.scp, claims.user_name()) else {
        return Err(Refusal::new(
            Aadsts::AssertionIsAppToken,
            &[&application.client_id],
        ));
    };
    let user = request
        .settings
        .directory
        .user_of_token(name, claims.object_id(), claims.tid)?;
    let tenant_id = request.tenant.or_home(claims.tid);
    if tenant_id != claims.tid {
        return Err(invalid("The token was issued by another tenant"));
    }
    Ok((user, tenant_id))
}
