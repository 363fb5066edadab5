//! `/{tenant}/oauth2/v2.0/logout` and its v1 form: signs the user out and sends the browser on.
//!
//! Nobody stays signed in here, so there is no session to end; what counts is where the browser
//! goes next.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};

use super::authorize::is_redirect_uri;
use super::page::{page, problem};
use super::{body, reply, trace};
use crate::directory::Directory;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::idp::Idp;

pub(super) async fn answer(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = if parts.method == Method::POST {
        body::form(&parts, body, &idp.limits).await
    } else {
        Form::parse(parts.uri.query().unwrap_or_default().as_bytes())
    };
    let trace = trace::trace(&idp, &parts, form.as_ref().ok());
    let response = match form.and_then(|form| sign_out(&idp, &form)) {
        Ok(response) => response,
        Err(refusal) => page(
            refusal.status(),
            "Sorry, but we\u{2019}re having trouble signing you out.",
            &problem(&refusal.description(&trace)),
        ),
    };
    reply::private(response, &parts.headers, &trace)
}

fn sign_out(idp: &Idp, form: &Form) -> Result<Response, Refusal> {
    let Some(next) = form.get("post_logout_redirect_uri") else {
        let words = "<p>It\u{2019}s a good idea to close all browser windows.</p>";
        return Ok(page(
            StatusCode::OK,
            "You signed out of your account",
            words,
        ));
    };
    let invalid = || Refusal::new(Aadsts::InvalidRedirect, &[next]);
    if !is_redirect_uri(next) {
        return Err(invalid());
    }
    if let Directory::Closed(_) = idp.settings().directory {
        // Who does not say which application it is has none to be sent back to.
        let client_id = form.get("client_id").unwrap_or_default();
        idp.settings().directory.check_redirect(client_id, next)?;
    }
    let mut location = next.to_owned();
    if let Some(state) = form.get_even_empty("state") {
        let parameters = form_urlencoded::Serializer::new(String::new())
            .append_pair("state", state)
            .finish();
        location.push(if next.contains('?') { '&' } else { '?' });
        location.push_str(&parameters);
    }
    let location = HeaderValue::try_from(location).map_err(|_| invalid())?;
    let mut response = reply::text(StatusCode::FOUND, "");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
