//! `/{tenant}/oauth2/v2.0/authorize` and its v1 form: signs a user in and sends a code back, or
//! tokens.
//!
//! Unless people are to sign in on a page there is none to fill in: whoever `login_hint` names is
//! signed in, or a default user.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::page::{page, posting_page, problem};
use super::{Version, body, reply, trace};
use crate::config::SignInBy;
use crate::directory::tenant::Tenant;
use crate::directory::user::User;
use crate::error::{Aadsts, Refusal, Trace};
use crate::form::Form;
use crate::grant::TokenRequest;
use crate::grant::front_channel::{self, ResponseType, SignedIn};
use crate::idp::Idp;
use crate::origin::Origin;
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
    answer(&idp, &tenant, &parts, form).await
}

pub(super) async fn post(
    State(idp): State<Arc<Idp>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let form = body::form(&parts, body, &idp.limits).await;
    answer(&idp, &tenant, &parts, form).await
}

async fn answer(idp: &Idp, tenant: &str, parts: &Parts, form: Result<Form, Refusal>) -> Response {
    let trace = trace::trace(idp, parts, form.as_ref().ok());
    let addressed = form.and_then(|form| {
        let address = ReturnAddress::read(&form)?;
        let client_id = form.get("client_id").unwrap_or_default();
        idp.settings()
            .directory
            .check_sign_in(client_id, tenant, &address.redirect_uri)?;
        Ok((address, form))
    });
    let response = match addressed {
        Ok((address, form)) => match sign_in(idp, tenant, parts, &form).await {
            Ok(Next::Answer(answer)) => address.send(answer),
            Ok(Next::Page(page)) => page,
            Err(refusal) => address.send(refused(&refusal, &trace)),
        },
        // Without an address that can be trusted the user has to be told.
        Err(refusal) => error_page(&refusal, &trace),
    };
    reply::private(response, &parts.headers, &trace)
}

/// The parameters of an answer, in order.
pub(super) type Answer = Vec<(&'static str, String)>;

/// What follows a request.
enum Next {
    /// The application hears at once.
    Answer(Answer),
    /// Somebody signs in first.
    Page(Response),
}

async fn sign_in(idp: &Idp, tenant: &str, parts: &Parts, form: &Form) -> Result<Next, Refusal> {
    let asked = Asked::read(idp, tenant, form)?;
    if idp.settings().sign_in == SignInBy::Page {
        if form.get("prompt") == Some("none") {
            return Err(Aadsts::NoSession.into());
        }
        return Ok(Next::Page(super::sign_in::ask(idp, parts, tenant, form)?));
    }
    let user = match form.get("login_hint") {
        Some(name) => idp.settings().directory.user(name, asked.tenant)?,
        None => idp.settings().directory.default_user(asked.tenant)?,
    };
    asked.check_consent(idp, &user)?;
    Ok(Next::Answer(asked.answer(idp, parts, form, user).await?))
}

/// What an application asks for.
pub(super) struct Asked {
    pub(super) tenant: Tenant,
    pub(super) client_id: String,
    response: ResponseType,
    scopes: Scopes,
    redirect_uri: String,
    challenge: Option<Challenge>,
}

impl Asked {
    pub(super) fn read(idp: &Idp, tenant: &str, form: &Form) -> Result<Self, Refusal> {
        let tenant = idp.settings().directory.tenant(tenant)?;
        let client_id = form.require("client_id")?;
        let response = ResponseType::parse(form.require("response_type")?)?;
        // Only v1 clients name a resource.
        let scopes = match form.get("resource") {
            Some(resource) => Scopes::of_resource(resource, form.get("scope").unwrap_or_default())?,
            None => Scopes::parse(form.require("scope")?)?,
        };
        Ok(Self {
            tenant,
            client_id: client_id.to_owned(),
            response,
            scopes,
            redirect_uri: form.require("redirect_uri")?.to_owned(),
            challenge: challenge(form)?,
        })
    }

    /// Everything the user has to agree to.
    pub(super) fn permissions(&self) -> Vec<String> {
        let text = self.scopes.to_text();
        text.split(' ').map(str::to_owned).collect()
    }

    /// Refuses what the directory says that nobody consented to.
    pub(super) fn check_consent(&self, idp: &Idp, user: &User) -> Result<(), Refusal> {
        let tenant_id = self.tenant.or_home(user.home_tenant_id);
        idp.settings()
            .directory
            .check_consent(&self.client_id, &self.scopes, tenant_id)
            .map_err(|refusal| match refusal.number() {
                65_001 => refusal.under("consent_required"),
                _ => refusal,
            })
    }

    /// What was asked for, for this user, and what belongs to it.
    pub(super) async fn answer(
        self,
        idp: &Idp,
        parts: &Parts,
        form: &Form,
        user: User,
    ) -> Result<Answer, Refusal> {
        let mut answer = Vec::new();
        if self.response.code {
            answer.push(("code", self.code(idp, form, &user)?));
        }
        if self.response.brings_tokens() {
            let code = answer.first().map(|(_, code)| code.as_str());
            let tokens = self.tokens(idp, parts, form, &user, code).await?;
            answer.extend(tokens);
        }
        if form.get("client_info") == Some("1") {
            answer.push(("client_info", client_info(&user)));
        }
        answer.push(("session_state", idp.ids.uuid().to_string()));
        Ok(answer)
    }

    fn code(&self, idp: &Idp, form: &Form, user: &User) -> Result<String, Refusal> {
        let code = Code {
            id: idp.ids.uuid(),
            client_id: self.client_id.clone(),
            tenant: self.tenant,
            user: user.clone(),
            redirect_uri: self.redirect_uri.clone(),
            scope: self.scopes.to_text(),
            nonce: form.get("nonce").map(str::to_owned),
            challenge: self.challenge.clone(),
            expires: idp.clock.now().plus(idp.settings().lifetimes.code),
        };
        idp.sealer.seal(&code).ok_or(Aadsts::Transient.into())
    }

    async fn tokens(
        &self,
        idp: &Idp,
        parts: &Parts,
        form: &Form,
        user: &User,
        code: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let origin = Origin::of(parts)
            .ok_or_else(|| Refusal::new(Aadsts::Malformed, &["the request names no valid host"]))?;
        let settings = idp.settings();
        let request = TokenRequest {
            idp,
            settings: &settings,
            origin: &origin,
            tenant: self.tenant,
            // Only v1 clients name a resource.
            version: match form.get("resource") {
                Some(_) => Version::V1,
                None => Version::V2,
            },
            form,
            headers: &parts.headers,
            now: idp.clock.now(),
            forgery: None,
        };
        let signed_in = SignedIn {
            client_id: &self.client_id,
            user,
            scopes: &self.scopes,
        };
        front_channel::tokens(&request, self.response, signed_in, code).await
    }
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
pub(super) struct ReturnAddress {
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
    pub(super) fn read(form: &Form) -> Result<Self, Refusal> {
        let redirect_uri = form.get("redirect_uri").ok_or(Aadsts::NoRedirect)?;
        if !is_redirect_uri(redirect_uri) {
            return Err(Refusal::new(Aadsts::InvalidRedirect, &[redirect_uri]));
        }
        // What makes no sense is refused where the rest of the request is read.
        let response = ResponseType::parse(form.get("response_type").unwrap_or_default());
        let brings_tokens = response.is_ok_and(ResponseType::brings_tokens);
        let mode = match form.get("response_mode") {
            None if brings_tokens => ResponseMode::Fragment,
            Some("query") if brings_tokens => {
                return Err(Refusal::new(Aadsts::UnsupportedResponseMode, &["query"]));
            }
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

    pub(super) fn send(self, mut answer: Answer) -> Response {
        answer.extend(self.state.map(|state| ("state", state)));
        let separator = match self.mode {
            ResponseMode::FormPost => return posting_page(&self.redirect_uri, &answer),
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
/// nothing that needs escaping, and no user before the host, which makes another host of what
/// looks like one.
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
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let is_clean = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    is_scheme
        && !runs_code
        && !rest.is_empty()
        && !authority.contains('@')
        && uri.len() <= LONGEST_REDIRECT
        && rest.bytes().all(is_clean)
}

/// The parameters that tell the application of a refusal.
pub(super) fn refused(refusal: &Refusal, trace: &Trace) -> Answer {
    vec![
        ("error", refusal.error().to_owned()),
        ("error_description", refusal.description(trace)),
    ]
}

pub(super) fn error_page(refusal: &Refusal, trace: &Trace) -> Response {
    page(
        refusal.status(),
        "Sorry, but we\u{2019}re having trouble signing you in.",
        &problem(&refusal.description(trace)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_lead_to_places() {
        for uri in [
            "http://localhost:5000/getAToken",
            "https://app.example/cb?x=1",
            "https://app.example/@me?to=a@b.example",
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
            "http://localhost:x@evil.example/callback",
            "https://app.example@evil.example",
        ] {
            assert!(!is_redirect_uri(uri), "{uri}");
        }
    }
}
