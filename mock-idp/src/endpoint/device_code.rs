//! `/{tenant}/oauth2/v2.0/devicecode` and its v1 form, and the page for the user's code.
//!
//! The page has no session that a foreign site could abuse: whoever knows the user code may decide,
//! as whom is typed in, and nothing else is taken from the browser.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::page::{escape, page, problem};
use super::{Version, body, reply, trace};
use crate::device_codes::{Decision, INTERVAL};
use crate::directory::tenant::Tenant;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;
use crate::idp::Idp;
use crate::origin::Origin;
use crate::scope::Scopes;
use crate::sealed::Device;

const TITLE: &str = "Enter code to allow access";

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
    let response = match form.and_then(|form| start(version, &idp, &tenant, &parts, &form)) {
        Ok(started) => reply::json(StatusCode::OK, &started),
        Err(refusal) => reply::refusal(&refusal, &trace),
    };
    reply::private(response, &parts.headers, &trace)
}

fn start(
    version: Version,
    idp: &Idp,
    tenant: &str,
    request: &Parts,
    form: &Form,
) -> Result<Value, Refusal> {
    let origin = Origin::of(request)
        .ok_or_else(|| Refusal::new(Aadsts::Malformed, &["the request names no valid host"]))?;
    let tenant = idp.settings().directory.tenant(tenant)?;
    let client_id = form.require("client_id")?;
    idp.settings().directory.app(client_id, tenant)?;
    let scopes = match version {
        Version::V1 => Scopes::of_resource(
            form.require("resource")?,
            form.get("scope").unwrap_or_default(),
        )?,
        Version::V2 => Scopes::parse(form.require("scope")?)?,
    };
    let now = idp.clock.now();
    let lifetime = idp.settings().lifetimes.device_code;
    let expires = now.plus(lifetime);
    let user_code = idp
        .device_codes
        .start(client_id, &idp.ids, now, expires)
        .ok_or(Aadsts::Transient)?;
    let device = Device {
        id: idp.ids.uuid(),
        user_code: user_code.clone(),
        client_id: client_id.to_owned(),
        tenant,
        scope: scopes.to_text(),
        expires,
    };
    let device_code = idp.sealer.seal(&device).ok_or(Aadsts::Transient)?;
    let place = format!("{origin}/devicelogin");
    let message = format!(
        "To sign in, use a web browser to open the page {place} and enter the code {user_code} to authenticate."
    );
    let (lifetime, interval) = (lifetime.as_secs(), INTERVAL.as_secs());
    Ok(match version {
        // Its numbers are text, and its address has another name.
        Version::V1 => json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_url": place,
            "expires_in": lifetime.to_string(),
            "interval": interval.to_string(),
            "message": message,
        }),
        Version::V2 => json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": place,
            "expires_in": lifetime,
            "interval": interval,
            "message": message,
        }),
    })
}

/// The page that asks for the user's code.
pub(super) async fn ask(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let form = Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let code = form
        .get("user_code")
        .or_else(|| form.get("otc"))
        .unwrap_or_default();
    let trace = trace::trace(&idp, &parts, None);
    reply::private(
        entry(&idp, StatusCode::OK, code, ""),
        &parts.headers,
        &trace,
    )
}

/// What the user decided on the page.
pub(super) async fn decide(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    let trace = trace::trace(&idp, &parts, form.as_ref().ok());
    let code = form
        .as_ref()
        .ok()
        .and_then(|form| form.get("user_code"))
        .unwrap_or_default()
        .to_owned();
    let response = match form.and_then(|form| note(&idp, &form)) {
        Ok(page) => page,
        Err(refusal) => entry(&idp, refusal.status(), &code, &refusal.message()),
    };
    reply::private(response, &parts.headers, &trace)
}

fn note(idp: &Idp, form: &Form) -> Result<Response, Refusal> {
    let code = form.get("user_code").ok_or(Aadsts::NoUserCode)?;
    let now = idp.clock.now();
    let client_id = idp
        .device_codes
        .client_of(code, now)
        .ok_or(Aadsts::BadUserCode)?;
    let (decision, words) = if form.get("decision") == Some("decline") {
        (Decision::Declined, "You declined the sign-in to")
    } else {
        let user = match form.get("username") {
            Some(name) => idp.settings().directory.user(name, Tenant::Common)?,
            None => idp.settings().directory.default_user(Tenant::Common)?,
        };
        let password = form.get("password").unwrap_or_default();
        idp.settings().directory.check_password(&user, password)?;
        (
            Decision::Approved(user),
            "You have signed in to the application",
        )
    };
    if !idp.device_codes.decide(code, decision, now) {
        return Err(Aadsts::BadUserCode.into());
    }
    let words = format!(
        "<p>{words} <code>{}</code> on your device. You may now close this window.</p>",
        escape(&client_id)
    );
    Ok(page(StatusCode::OK, "Device sign-in", &words))
}

fn entry(idp: &Idp, status: StatusCode, code: &str, words: &str) -> Response {
    let passwords = if idp.settings().directory.has_passwords() {
        ""
    } else {
        "<p class=\"quiet\">Anyone may sign in here, with any password or none.</p>\n"
    };
    let (first, second) = if code.is_empty() {
        (" autofocus", "")
    } else {
        ("", " autofocus")
    };
    let form = format!(
        "{}<p>Enter the code that your application or device shows. Do not enter codes from \
         sources that you do not trust.</p>\n<form method=\"post\">\n\
         <label>Code<input name=\"user_code\" value=\"{}\" required maxlength=\"20\" \
         autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\"{first}></label>\n\
         <label>Email or user name<input name=\"username\" placeholder=\"user@contoso.com\" \
         autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\"{second}></label>\n\
         <label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\"></label>\n{passwords}\
         <div class=\"buttons\"><button class=\"first\" name=\"decision\" value=\"approve\">Continue</button>\
         <button name=\"decision\" value=\"decline\">Cancel</button></div></form>",
        problem(words),
        escape(code)
    );
    page(status, TITLE, &form)
}
