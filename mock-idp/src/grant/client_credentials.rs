//! An application asks for a token of its own.

use super::{Approval, Subject, TokenRequest};
use crate::directory::application::{Application, Authentication};
use crate::directory::tenant::{PERSONAL_ACCOUNTS, Tenant};
use crate::error::{Aadsts, Refusal};

const GRANT: &str = "client_credentials";

pub(super) fn approve(
    request: &TokenRequest<'_>,
    application: &Application,
) -> Result<Approval, Refusal> {
    if application.authentication == Authentication::Public {
        return Err(Refusal::new(Aadsts::NoCredential, &[GRANT]));
    }
    // An application lives in one tenant: with whom should it sign in here?
    let tenant_id = match request.tenant {
        Tenant::Directory(PERSONAL_ACCOUNTS) | Tenant::Consumers => {
            return Err(Refusal::new(Aadsts::GrantNotForTenant, &[GRANT]));
        }
        Tenant::Common | Tenant::Organizations => return Err(Aadsts::NoTenant.into()),
        Tenant::Directory(tenant_id) => tenant_id,
    };
    Ok(Approval {
        subject: Subject::Application { tenant_id },
        scopes: request.required_scopes()?.for_application()?,
        nonce: None,
        assertion: None,
        lineage: None,
        excused: false,
    })
}
