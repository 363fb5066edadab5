//! What a machine in Azure finds at its link-local address: tokens for the identity that the
//! machine has, without a credential. Served on a listener of its own, over plain HTTP.
//!
//! Every host environment has its own way to ask; each is in a file. All answer alike, and with
//! numbers as text: `azure_identity` for Rust insists, and nobody minds.

mod app_service;
mod arc;
mod cloud_shell;
mod imds;
mod service_fabric;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) use self::arc::ArcKeys;
use super::observe::{Asked, observer};
use super::{Endpoint, Version, reply, runs, tolerate, trace};
use crate::directory::application::{Application, Authentication};
use crate::directory::id_of;
use crate::form::Form;
use crate::idp::Idp;
use crate::issuer::issuer;
use crate::ledger::{GrantType, TokenIdentity};
use crate::metrics::TokenKind;
use crate::origin::Origin;
use crate::request::RequestContext;
use crate::runs::RunDoor;
use crate::scope::Scopes;
use crate::token::{Draft, Issue, Validity};

/// All endpoints of a machine, without sockets.
pub fn router(idp: Arc<Idp>) -> Router {
    let tokens = Router::new()
        .route("/metadata/identity/oauth2/token", get(imds::token))
        .route("/arc/metadata/identity/oauth2/token", get(arc::token))
        .route("/msi/token", get(app_service::token))
        .route("/oauth2/token", post(cloud_shell::token))
        .layer(observer(&idp, Endpoint::ManagedIdentity));
    let others = Router::new()
        .route("/metadata/instance", get(imds::instance))
        .route("/metadata/instance/compute", get(imds::compute))
        .route("/metadata/instance/compute/location", get(imds::location))
        .fallback(reply::not_found)
        .layer(observer(&idp, Endpoint::Other));
    let runs = runs::service(Arc::clone(&idp), RunDoor::Machine);
    let routes = tokens
        .merge(others)
        .nest_service("/run", runs)
        .with_state(idp);
    Router::new().fallback_service(routes.map_request(tolerate))
}

/// The endpoint that is served beside Entra's own, because it must be HTTPS.
pub(super) fn service_fabric_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    Router::new()
        .route(
            "/metadata/identity/oauth2/token",
            get(service_fabric::token),
        )
        .layer(observer(idp, Endpoint::ManagedIdentity))
}

/// A refusal, as machines hear it.
struct Refused {
    status: StatusCode,
    error: &'static str,
    description: String,
    /// How the caller is to prove itself.
    challenge: Option<HeaderValue>,
    /// Whether it is told in Service Fabric's way.
    fabric: bool,
}

impl Refused {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            challenge: None,
            fabric: false,
        }
    }

    fn request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn into_response(self) -> Response {
        let body = if self.fabric {
            json!({ "error": { "code": self.error, "message": self.description } })
        } else {
            json!({ "error": self.error, "error_description": self.description })
        };
        let mut response = reply::json(self.status, &body);
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A token for a machine's identity. No `Debug`: it is a secret.
#[derive(Serialize)]
struct Granted {
    access_token: String,
    client_id: String,
    expires_in: String,
    expires_on: String,
    ext_expires_in: String,
    not_before: String,
    resource: String,
    token_type: &'static str,
}

/// Answers a token request with these parameters, if they could be read: as throttles and faults
/// have it, or else as `decide` does. Counted as a token request, whatever came of it.
async fn answer(
    idp: &Idp,
    request: &Parts,
    form: Option<&Form>,
    decide: impl Future<Output = Result<Granted, Refused>>,
) -> Response {
    let trace = trace::trace(idp, request, form);
    let client_id = form.and_then(|form| client_id(form).ok());
    let directory = &idp.settings().directory;
    let context = RequestContext::of_machine_request(
        directory,
        client_id.as_deref().unwrap_or_default(),
        request,
        form,
        trace.correlation_id,
    );
    let asked = request
        .extensions
        .get::<Asked>()
        .cloned()
        .unwrap_or_default();
    if let Some(answer) = asked.leave(idp, context).answer(|| trace) {
        return answer;
    }
    match decide.await {
        Ok(granted) => reply::json(StatusCode::OK, &granted),
        Err(refused) => refused.into_response(),
    }
}

/// The parameters in a request's query, if it can be read.
fn query(request: &Parts) -> Option<Form> {
    Form::parse(request.uri.query().unwrap_or_default().as_bytes()).ok()
}

fn readable(form: Option<&Form>) -> Result<&Form, Refused> {
    form.ok_or_else(|| Refused::request("The parameters are malformed."))
}

fn require<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refused> {
    form.get(name)
        .ok_or_else(|| Refused::request(format!("Required query variable '{name}' is missing")))
}

/// Refuses what did not mean to come here: a browser or a proxy that was led to this address sets
/// no such header.
fn require_metadata(request: &Parts) -> Result<(), Refused> {
    let is_true = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"true");
    if !request.headers.get("metadata").is_some_and(is_true) {
        return Err(Refused::request("Required metadata header not specified"));
    }
    if request.headers.contains_key("x-forwarded-for") {
        return Err(Refused::request("Requests must not be forwarded"));
    }
    Ok(())
}

/// The client id of the identity a request asks for: the user-assigned one that it names, by
/// whichever of its names, or the machine's own.
fn client_id(form: &Form) -> Result<String, Refused> {
    const OTHER_NAMES: [&str; 4] = ["object_id", "principal_id", "msi_res_id", "mi_res_id"];
    for name in ["client_id", "clientid"] {
        if let Some(id) = form.get(name) {
            return Uuid::try_parse(id)
                .map(|id| id.to_string())
                .map_err(|_| Refused::request("Identity not found"));
        }
    }
    let named = OTHER_NAMES.iter().find_map(|name| form.get(name));
    Ok(id_of("managed identity", named.unwrap_or("system")).to_string())
}

/// Issues a token for the resource and identity that `form` names.
async fn grant(idp: &Idp, request: &Parts, form: &Form) -> Result<Granted, Refused> {
    let resource = require(form, "resource")?;
    let scopes = Scopes::of_resource(resource, "").map_err(|_| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            "invalid_resource",
            "AADSTS500011: The resource principal was not found.",
        )
    })?;
    let origin = match idp.own_origin.get() {
        Some(origin) => origin.clone(),
        None => Origin::of(request)
            .ok_or_else(|| Refused::request("The request names no valid host"))?,
    };
    let application = Application {
        client_id: client_id(form)?,
        authentication: Authentication::Assertion,
    };
    let settings = idp.settings();
    let policy = settings.policy(&application.client_id, &scopes);
    let lifetime = policy
        .and_then(|policy| policy.expires_in)
        .unwrap_or(settings.lifetimes.managed_identity);
    let now = idp.clock.now();
    let asked = request.extensions.get::<Asked>();
    let forgery = asked.and_then(Asked::forgery);
    let tenant_id = settings.directory.tenant_of_machines();
    let validity = Validity::new(now, lifetime);
    let issue = Issue {
        issuer: issuer(settings.issuer, Version::V1, &origin, tenant_id),
        tenant_id,
        application: &application,
        scopes: &scopes,
        audience: settings.directory.audience(Version::V1, &scopes),
        validity,
        roles: Vec::new(),
        groups: &[],
    };
    let draft = Draft::for_application(Version::V1, &issue, policy, &idp.ids).forged(forgery);
    let access_token = idp
        .keys
        .sign(&draft, tenant_id, now)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "token not signed");
            Refused::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "A transient error has occurred. Please try again.",
            )
        })?;
    let identity = TokenIdentity {
        client_id: &application.client_id,
        tenant_id,
        subject: None,
        assertion: None,
        scopes: &scopes.identity(),
    };
    let bypasses_caches =
        form.get("bypass_cache").is_some() || form.get("token_sha256_to_refresh").is_some();
    let ends = match forgery {
        Some(forgery) if !forgery.is_worth_keeping() => now,
        _ => now.plus(lifetime).whole_seconds(),
    };
    idp.metrics.issued(TokenKind::AppAccess, access_token.len());
    let grant = GrantType::ManagedIdentity;
    idp.ledger
        .issued(grant, &identity, now, ends, bypasses_caches);
    Ok(Granted {
        access_token,
        client_id: application.client_id.clone(),
        expires_in: lifetime.as_secs().to_string(),
        expires_on: validity.until().to_string(),
        ext_expires_in: lifetime.as_secs().to_string(),
        not_before: validity.from().to_string(),
        resource: resource.to_owned(),
        token_type: "Bearer",
    })
}

/// The headers of a request whose body does not matter.
fn head(request: Request) -> Parts {
    request.into_parts().0
}
