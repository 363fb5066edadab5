//! Token requests: each grant decides in its own file what it approves, and one place makes the
//! tokens of what was approved.

mod authorization_code;
mod client_credentials;
mod device_code;
pub(crate) mod front_channel;
mod issue;
mod on_behalf_of;
mod password;
mod refresh_token;
mod response;
mod user_federated;

use http::HeaderMap;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::response::TokenResponse;
use crate::behavior::forgery::Forgery;
use crate::clock::UnixTime;
use crate::directory::application::{Application, Authentication};
use crate::directory::assertion::Recipient;
use crate::directory::tenant::Tenant;
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::idp::Idp;
use crate::ledger::GrantType;
use crate::origin::Origin;
use crate::scope::Scopes;
use crate::sealed::Lineage;
use crate::settings::Settings;

/// The `grant_type` of on-behalf-of.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The `grant_type` of devices; msal-node and MSAL Go send the last part alone.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A token request, as far as it is the same for every grant.
pub(crate) struct TokenRequest<'a> {
    pub(crate) idp: &'a Idp,
    pub(crate) settings: &'a Settings,
    pub(crate) origin: &'a Origin,
    pub(crate) tenant: Tenant,
    pub(crate) version: Version,
    pub(crate) form: &'a Form,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: UnixTime,
    /// What is to be wrong with the tokens.
    pub(crate) forgery: Option<Forgery>,
}

/// What a grant approved.
struct Approval {
    subject: Subject,
    scopes: Scopes,
    /// From the authorize request, for the ID token of the code's redemption only.
    nonce: Option<String>,
    /// The assertion the token is asked for with.
    assertion: Option<String>,
    /// The sign-in whose refresh token was used, and the number of the next one.
    lineage: Option<Lineage>,
    /// Whether the same token may be issued again without being counted as redundant.
    excused: bool,
}

/// Whom a token is about.
enum Subject {
    /// The application itself, in this tenant.
    Application { tenant_id: Uuid },
    /// A user, signed in to this tenant.
    User { user: User, tenant_id: Uuid },
}

/// The grant type that a form names, as the ledger counts it.
pub(crate) fn grant_type(form: &Form) -> GrantType {
    match form.get("grant_type") {
        Some("client_credentials") => GrantType::ClientCredentials,
        Some("authorization_code") => GrantType::AuthorizationCode,
        Some("refresh_token") => GrantType::RefreshToken,
        Some(JWT_BEARER) => GrantType::OnBehalfOf,
        Some(DEVICE_CODE | "device_code") => GrantType::DeviceCode,
        Some("password") => GrantType::Password,
        Some(user_federated::GRANT) => GrantType::UserFederated,
        _ => GrantType::Other,
    }
}

/// Answers a token request.
pub(crate) async fn answer(request: &TokenRequest<'_>) -> Result<TokenResponse, Refusal> {
    let grant = request.form.require("grant_type")?;
    let grant_type = match grant_type(request.form) {
        GrantType::Other => return Err(Refusal::new(Aadsts::UnsupportedGrant, &[grant])),
        supported => supported,
    };
    if request.version == Version::V2 && request.form.get("resource").is_some() {
        return Err(Aadsts::ResourceNotSupported.into());
    }
    let recipient = Recipient {
        origin: request.origin,
        tenant: request.tenant,
        now: request.now,
        directory: &request.settings.directory,
    };
    let application = Application::authenticate(request.form, request.headers, &recipient)?;
    let proves_nothing = application.authentication == Authentication::Public;
    if proves_nothing && grant_type != GrantType::ClientCredentials {
        request
            .settings
            .directory
            .check_proven(&application.client_id, request.tenant)?;
    }
    let mut approval = match grant_type {
        GrantType::ClientCredentials => client_credentials::approve(request, &application),
        GrantType::AuthorizationCode => authorization_code::approve(request, &application),
        GrantType::RefreshToken => refresh_token::approve(request, &application),
        GrantType::OnBehalfOf => on_behalf_of::approve(request, &application),
        GrantType::DeviceCode => device_code::approve(request, &application),
        GrantType::Password => password::approve(request),
        GrantType::UserFederated => user_federated::approve(request, &application),
        GrantType::ManagedIdentity | GrantType::Other => {
            Err(Refusal::new(Aadsts::UnsupportedGrant, &[grant]))
        }
    }?;
    approval.excused |= bypasses_caches(request.form);
    let directory = &request.settings.directory;
    match &approval.subject {
        Subject::Application { tenant_id } => {
            directory.check_resource(&approval.scopes, *tenant_id)?;
        }
        Subject::User { user, tenant_id } => {
            directory.check_user(user, *tenant_id)?;
            directory.check_consent(&application.client_id, &approval.scopes, *tenant_id)?;
        }
    }
    issue::issue(request, &application, approval).await
}

impl TokenRequest<'_> {
    /// The scopes asked for: `scope` of the v2 endpoint, `resource` of the v1.
    fn scopes(&self) -> Result<Option<Scopes>, Refusal> {
        let scope = self.form.get("scope");
        match self.version {
            Version::V2 => scope.map(Scopes::parse).transpose(),
            Version::V1 => self
                .form
                .get("resource")
                .map(|resource| Scopes::of_resource(resource, scope.unwrap_or_default()))
                .transpose(),
        }
    }

    /// The scopes asked for, by a grant that cannot go without.
    fn required_scopes(&self) -> Result<Scopes, Refusal> {
        let name = match self.version {
            Version::V2 => "scope",
            Version::V1 => "resource",
        };
        self.scopes()?
            .ok_or_else(|| Refusal::new(Aadsts::MissingParameter, &[name]))
    }
}

/// Refuses clients that did not prove who they are.
fn require_credential(application: &Application) -> Result<(), Refusal> {
    match application.authentication {
        Authentication::Secret | Authentication::Assertion => Ok(()),
        Authentication::Public => Err(Aadsts::CredentialRequired.into()),
    }
}

/// Whether the request carries claims that a cache must not answer. Claims about the ID token are
/// none: msal-node sends some with every code and refresh token. Nor is what the client is capable
/// of, which it says with every request.
fn bypasses_caches(form: &Form) -> bool {
    let is_capability = |claims: &Value| {
        let claims = claims.as_object();
        claims.is_some_and(|claims| claims.keys().all(|name| name == "xms_cc"))
    };
    match form.get("claims").map(serde_json::from_str::<Value>) {
        None => false,
        Some(Ok(Value::Object(claims))) => claims.iter().any(|(section, claims)| {
            section != "id_token" && !(section == "access_token" && is_capability(claims))
        }),
        Some(_) => true,
    }
}

/// Whether the client says that it copes with challenges, so that its tokens may live long.
fn evaluates_continuously(form: &Form) -> bool {
    let claims = form.get("claims").map(serde_json::from_str::<Value>);
    let Some(Ok(claims)) = claims else {
        return false;
    };
    let capabilities = claims["access_token"]["xms_cc"]["values"].as_array();
    capabilities.is_some_and(|values| {
        let mut names = values.iter().filter_map(Value::as_str);
        names.any(|name| name.eq_ignore_ascii_case("CP1"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_do_not_bypass_caches_and_challenges_do() {
        for (claims, bypasses, continuous) in [
            (None, false, false),
            (
                Some(r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
                false,
                true,
            ),
            (
                Some(r#"{"access_token":{"xms_cc":{"values":["other"]}}}"#),
                false,
                false,
            ),
            (
                Some(r#"{"access_token":{"nbf":{"value":"1"},"xms_cc":{"values":["cp1"]}}}"#),
                true,
                true,
            ),
            (Some(r#"{"id_token":{"login_hint":{}}}"#), false, false),
            (Some(r#"{"userinfo":{}}"#), true, false),
            (Some("nonsense"), true, false),
            (Some("[]"), true, false),
        ] {
            let pairs = claims.map(|claims| ("claims", claims));
            let text = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            let form = Form::parse(text.as_bytes()).unwrap();
            assert_eq!(bypasses_caches(&form), bypasses, "{claims:?}");
            assert_eq!(evaluates_continuously(&form), continuous, "{claims:?}");
        }
    }
}
