//! Token requests: each grant decides in its own file what it approves, and one place makes the
//! tokens of what was approved.

mod authorization_code;
mod client_credentials;
mod device_code;
mod on_behalf_of;
mod password;
mod refresh_token;
mod response;

use http::HeaderMap;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::response::TokenResponse;
use crate::clock::UnixTime;
use crate::directory::application::{Application, Authentication};
use crate::directory::assertion::Recipient;
use crate::directory::tenant::Tenant;
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::idp::Idp;
use crate::issuer::issuer;
use crate::ledger::{GrantType, TokenIdentity};
use crate::origin::Origin;
use crate::scope::Scopes;
use crate::sealed::{Lineage, Refresh};
use crate::token::{Claims, Issue, Opaque, Validity, client_info};

/// The `grant_type` of on-behalf-of.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The `grant_type` of devices; msal-node and MSAL Go send the last part alone.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A token request, as far as it is the same for every grant.
pub(crate) struct TokenRequest<'a> {
    pub(crate) idp: &'a Idp,
    pub(crate) origin: &'a Origin,
    pub(crate) tenant: Tenant,
    pub(crate) version: Version,
    pub(crate) form: &'a Form,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: UnixTime,
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
        directory: &request.idp.directory,
    };
    let application = Application::authenticate(request.form, request.headers, &recipient)?;
    let proves_nothing = application.authentication == Authentication::Public;
    if proves_nothing && grant_type != GrantType::ClientCredentials {
        request.idp.directory.check_proven(&application.client_id)?;
    }
    let mut approval = match grant_type {
        GrantType::ClientCredentials => client_credentials::approve(request, &application),
        GrantType::AuthorizationCode => authorization_code::approve(request, &application),
        GrantType::RefreshToken => refresh_token::approve(request, &application),
        GrantType::OnBehalfOf => on_behalf_of::approve(request, &application),
        GrantType::DeviceCode => device_code::approve(request, &application),
        GrantType::Password => password::approve(request),
        GrantType::ManagedIdentity | GrantType::Other => {
            Err(Refusal::new(Aadsts::UnsupportedGrant, &[grant]))
        }
    }?;
    approval.excused |= bypasses_caches(request.form);
    let directory = &request.idp.directory;
    match approval.subject {
        Subject::Application { .. } => directory.check_resource(&approval.scopes)?,
        Subject::User { .. } => {
            directory.check_consent(&application.client_id, &approval.scopes)?;
        }
    }
    issue(request, &application, approval).await
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
/// none: msal-node sends some with every code and refresh token.
fn bypasses_caches(form: &Form) -> bool {
    match form.get("claims").map(serde_json::from_str::<Value>) {
        None => false,
        Some(Ok(Value::Object(claims))) => claims.keys().any(|section| section != "id_token"),
        Some(_) => true,
    }
}

async fn issue(
    request: &TokenRequest<'_>,
    application: &Application,
    approval: Approval,
) -> Result<TokenResponse, Refusal> {
    let TokenRequest {
        idp,
        now,
        form,
        version,
        ..
    } = *request;
    let Approval {
        subject,
        scopes,
        nonce,
        assertion,
        lineage,
        excused,
    } = approval;
    let lifetimes = &idp.lifetimes;
    let tenant_id = match subject {
        Subject::Application { tenant_id } | Subject::User { tenant_id, .. } => tenant_id,
    };
    let issue = Issue {
        issuer: issuer(idp.issuer, version, request.origin, tenant_id),
        tenant_id,
        application,
        scopes: &scopes,
        validity: Validity::new(now, lifetimes.expires_in),
        roles: match subject {
            Subject::Application { .. } => idp
                .directory
                .roles(&application.client_id, scopes.audience()),
            Subject::User { .. } => Vec::new(),
        },
        groups: match &subject {
            Subject::Application { .. } => &[],
            Subject::User { user, .. } => idp.directory.groups(user),
        },
    };
    let mut response = TokenResponse::new(version, lifetimes, issue.validity, &scopes);
    let subject_id = match subject {
        // Nothing but these fields: with `client_info`, MSAL would file the token under an account
        // and never find it again.
        Subject::Application { .. } => {
            let claims = Claims::for_application(version, &issue, Opaque::draw(&idp.ids));
            response.access_token = sign(idp, claims).await?;
            None
        }
        Subject::User { user, .. } => {
            let claims = Claims::for_user(version, &issue, &user, Opaque::draw(&idp.ids));
            let access_token = sign(idp, claims);
            let id_token = scopes.want_id_token().then(|| {
                let opaque = Opaque::draw(&idp.ids);
                sign(idp, Claims::about(version, &issue, &user, nonce, opaque))
            });
            let (access_token, id_token) = match id_token {
                Some(id_token) => {
                    let (access_token, id_token) = tokio::try_join!(access_token, id_token)?;
                    (access_token, Some(id_token))
                }
                None => (access_token.await?, None),
            };
            response.access_token = access_token;
            response.id_token = id_token;
            response.scope = Some(match version {
                Version::V1 => scopes.granted(),
                Version::V2 => scopes.echoed(),
            });
            response.client_info =
                (form.get("client_info") == Some("1")).then(|| client_info(&user));
            let subject_id = user.object_id_in(tenant_id);
            if scopes.want_refresh_token() {
                let token = refresh_token(request, application, &scopes, user, lineage)?;
                response.refresh_token = Some(token);
            }
            Some(subject_id)
        }
    };
    let identity = TokenIdentity {
        client_id: &application.client_id,
        tenant_id,
        subject: subject_id,
        assertion: assertion.as_deref(),
        scopes: &scopes.identity(),
    };
    // The end that the token itself says: a cache that goes by it is not redundant.
    let ends = now.plus(lifetimes.expires_in).whole_seconds();
    idp.ledger.issued(&identity, now, ends, excused);
    Ok(response)
}

async fn sign(idp: &Idp, claims: Claims) -> Result<String, Refusal> {
    idp.signer.sign(claims).await.map_err(|error| {
        tracing::warn!(%error, "token not signed");
        Aadsts::Transient.into()
    })
}

fn refresh_token(
    request: &TokenRequest<'_>,
    application: &Application,
    scopes: &Scopes,
    user: User,
    lineage: Option<Lineage>,
) -> Result<String, Refusal> {
    let refresh = Refresh {
        lineage: lineage.unwrap_or_else(|| Lineage {
            family: request.idp.ids.uuid(),
            number: 0,
        }),
        client_id: application.client_id.clone(),
        user,
        scope: scopes.to_text(),
        expires: request.now.plus(request.idp.lifetimes.refresh_token),
    };
    request
        .idp
        .sealer
        .seal(&refresh)
        .ok_or_else(|| Aadsts::Transient.into())
}
