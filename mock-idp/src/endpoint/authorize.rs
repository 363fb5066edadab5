//! `/{tenant}/oauth2/v2.0/authorize` and its v1 form: signs a user in and sends a code back.
//!
//! There is no page to fill in: whoever `login_hint` names is signed in, or a default user.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::page::escape;
use super::{body, reply, trace};
use crate::error::{Aadsts, Refusal, Trace};
use crate::form::Form;
use crate::idp::Idp;
use crate::scope::Scopes;
use crate::sealed::{Challenge, Code};
use crate::token::client_info;

/// Longer than any redirect URI that Entra lets one register.
const LONGEST_REDIRECT: usize = 2048;

pub(super) async fn get(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let form = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
    answer(&idp, &tenant, &parts, form)
}

pub(super) async fn post(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    answer(&idp, &tenant, &parts, form)
}

fn answer(idp: &Idp, tenant: &str, parts: &Parts, form: Result<Form, Refusal>) -> Response {
    let trace = trace::trace(idp, parts, form.as_ref().ok());
    let addressed = form.and_then(|form| {
        let address = ReturnAddress::read(&form)?;
        let client_id = form.get("client_id").unwrap_or_default();
        idp.settings()
            .directory
            .check_redirect(client_id, &address.redirect_uri)?;
        Ok((address, form))
    });
    let response = match addressed {
        Ok((address, form)) => address.send(match sign_in(idp, tenant, &form) {
            Ok(answer) => answer,
            Err(refusal) => error_parameters(&refusal, &trace),
        }),
        // Without an address that can be trusted the user has to be told.
        Err(refusal) => error_page(&refusal, &trace),
    };
    reply::private(response, &parts.headers, &trace)
}

/// The parameters of an answer, in order.
type Answer = Vec<(&'static str, String)>;

/// Signs the user in: the code and what belongs to it.
fn sign_in(idp: &Idp, tenant: &str, form: &Form) -> Result<Answer, Refusal> {
    let tenant = idp.settings().directory.tenant(tenant)?;
    let client_id = form.require("client_id")?;
    let response_type = form.require("response_type")?;
    if response_type != "code" {
        return Err(Refusal::new(
            Aadsts::UnsupportedResponseType,
            &[response_type],
        ));
    }
    // Only v1 clients name a resource.
    let scopes = match form.get("resource") {
        Some(resource) => Scopes::of_resource(resource, form.get("scope").unwrap_or_default())?,
        None => Scopes::parse(form.require("scope")?)?,
    };
    let user = match form.get("login_hint") {
        Some(name) => idp.settings().directory.user(name, tenant)?,
        None => idp.settings().directory.default_user(tenant)?,
    };
    idp.settings()
        .directory
        .check_consent(client_id, &scopes)
        .map_err(|refusal| match refusal.number() {
            65_001 => refusal.under("consent_required"),
            _ => refusal,
        })?;
    let client_info = (form.get("client_info") == Some("1")).then(|| client_info(&user));
    let code = Code {
        id: idp.ids.uuid(),
        client_id: client_id.to_owned(),
        tenant,
        user,
        redirect_uri: form.require("redirect_uri")?.to_owned(),
        scope: scopes.to_text(),
        nonce: form.get("nonce").map(str::to_owned),
        challenge: challenge(form)?,
        expires: idp.clock.now().plus(idp.settings().lifetimes.code),
    };
    let code = idp.sealer.seal(&code).ok_or(Aadsts::Transient)?;
    let mut answer = vec![("code", code)];
    answer.extend(client_info.map(|info| ("client_info", info)));
    answer.push(("session_state", idp.ids.uuid().to_string()));
    Ok(answer)
}

fn challenge(form: &Form) -> Result<Option<Challenge>, Refusal> {
    let Some(challenge) = form.get("code_challenge") else {
        return Ok(None);
    };
    match form.get("code_challenge_method") {
        Some("S256") => Ok(Some(Challenge::S256(challenge.to_owned()))),
        Some("plain") | None => Ok(Some(Challenge::Plain(challenge.to_owned()))),
        Some(_) => Err(Refusal::new(Aadsts::Malformed, &["code_challenge_method"])),
    }
}

/// Where an answer goes, how, and what goes back with it.
struct ReturnAddress {
    redirect_uri: String,
    mode: ResponseMode,
    state: Option<String>,
}

enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl ReturnAddress {
    fn read(form: &Form) -> Result<Self, Refusal> {
        let redirect_uri = form.get("redirect_uri").ok_or(Aadsts::NoRedirect)?;
        if !is_redirect_uri(redirect_uri) {
            return Err(Refusal::new(Aadsts::InvalidRedirect, &[redirect_uri]));
        }
        let mode = match form.get("response_mode") {
            None | Some("query") => ResponseMode::Query,
            Some("fragment") => ResponseMode::Fragment,
            Some("form_post") => ResponseMode::FormPost,
            Some(other) => return Err(Refusal::new(Aadsts::UnsupportedResponseMode, &[other])),
        };
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            mode,
            state: form.get_even_empty("state").map(str::to_owned),
        })
    }

    fn send(self, mut answer: Answer) -> Response {
        answer.extend(self.state.map(|state| ("state", state)));
        let separator = match self.mode {
            ResponseMode::FormPost => return form_post(&self.redirect_uri, &answer),
            ResponseMode::Fragment => '#',
            ResponseMode::Query if self.redirect_uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        let parameters = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer)
            .finish();
        // The address was checked and the parameters are encoded, so this is a header value.
        let location = format!("{}{separator}{parameters}", self.redirect_uri);
        let mut response = reply::text(StatusCode::FOUND, "");
        match HeaderValue::try_from(location) {
            Ok(location) => response.headers_mut().insert(LOCATION, location),
            Err(_) => return reply::text(StatusCode::BAD_REQUEST, "invalid redirect_uri\n"),
        };
        response
    }
}

/// An absolute URI that a browser may be sent to: a scheme that names a place, no fragment,
/// nothing that needs escaping.
pub(super) fn is_redirect_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let runs_code = ["javascript", "data", "vbscript"]
        .iter()
        .any(|dangerous| scheme.eq_ignore_ascii_case(dangerous));
    let is_clean = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    is_scheme
        && !runs_code
        && !rest.is_empty()
        && uri.len() <= LONGEST_REDIRECT
        && rest.bytes().all(is_clean)
}

fn error_parameters(refusal: &Refusal, trace: &Trace) -> Answer {
    vec![
        ("error", refusal.error().to_owned()),
        ("error_description", refusal.description(trace)),
    ]
}

fn error_page(refusal: &Refusal, trace: &Trace) -> Response {
    let description = escape(&refusal.description(trace));
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><title>Sign in to your account</title></head>\
         <body><h1>Sorry, but we\u{2019}re having trouble signing you in.</h1>\
         <p>{description}</p></body></html>\n"
    );
    reply::html(refusal.status(), page)
}

fn form_post(redirect_uri: &str, answer: &Answer) -> Response {
    let mut fields = String::new();
    for (name, value) in answer {
        fields.push_str("<input type=\"hidden\" name=\"");
        fields.push_str(name);
        fields.push_str("\" value=\"");
        fields.push_str(&escape(value));
        fields.push_str("\">");
    }
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><title>Working...</title></head>\
         <body onload=\"document.forms[0].submit()\">\
         <form method=\"POST\" action=\"{}\">{fields}\
         <noscript><button>Continue</button></noscript></form></body></html>\n",
        escape(redirect_uri)
    );
    reply::html(StatusCode::OK, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_lead_to_places() {
        for uri in [
            "http://localhost:5000/getAToken",
            "https://app.example/cb?x=1",
            "msal00000000-0000-0000-0000-000000000042://auth",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert!(is_redirect_uri(uri), "{uri}");
        }
        for uri in [
            "",
            "/relative",
            "https:",
            "javascript:alert(1)",
            "DATA:text/html,x",
            "https://app/#fragment",
            "https://app/\r\nSet-Cookie: x",
            "https://app/\"onload=",
            "1http://app",
        ] {
            assert!(!is_redirect_uri(uri), "{uri}");
        }
    }

    #[test]
    fn pages_escape_what_they_show() {
        let page = form_post(
            "https://app/?a=1&b='",
            &vec![("state", "\"><script>".to_owned())],
        );
        assert_eq!(page.status(), StatusCode::OK);
    }
}
