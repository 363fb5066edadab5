//! `/{tenant}/oauth2/v2.0/token` and its v1 form.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};

use super::observe::Asked;
use super::{Version, body, reply, trace};
use crate::behavior::forgery::Forgery;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::grant::{self, TokenRequest, TokenResponse};
use crate::idp::Idp;
use crate::origin::Origin;
use crate::request::RequestContext;

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
    let readable = form.as_ref().ok();
    let context = RequestContext::of_token_request(
        &idp.settings().directory,
        &tenant,
        &parts,
        readable,
        trace.correlation_id,
    );
    let asked = parts.extensions.get::<Asked>().cloned().unwrap_or_default();
    let trouble = asked.leave(&idp, context);
    if let Some(answer) = trouble.answer(|| trace) {
        return reply::private(answer, &parts.headers, &trace);
    }
    let forgery = trouble.forgery();
    let result = decide(version, &idp, &tenant, &parts, form.as_ref(), forgery).await;
    let response = match &result {
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
    reply::private(response, &parts.headers, &trace)
}

async fn decide(
    version: Version,
    idp: &Idp,
    tenant: &str,
    request: &Parts,
    form: Result<&Form, &Refusal>,
    forgery: Option<Forgery>,
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
    let settings = idp.settings();
    let tenant = settings.directory.tenant(tenant)?;
    let token_request = TokenRequest {
        idp,
        settings: &settings,
        origin: &origin,
        tenant,
        version,
        form,
        headers: &request.headers,
        now: idp.clock.now(),
        forgery,
    };
    grant::answer(&token_request).await
}
