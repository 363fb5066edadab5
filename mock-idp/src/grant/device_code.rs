//! A device asks whether its user has signed in on another one.

use super::{Approval, Subject, TokenRequest};
use crate::config::DeviceApproval;
use crate::device_codes::{Decision, Poll};
use crate::directory::application::Application;
use crate::error::{Aadsts, Refusal};
use crate::scope::Scopes;
use crate::sealed::Device;

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    let TokenRequest { idp, form, now, .. } = *request;
    // MSAL Python sends it under both names, v1 clients under the second alone.
    let code = match form.get("device_code") {
        Some(code) => code,
        None => form
            .get("code")
            .ok_or_else(|| Refusal::new(Aadsts::MissingParameter, &["device_code"]))?,
    };
    let device: Device = idp.sealer.open(code).ok_or(Aadsts::BadDeviceCode)?;
    let invalid = |why| Refusal::new(Aadsts::InvalidGrant, &["device_code", why]);
    if !device
        .client_id
        .eq_ignore_ascii_case(&application.client_id)
    {
        return Err(invalid("it was issued to another application"));
    }
    if device.tenant != request.tenant {
        return Err(Aadsts::CodeOfOtherTenant.into());
    }
    if now >= device.expires {
        return Err(Aadsts::DeviceCodeExpired.into());
    }
    let asked = request.scopes()?.filter(Scopes::name_a_resource);
    let scopes = match asked {
        Some(scopes) => scopes,
        None => Scopes::parse(&device.scope)?,
    };
    let approves_itself = request.settings.device_approval == DeviceApproval::Automatic;
    let user = match idp.device_codes.poll(&device.user_code, now) {
        Poll::Decided(Decision::Approved(user)) => user,
        Poll::Decided(Decision::Declined) => return Err(Aadsts::DeviceCodeDeclined.into()),
        Poll::Pending | Poll::TooSoon if approves_itself => {
            request.settings.directory.default_user(device.tenant)?
        }
        Poll::Pending => return Err(Aadsts::DeviceCodePending.into()),
        Poll::TooSoon => return Err(Aadsts::DevicePollsTooOften.into()),
        Poll::Unknown => return Err(Aadsts::CodeRedeemed.into()),
    };
    if !idp.redeemed.redeem(device.id, device.expires, now) {
        return Err(Aadsts::CodeRedeemed.into());
    }
    idp.device_codes.end(&device.user_code);
    Ok(Approval {
        subject: Subject::User {
            tenant_id: device.tenant.or_home(user.home_tenant_id),
            user,
        },
        scopes,
        nonce: None,
        assertion: None,
        lineage: None,
        excused: true,
    })
}
