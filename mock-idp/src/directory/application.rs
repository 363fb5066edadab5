//! Applications, and how they prove who they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use uuid::Uuid;

use super::assertion::{Assertion, Recipient};
use super::id_of;
use crate::error::{Aadsts, Refusal};
use crate::form::Form;

/// An application that asks for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    /// Its client id, as it was given.
    pub(crate) client_id: String,
    /// How it proved who it is.
    pub(crate) authentication: Authentication,
}

/// How an application proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Authentication {
    /// It did not: a public client.
    Public,
    /// By a client secret.
    Secret,
    /// By an assertion signed with a certificate's key, or one of another identity provider.
    Assertion,
}

impl Authentication {
    /// The value of `azpacr`.
    pub(crate) fn as_claim(self) -> &'static str {
        match self {
            Self::Public => "0",
            Self::Secret => "1",
            Self::Assertion => "2",
        }
    }
}

impl Application {
    /// The application a token request comes from. Its secret is right when it has one at all, its
    /// assertion when it is meant for `recipient` and bears itself out.
    ///
    /// # Errors
    ///
    /// No client id, an empty secret, a wrong assertion, or an `Authorization` header that cannot
    /// be read.
    pub(crate) fn authenticate(
        form: &Form,
        headers: &HeaderMap,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Refusal> {
        if let Some(assertion) = form.get("client_assertion") {
            return Self::by_assertion(form, assertion, recipient);
        }
        let basic = basic_credentials(headers)?;
        let (client_id, secret) = match &basic {
            Some((client_id, secret)) => (client_id.as_str(), Some(secret.as_str())),
            None => (
                form.require("client_id")?,
                form.get_even_empty("client_secret"),
            ),
        };
        let client_id = checked_id(client_id)?;
        let app = recipient.directory.app(client_id, recipient.tenant)?;
        let authentication = match secret {
            None => Authentication::Public,
            Some("") => return Err(Refusal::new(Aadsts::WrongSecret, &[client_id])),
            Some(secret) => {
                app.map_or(Ok(()), |app| app.check_secret(secret))?;
                Authentication::Secret
            }
        };
        Ok(Self {
            client_id: client_id.to_owned(),
            authentication,
        })
    }

    fn by_assertion(
        form: &Form,
        assertion: &str,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Refusal> {
        let assertion = Assertion::read(assertion, form.require("client_assertion_type")?)?;
        let client_id = match form.get("client_id") {
            Some(client_id) => client_id,
            // RFC 7521 lets a client that names itself in its assertion leave it out.
            None => assertion
                .client_id()
                .ok_or_else(|| Refusal::new(Aadsts::MissingParameter, &["client_id"]))?,
        };
        let client_id = checked_id(client_id)?;
        assertion.judge(client_id, recipient)?;
        Ok(Self {
            client_id: client_id.to_owned(),
            authentication: Authentication::Assertion,
        })
    }

    /// The object id of the application's service principal in a tenant.
    pub(crate) fn service_principal_in(&self, tenant_id: Uuid) -> Uuid {
        id_of(
            "service principal",
            &format!("{tenant_id}/{}", self.client_id),
        )
    }

    /// Whether a token for `audience` was made for this application.
    pub(crate) fn is_audience(&self, audience: &str) -> bool {
        let id = audience.strip_prefix("api://").unwrap_or(audience);
        id.eq_ignore_ascii_case(&self.client_id)
    }
}

/// A client id that can be one.
fn checked_id(client_id: &str) -> Result<&str, Refusal> {
    if client_id.is_empty() {
        return Err(Refusal::new(Aadsts::MissingParameter, &["client_id"]));
    }
    if client_id.len() > 128 || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::new(
            Aadsts::Malformed,
            &["client_id is not an application id"],
        ));
    }
    Ok(client_id)
}

/// Client id and secret of a Basic header, which carries both form-encoded.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let malformed = || Refusal::new(Aadsts::Malformed, &["the Authorization header"]);
    let header = header.to_str().map_err(|_| malformed())?;
    let (scheme, credentials) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let credentials = STANDARD
        .decode(credentials.trim())
        .map_err(|_| malformed())?;
    let credentials = String::from_utf8(credentials).map_err(|_| malformed())?;
    let (client_id, secret) = credentials.split_once(':').ok_or_else(malformed)?;
    let form = Form::parse(format!("id={client_id}&secret={secret}").as_bytes())
        .map_err(|_| malformed())?;
    let part = |name| form.get_even_empty(name).unwrap_or_default().to_owned();
    Ok(Some((part("id"), part("secret"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authenticate(body: &str, header: Option<&str>) -> Result<Application, u32> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        let (parts, ()) = http::Request::get("https://localhost/")
            .body(())
            .unwrap()
            .into_parts();
        let recipient = Recipient {
            origin: &crate::origin::Origin::of(&parts).unwrap(),
            tenant: crate::directory::tenant::Tenant::Common,
            now: crate::clock::Clock::system().now(),
            directory: &crate::directory::Directory::Open,
        };
        Application::authenticate(&Form::parse(body.as_bytes()).unwrap(), &headers, &recipient)
            .map_err(|refusal| refusal.number())
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn a_secret_comes_in_the_body_or_in_a_basic_header() {
        let confidential = Application {
            client_id: "app".to_owned(),
            authentication: Authentication::Secret,
        };
        assert_eq!(
            authenticate("client_id=app&client_secret=s", None),
            Ok(confidential.clone())
        );
        assert_eq!(
            authenticate("", Some(&basic("app:s%3A1"))),
            Ok(confidential)
        );
        let public = authenticate("client_id=app", None).unwrap();
        assert_eq!(public.authentication, Authentication::Public);
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for (body, header, code) in [
            ("", None, 900_144),
            ("client_id=", None, 900_144),
            ("client_id=a+b", None, 9_002_313),
            ("client_id=app&client_secret=", None, 7_000_215),
            ("", Some(basic("app:")), 7_000_215),
            ("", Some(basic(":secret")), 900_144),
            ("", Some(basic("app")), 9_002_313),
            ("", Some(basic("app:%zz")), 9_002_313),
            ("", Some("Basic ???".to_owned()), 9_002_313),
            ("", Some("Bearer token".to_owned()), 9_002_313),
        ] {
            assert_eq!(
                authenticate(body, header.as_deref()),
                Err(code),
                "{body} {header:?}"
            );
        }
    }

    #[test]
    fn an_application_is_the_audience_by_id_or_default_uri() {
        let app = authenticate("client_id=App", None).unwrap();
        assert!(app.is_audience("app") && app.is_audience("api://app"));
        assert!(!app.is_audience("api://other") && !app.is_audience("https://app"));
    }
}
