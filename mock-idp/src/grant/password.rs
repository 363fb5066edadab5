//! A user's name and password, handed over by the application itself. In a directory that knows no
//! passwords every one is right.

use super::{Approval, Subject, TokenRequest};
use crate::directory::tenant::{PERSONAL_ACCOUNTS, Tenant};
use crate::error::{Aadsts, Refusal};

pub(super) fn approve(request: &TokenRequest<'_>) -> Result<Approval, Refusal> {
    let TokenRequest { form, tenant, .. } = *request;
    match tenant {
        Tenant::Directory(PERSONAL_ACCOUNTS) | Tenant::Common | Tenant::Consumers => {
            return Err(Refusal::new(Aadsts::GrantNotForTenant, &["password"]));
        }
        Tenant::Directory(_) | Tenant::Organizations => {}
    }
    let user = request
        .settings
        .directory
        .user(form.require("username")?, tenant)?;
    request
        .settings
        .directory
        .check_password(&user, form.require("password")?)?;
    Ok(Approval {
        subject: Subject::User {
            tenant_id: tenant.or_home(user.home_tenant_id),
            user,
        },
        scopes: request.required_scopes()?,
        nonce: None,
        assertion: None,
        lineage: None,
        excused: false,
    })
}
