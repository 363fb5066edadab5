//! The pages on which a person signs in and consents, between an application's request and the
//! answer to it.
//!
//! Nobody stays signed in, so there is no session to abuse. What was asked travels sealed in the
//! page; a cookie ties the page to the browser it was shown in, so that a foreign site cannot post
//! one of its own there and sign somebody in as somebody else.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::authorize::{Asked, ReturnAddress, error_page, refused};
use super::page::{escape, page_on_the_way, problem};
use super::{body, reply, trace};
use crate::error::{Aadsts, Refusal, Trace};
use crate::form::Form;
use crate::idp::Idp;
use crate::origin::Scheme;
use crate::sealed::SignIn;

const BROWSER: &str = "mock-idp-browser";

/// Requests longer than this are not carried through the pages.
const LONGEST_REQUEST: usize = 16 * 1024;

/// Asks who signs in.
pub(super) fn ask(
    idp: &Idp,
    request: &Parts,
    tenant: &str,
    parameters: &Form,
) -> Result<Response, Refusal> {
    let (browser, is_new) = match browser_of(&request.headers) {
        Some(known) => (known.to_owned(), false),
        None => (URL_SAFE_NO_PAD.encode(idp.ids.bytes::<24>()), true),
    };
    let text = parameters.to_text();
    if text.len() > LONGEST_REQUEST {
        return Err(Refusal::new(
            Aadsts::Malformed,
            &["the request is too long"],
        ));
    }
    let flow = SignIn {
        tenant: tenant.to_owned(),
        parameters: text,
        browser: browser.clone(),
        user: None,
        expires: idp.clock.now().plus(idp.settings().lifetimes.code),
    };
    let name = parameters.get("login_hint").unwrap_or_default();
    let mut response = sign_in_page(idp, &flow, StatusCode::OK, name, "")?;
    if is_new {
        let secure = match request.extensions.get() {
            Some(Scheme::Http) => "",
            _ => "; Secure",
        };
        let cookie = format!("{BROWSER}={browser}; Path=/; HttpOnly; SameSite=Lax{secure}");
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

/// Somebody says who signs in.
pub(super) async fn login(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    step(&idp, request, Step::SignIn).await
}

/// Somebody says yes or no to what the application asks for.
pub(super) async fn consent(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    step(&idp, request, Step::Consent).await
}

/// The pages, in their order.
enum Step {
    SignIn,
    Consent,
}

/// What a page posted, and what it was about.
struct Posted<'a> {
    parts: &'a Parts,
    form: &'a Form,
    flow: SignIn,
    asked: Form,
}

async fn step(idp: &Idp, request: Request, step: Step) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    let trace = trace::trace(idp, &parts, form.as_ref().ok());
    let go_on = async {
        let form = &form?;
        let flow = open(idp, form, &parts.headers)?;
        let asked = Form::parse(flow.parameters.as_bytes())?;
        let parts = &parts;
        let posted = Posted {
            parts,
            form,
            flow,
            asked,
        };
        match step {
            Step::SignIn => signed_in(idp, posted, &trace).await,
            Step::Consent => decided(idp, posted, &trace).await,
        }
    };
    let response = go_on
        .await
        .unwrap_or_else(|refusal| error_page(&refusal, &trace));
    reply::private(response, &parts.headers, &trace)
}

/// What a page was about, if it was shown in this browser a little while ago.
fn open(idp: &Idp, form: &Form, headers: &HeaderMap) -> Result<SignIn, Refusal> {
    let flow = form
        .get("flow")
        .and_then(|text| idp.sealer.open::<SignIn>(text))
        .ok_or_else(|| Refusal::new(Aadsts::Malformed, &["the page is none of this server's"]))?;
    let browser = browser_of(headers).unwrap_or_default();
    if verify_slices_are_equal(browser.as_bytes(), flow.browser.as_bytes()).is_err() {
        return Err(Refusal::new(
            Aadsts::Malformed,
            &["the page was shown in another browser, or cookies are off"],
        ));
    }
    if flow.expires <= idp.clock.now() {
        return Err(Refusal::new(
            Aadsts::Malformed,
            &["the page has expired; go back to the application and sign in again"],
        ));
    }
    Ok(flow)
}

/// The browser's mark, if it has one of ours.
fn browser_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == BROWSER)?;
    let is_ours = value.len() == 32
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_ours.then_some(value)
}

async fn signed_in(idp: &Idp, posted: Posted<'_>, trace: &Trace) -> Result<Response, Refusal> {
    let Posted {
        parts,
        form,
        mut flow,
        asked,
    } = posted;
    let address = ReturnAddress::read(&asked)?;
    if form.get("decision") == Some("cancel") {
        return Ok(address.send(refused(&Aadsts::UserDeclined.into(), trace)));
    }
    let request = match Asked::read(idp, &flow.tenant, &asked) {
        Ok(request) => request,
        Err(refusal) => return Ok(address.send(refused(&refusal, trace))),
    };
    let name = form.get("username").unwrap_or_default();
    let found = match name {
        "" => Err(Refusal::new(Aadsts::MissingField, &["username"])),
        name => idp.settings().directory.user(name, request.tenant),
    };
    let user = found.and_then(|user| {
        let password = form.get("password").unwrap_or_default();
        idp.settings().directory.check_password(&user, password)?;
        Ok(user)
    });
    let user = match user {
        Ok(user) => user,
        Err(refusal) => {
            return sign_in_page(idp, &flow, StatusCode::OK, name, &refusal.message());
        }
    };
    if let Err(refusal) = request.check_consent(idp, &user) {
        return Ok(address.send(refused(&refusal, trace)));
    }
    let permissions = request.permissions();
    let asks_anyway = asked.get("prompt") == Some("consent");
    if !asks_anyway
        && idp
            .consents
            .has_given(&user, &request.client_id, &permissions)
    {
        let answer = request.answer(idp, parts, &asked, user).await;
        return Ok(address.send(answer.unwrap_or_else(|refusal| refused(&refusal, trace))));
    }
    flow.user = Some(user);
    consent_page(idp, &flow, &request)
}

async fn decided(idp: &Idp, posted: Posted<'_>, trace: &Trace) -> Result<Response, Refusal> {
    let Posted {
        parts,
        form,
        flow,
        asked,
    } = posted;
    let address = ReturnAddress::read(&asked)?;
    // A sign-in page is no consent page: nobody has signed in on it.
    let Some(user) = flow.user else {
        return Err(Refusal::new(Aadsts::Malformed, &["nobody has signed in"]));
    };
    if form.get("decision") != Some("accept") {
        return Ok(address.send(refused(&Aadsts::UserDeclined.into(), trace)));
    }
    let request = match Asked::read(idp, &flow.tenant, &asked) {
        Ok(request) => request,
        Err(refusal) => return Ok(address.send(refused(&refusal, trace))),
    };
    idp.consents
        .give(&user, &request.client_id, &request.permissions());
    let answer = request.answer(idp, parts, &asked, user).await;
    Ok(address.send(answer.unwrap_or_else(|refusal| refused(&refusal, trace))))
}

fn sign_in_page(
    idp: &Idp,
    flow: &SignIn,
    status: StatusCode,
    name: &str,
    words: &str,
) -> Result<Response, Refusal> {
    let sealed = idp.sealer.seal(flow).ok_or(Aadsts::Transient)?;
    // Whoever is known already only has the password left to type.
    let (first, second) = if name.is_empty() {
        (" autofocus", "")
    } else {
        ("", " autofocus")
    };
    let passwords = if idp.settings().directory.has_passwords() {
        ""
    } else {
        "<p class=\"quiet\">Anyone may sign in here, with any password or none.</p>\n"
    };
    let body = format!(
        "{}<form method=\"post\" action=\"{}/{}/login\">\n\
         <input type=\"hidden\" name=\"flow\" value=\"{sealed}\">\n\
         <label>Email or user name<input name=\"username\" value=\"{}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\"{first}></label>\n\
         <label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\"{second}></label>\n{passwords}\
         <div class=\"buttons\"><button class=\"first\">Sign in</button>\
         <button name=\"decision\" value=\"cancel\">Cancel</button></div></form>",
        problem(words),
        idp.path,
        escape(&flow.tenant),
        escape(name),
    );
    Ok(page_on_the_way(status, "Sign in", &body))
}

fn consent_page(idp: &Idp, flow: &SignIn, request: &Asked) -> Result<Response, Refusal> {
    let sealed = idp.sealer.seal(flow).ok_or(Aadsts::Transient)?;
    let permissions: Vec<_> = request
        .permissions()
        .iter()
        .map(|permission| described(permission))
        .collect();
    let permissions = permissions.join("</li><li>");
    let user = flow.user.as_ref().map_or("", |user| user.name.as_str());
    let body = format!(
        "<p class=\"quiet\">{}</p>\n<p>The application <code>{}</code> would like to:</p>\n\
         <ul><li>{permissions}</li></ul>\n\
         <form method=\"post\" action=\"{}/{}/consent\">\
         <input type=\"hidden\" name=\"flow\" value=\"{sealed}\">\
         <div class=\"buttons\"><button class=\"first\" name=\"decision\" value=\"accept\" \
         autofocus>Accept</button>\
         <button name=\"decision\" value=\"cancel\">Cancel</button></div></form>",
        escape(user),
        escape(&request.client_id),
        idp.path,
        escape(&flow.tenant),
    );
    Ok(page_on_the_way(
        StatusCode::OK,
        "Permissions requested",
        &body,
    ))
}

/// A permission in words; those of services are only named.
fn described(permission: &str) -> String {
    match permission {
        "openid" => "Sign you in".to_owned(),
        "profile" => "View your basic profile".to_owned(),
        "email" => "View your email address".to_owned(),
        "offline_access" => "Maintain access to data you have given it access to".to_owned(),
        other => match other.rsplit_once('/') {
            Some((resource, ".default")) => {
                format!("Use <code>{}</code> as you", escape(resource))
            }
            Some((resource, name)) => {
                format!(
                    "<code>{}</code> at <code>{}</code>",
                    escape(name),
                    escape(resource)
                )
            }
            None => format!("<code>{}</code>", escape(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_ours_are_taken_from_cookies() {
        let mark = "a".repeat(32);
        for (cookies, expected) in [
            (format!("{BROWSER}={mark}"), Some(mark.as_str())),
            (format!("x=1; {BROWSER}={mark}; y=2"), Some(&mark)),
            (format!("{BROWSER}=short"), None),
            (format!("{BROWSER}={}", "\"".repeat(32)), None),
            (format!("not-{BROWSER}={mark}"), None),
            (String::new(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookies.parse().unwrap());
            assert_eq!(browser_of(&headers), expected, "{cookies}");
        }
    }

    #[test]
    fn permissions_are_said_in_words_and_harmlessly() {
        assert_eq!(described("openid"), "Sign you in");
        assert_eq!(
            described("api://service/read"),
            "<code>read</code> at <code>api://service</code>"
        );
        assert!(!described("api://<script>/x").contains("<script>"));
    }
}
