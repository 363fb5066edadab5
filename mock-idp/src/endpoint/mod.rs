//! The HTTP endpoints: one file each.

mod admin;
mod authorize;
mod body;
mod counted;
mod cross_origin;
mod device_code;
mod discovery;
mod instance;
mod jwks;
mod logout;
pub(crate) mod managed_identity;
mod observe;
mod operator;
mod page;
mod reply;
mod runs;
mod sign_in;
mod token;
mod trace;
mod trouble;
mod user_info;
mod user_realm;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::routing::{any, get, post};
use http::Uri;
use http::uri::PathAndQuery;
use tower::ServiceExt as _;

pub use self::observe::Unpaced;
use self::observe::observer;
use crate::idp::Idp;
use crate::runs::RunDoor;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    /// Tokens too, for the identity of a machine.
    ManagedIdentity,
    Authorize,
    DeviceCode,
    OpenIdConfiguration,
    Jwks,
    InstanceDiscovery,
    Other,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 8] = [
        Self::Token,
        Self::ManagedIdentity,
        Self::Authorize,
        Self::DeviceCode,
        Self::OpenIdConfiguration,
        Self::Jwks,
        Self::InstanceDiscovery,
        Self::Other,
    ];

    /// Whether tokens are asked for here.
    pub(crate) fn gives_tokens(self) -> bool {
        matches!(self, Self::Token | Self::ManagedIdentity)
    }

    /// The name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ManagedIdentity => "managed_identity",
            Self::Authorize => "authorize",
            Self::DeviceCode => "device_code",
            Self::OpenIdConfiguration => "openid_configuration",
            Self::Jwks => "jwks",
            Self::InstanceDiscovery => "instance_discovery",
            Self::Other => "other",
        }
    }
}

/// Which generation of an endpoint was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// The Azure AD endpoints.
    V1,
    /// The Microsoft identity platform endpoints.
    V2,
}

/// All endpoints of an identity provider. A server puts it behind sockets; a test or a run in
/// virtual time may call it as it is.
pub fn router(idp: Arc<Idp>) -> Router {
    let routes = Router::new()
        .merge(token_routes(&idp))
        .merge(authorize_routes(&idp))
        .merge(device_routes(&idp))
        .merge(user_routes(&idp))
        .merge(discovery_routes(&idp))
        .merge(operator_routes(&idp))
        .nest_service("/run", runs::service(Arc::clone(&idp), RunDoor::Entra))
        .with_state(idp);
    // Routes are matched after this, so Entra's tolerance of case and slashes holds for all.
    Router::new().fallback_service(routes.map_request(tolerate))
}

fn token_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    Router::new()
        .route("/{tenant}/oauth2/token", any(token::v1))
        .route("/{tenant}/oauth2/v2.0/token", any(token::v2))
        .layer(observer(idp, Endpoint::Token))
        .layer(from_fn(cross_origin::allow))
        .merge(managed_identity::service_fabric_routes(idp))
}

fn authorize_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    Router::new()
        .route(
            "/{tenant}/oauth2/authorize",
            get(authorize::get).post(authorize::post),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            get(authorize::get).post(authorize::post),
        )
        .route("/{tenant}/login", post(sign_in::login))
        .route("/{tenant}/consent", post(sign_in::consent))
        .layer(observer(idp, Endpoint::Authorize))
}

fn device_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    let page = || get(device_code::ask).post(device_code::decide);
    let codes = Router::new()
        .route("/{tenant}/oauth2/devicecode", post(device_code::v1))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device_code::v2))
        .layer(observer(idp, Endpoint::DeviceCode));
    let pages = Router::new()
        .route("/devicelogin", page())
        .route("/{tenant}/oauth2/deviceauth", page())
        .layer(observer(idp, Endpoint::Other));
    codes.merge(pages)
}

fn user_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    let logout = || get(logout::answer).post(logout::answer);
    let info = || get(user_info::answer).post(user_info::answer);
    let infos = Router::new()
        .route("/oidc/userinfo", info())
        .route("/{tenant}/openid/userinfo", info())
        .layer(from_fn(cross_origin::allow));
    Router::new()
        .route("/{tenant}/userrealm", get(user_realm::by_query))
        .route("/{tenant}/userrealm/{user}", get(user_realm::by_path))
        .route("/{tenant}/oauth2/logout", logout())
        .route("/{tenant}/oauth2/v2.0/logout", logout())
        .merge(infos)
        .layer(observer(idp, Endpoint::Other))
}

fn discovery_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    let documents = Router::new()
        .route(
            "/{tenant}/.well-known/openid-configuration",
            get(discovery::v1),
        )
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(discovery::v2),
        )
        .layer(observer(idp, Endpoint::OpenIdConfiguration));
    let keys = Router::new()
        .route("/{tenant}/discovery/keys", get(jwks::v1))
        .route("/{tenant}/discovery/v2.0/keys", get(jwks::v2))
        .layer(observer(idp, Endpoint::Jwks));
    let instances = Router::new()
        .route("/{tenant}/discovery/instance", get(instance::get))
        .layer(observer(idp, Endpoint::InstanceDiscovery));
    let all = documents.merge(keys).merge(instances);
    all.layer(from_fn(cross_origin::allow))
}

fn operator_routes(idp: &Arc<Idp>) -> Router<Arc<Idp>> {
    Router::new()
        .route("/healthz", get(operator::healthz))
        .route("/metrics", get(operator::metrics))
        .merge(admin::routes(idp))
        .fallback(reply::not_found)
        .layer(observer(idp, Endpoint::Other))
}

/// Entra minds neither the case of a path nor a slash at its end.
fn tolerate(request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() && !path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return request;
    }
    let mut tolerated = trimmed.to_ascii_lowercase();
    if tolerated.is_empty() {
        tolerated.push('/');
    }
    if let Some(query) = request.uri().query() {
        tolerated.push('?');
        tolerated.push_str(query);
    }
    with_path(request, tolerated)
}

/// The same request for another path, with its query if it has one.
fn with_path(mut request: Request, path: String) -> Request {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn case_and_slashes_at_the_end_do_not_matter() {
        for (uri, expected) in [
            (
                "/Common/OAuth2/V2.0/Token/?A=B",
                "/common/oauth2/v2.0/token?A=B",
            ),
            ("/common/x", "/common/x"),
            ("/", "/"),
            ("///", "/"),
            ("https://Host/A/", "https://Host/a"),
        ] {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(tolerate(request).uri().to_string(), expected);
        }
    }
}
