//! An application redeems the code that a sign-in brought it.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Approval, Subject, TokenRequest, require_credential};
use crate::directory::application::Application;
use crate::error::{Aadsts, Refusal};
use crate::scope::Scopes;
use crate::sealed::{Challenge, Code};

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    let TokenRequest { idp, form, now, .. } = *request;
    let invalid = |why| Refusal::new(Aadsts::InvalidGrant, &["code", why]);
    let code = form.require("code")?;
    let redirect_uri = form.require("redirect_uri")?;
    let code: Code = idp
        .sealer
        .open(code)
        .ok_or_else(|| invalid("it was not issued here"))?;

    if !code.client_id.eq_ignore_ascii_case(&application.client_id) {
        return Err(invalid("it was issued to another application"));
    }
    if code.tenant != request.tenant {
        return Err(Aadsts::CodeOfOtherTenant.into());
    }
    if code.redirect_uri != redirect_uri {
        return Err(Refusal::new(Aadsts::RedirectMismatch, &[redirect_uri]));
    }
    if now >= code.expires {
        return Err(Aadsts::GrantExpired.into());
    }
    match &code.challenge {
        Some(challenge) => verify(challenge, form.get("code_verifier"))?,
        // Without a verifier to match, only a secret shows that the code did not leak.
        None => require_credential(application)?,
    }
    let asked = request.scopes()?.filter(Scopes::name_a_resource);
    let scopes = match asked {
        Some(scopes) => scopes,
        None => Scopes::parse(&code.scope)?,
    };
    // Last, so that a request refused for another reason leaves the code usable.
    if !idp.redeemed.redeem(code.id, code.expires, now) {
        return Err(Aadsts::CodeRedeemed.into());
    }
    Ok(Approval {
        subject: Subject::User {
            tenant_id: code.tenant.or_home(code.user.home_tenant_id),
            user: code.user,
        },
        scopes,
        nonce: code.nonce,
        assertion: None,
        lineage: None,
        excused: true,
    })
}

fn verify(challenge: &Challenge, verifier: Option<&str>) -> Result<(), Refusal> {
    let verifier = verifier.unwrap_or_default();
    let matches = match challenge {
        Challenge::Plain(expected) => expected == verifier,
        Challenge::S256(expected) => {
            let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
            *expected == URL_SAFE_NO_PAD.encode(hash)
        }
    };
    if matches {
        Ok(())
    } else {
        Err(Aadsts::VerifierMismatch.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_must_match_its_challenge() {
        // The example of RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = Challenge::S256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        assert!(verify(&challenge, Some(verifier)).is_ok());
        for wrong in [
            None,
            Some(""),
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ] {
            assert_eq!(verify(&challenge, wrong).unwrap_err().number(), 501_481);
        }
        let plain = Challenge::Plain("verifier".to_owned());
        assert!(verify(&plain, Some("verifier")).is_ok());
        assert!(verify(&plain, Some("other")).is_err());
    }
}
