//! An application renews a user's token, or asks for one for another resource.
//!
//! Each use brings a new refresh token. The old one stays valid until it expires, as at Entra for
//! confidential clients, unless the server was told to be strict.

use super::{Approval, Subject, TokenRequest};
use crate::directory::application::Application;
use crate::error::{Aadsts, Refusal};
use crate::refresh_families::{RefreshTokens, Reused};
use crate::scope::Scopes;
use crate::sealed::{Lineage, Refresh};

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    let invalid = |why| Refusal::new(Aadsts::InvalidGrant, &["refresh_token", why]);
    let TokenRequest { idp, now, .. } = *request;
    let refresh: Refresh = idp
        .sealer
        .open(request.form.require("refresh_token")?)
        .ok_or_else(|| invalid("it was not issued here"))?;
    if !refresh
        .client_id
        .eq_ignore_ascii_case(&application.client_id)
    {
        return Err(invalid("it was issued to another application"));
    }
    if now >= refresh.expires {
        return Err(Aadsts::GrantExpired.into());
    }
    if request
        .idp
        .revoked
        .covers(&refresh.user.name, refresh.issued)
    {
        return Err(Aadsts::GrantRevoked.into());
    }
    let scopes = match request.scopes()? {
        Some(scopes) => scopes,
        None => Scopes::parse(&refresh.scope)?,
    };
    let Lineage { family, number } = refresh.lineage;
    // Last, so that a request refused for another reason leaves the token usable.
    if request.settings.refresh_tokens == RefreshTokens::Strict {
        idp.refresh_families
            .spend(
                family,
                number,
                now.plus(request.settings.lifetimes.refresh_token),
                now,
            )
            .map_err(|Reused| Refusal::from(Aadsts::GrantRevoked))?;
    }
    let lineage = Lineage {
        family,
        number: number.saturating_add(1),
    };
    Ok(Approval {
        subject: Subject::User {
            tenant_id: request.tenant.or_home(refresh.user.home_tenant_id),
            user: refresh.user,
        },
        // Whoever holds a refresh token keeps one.
        scopes: scopes.with_refresh_token(),
        // A refreshed ID token has none: msal-node refuses a nonce it did not ask for.
        nonce: None,
        assertion: None,
        lineage: Some(lineage),
        excused: false,
    })
}
