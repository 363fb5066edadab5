//! `/{tenant}/oauth2/v2.0/token` and its v1 form.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{Version, body, reply, trace};
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::grant::{self, TokenRequest, TokenResponse};
use crate::idp::Idp;
use crate::origin::Origin;

pub(super) async fn v1(state: State<Arc<Idp>>, tenant: Path<String>, request: Request) -> Response {
    answer(Version::V1, state, tenant, request).await
}

pub(super) async fn v2(state: State<Arc<Idp>>, tenant: Path<String>, request: Request) -> Response {
    answer(Version::V2, state, tenant, request).await
}

async fn answer(
    version: Version,
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    let trace = trace::trace(&idp, &parts, form.as_ref().ok());
    let result = decide(version, &idp, &tenant, &parts, form.as_ref()).await;
    let mut response = match &result {
        Ok(tokens) => reply::json(StatusCode::OK, tokens),
        Err(refusal) => {
            tracing::debug!(
                code = refusal.number(),
                correlation_id = %trace.correlation_id,
                "token request refused"
            );
            reply::refusal(refusal, &trace)
        }
    };
    if let Ok(form) = &form {
        response.extensions_mut().insert(grant::grant_type(form));
    }
    reply::private(response, &parts.headers, &trace)
}

async fn decide(
    version: Version,
    idp: &Idp,
    tenant: &str,
    request: &Parts,
    form: Result<&Form, &Refusal>,
) -> Result<TokenResponse, Refusal> {
    if request.method != Method::POST {
        return Err(Refusal::new(
            Aadsts::WrongVerb,
            &["POST", request.method.as_str()],
        ));
    }
    let form = form.map_err(Clone::clone)?;
    let origin = Origin::of(request)
        .ok_or_else(|| Refusal::new(Aadsts::Malformed, &["the request names no valid host"]))?;
    let tenant = idp.directory.tenant(tenant)?;
    let token_request = TokenRequest {
        idp,
        origin: &origin,
        tenant,
        version,
        form,
        headers: &request.headers,
        now: idp.clock.now(),
    };
    grant::answer(&token_request).await
}
