//! An application renews a user's token, or asks for one for another resource.
//!
//! Each use brings a new refresh token. The old one stays valid until it expires, as at Entra for
//! confidential clients, unless the server was told to be strict. Those of a single-page
//! application, which asks from another site as a public client, all end with the day of the
//! sign-in.

use std::time::Duration;

use super::{Approval, Subject, TokenRequest};
use crate::clock::UnixTime;
use crate::directory::application::Application;
use crate::error::{Aadsts, Refusal};
use crate::refresh_families::{RefreshTokens, Reused};
use crate::scope::Scopes;
use crate::sealed::{Lineage, Refresh};

/// How long a single-page application may go on without its user, whatever it renews.
pub(super) const SINGLE_PAGE_SIGN_IN: Duration = Duration::from_hours(24);

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
        return Err(expired(&refresh, now));
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
    let Lineage {
        family,
        number,
        ends,
    } = refresh.lineage;
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
        ends,
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

/// Nobody used it for its whole life, or the sign-in of a single-page application is over.
fn expired(refresh: &Refresh, now: UnixTime) -> Refusal {
    let issued = refresh.issued.to_text().replace(' ', "T");
    if refresh.lineage.ends.is_some_and(|ends| now >= ends) {
        let lifetime = as_span(SINGLE_PAGE_SIGN_IN);
        return Refusal::new(Aadsts::SinglePageSignInOver, &[&lifetime, &issued]);
    }
    let inactive = as_span(now.since(refresh.issued));
    Refusal::new(Aadsts::RefreshTokenInactive, &[&issued, &inactive])
}

/// A time as .NET writes it: `90.00:00:00`.
fn as_span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    format!("{days}.{hours:02}:{minutes:02}:{seconds:02}")
}
