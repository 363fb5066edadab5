//! A client proves who it is by a JWT that it signed itself with a certificate's key, or by one
//! that another identity provider issued to it.

mod jwt;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};
use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::jwt::Jwt;
use super::Directory;
use super::closed::{App, Certificate};
use super::tenant::Tenant;
use crate::clock::UnixTime;
use crate::error::{Aadsts, Refusal};
use crate::hosts::{LOOPBACK, is_microsofts};
use crate::origin::{Origin, host_of};

/// The only kind of assertion there is.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What tokens of other identity providers are issued for.
pub(super) const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";

/// How far a client's clock may be off.
const SKEW_SECONDS: u64 = 300;

/// Whom an assertion must be addressed to, and when.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) tenant: Tenant,
    pub(crate) now: UnixTime,
    pub(crate) directory: &'a Directory,
}

/// An assertion that was read, but not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assertion(Jwt);

impl Assertion {
    /// Reads a `client_assertion` of this `client_assertion_type`.
    ///
    /// # Errors
    ///
    /// Another type, or what is no JWT.
    pub(crate) fn read(text: &str, of_type: &str) -> Result<Self, Refusal> {
        if of_type != JWT_BEARER {
            return Err(Refusal::new(
                Aadsts::Malformed,
                &["client_assertion_type is not supported"],
            ));
        }
        Jwt::read(text)
            .map(Self)
            .ok_or_else(|| Aadsts::TokenMalformed.into())
    }

    /// The application that the assertion says it is from.
    pub(crate) fn client_id(&self) -> Option<&str> {
        let claims = &self.0.claims;
        claims.sub.as_deref().filter(|_| !self.is_federated())
    }

    /// Whether another identity provider issued it, rather than the client itself.
    pub(crate) fn is_federated(&self) -> bool {
        let issuer = self.0.claims.iss.as_deref().unwrap_or_default();
        issuer.starts_with("https://") || issuer.starts_with("http://")
    }

    /// Judges the assertion of `client_id`. Where certificates are registered it must be signed
    /// with one of them. In the open directory it is right when the certificate it carries bears
    /// it out; one that only names its certificate is taken at its word there. What another
    /// identity provider issued is never verified, because its keys are elsewhere: only its claims
    /// are compared with the federated credentials registered.
    ///
    /// # Errors
    ///
    /// What Entra says to a wrong audience, time, name or signature.
    pub(crate) fn judge(&self, client_id: &str, recipient: &Recipient<'_>) -> Result<(), Refusal> {
        let app = recipient.directory.app(client_id, recipient.tenant)?;
        if app.is_some_and(App::is_public) {
            return Err(Aadsts::SecretOfPublic.into());
        }
        self.check_time(recipient.now)?;
        if self.is_federated() {
            return self.check_exchange(app);
        }
        self.check_names(client_id)?;
        if !self.0.audiences().iter().any(|aud| recipient.is(aud)) {
            return Err(Aadsts::ClientAssertionAudience.into());
        }
        self.check_signature(app)
    }

    fn check_time(&self, now: UnixTime) -> Result<(), Refusal> {
        let claims = &self.0.claims;
        let expires = claims.exp.ok_or(Aadsts::TokenMalformed)?;
        let now = now.as_seconds();
        let early = claims
            .nbf
            .is_some_and(|from| from > now.saturating_add(SKEW_SECONDS));
        if early || expires.saturating_add(SKEW_SECONDS) <= now {
            return Err(Aadsts::ClientAssertionTime.into());
        }
        Ok(())
    }

    fn check_exchange(&self, app: Option<&App>) -> Result<(), Refusal> {
        let claims = &self.0.claims;
        let (Some(issuer), Some(subject)) = (&claims.iss, &claims.sub) else {
            return Err(Aadsts::TokenMalformed.into());
        };
        let audiences = self.0.audiences();
        if let Some(app) = app {
            return app.check_federated(issuer, subject, audiences);
        }
        let for_exchange = |aud: &String| aud.eq_ignore_ascii_case(TOKEN_EXCHANGE);
        if !audiences.iter().any(for_exchange) {
            let audience = audiences.first().map_or("", String::as_str);
            return Err(Refusal::new(Aadsts::FederatedAudience, &[audience]));
        }
        Ok(())
    }

    fn check_names(&self, client_id: &str) -> Result<(), Refusal> {
        let is_client = |name: &Option<String>| {
            name.as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(client_id))
        };
        if is_client(&self.0.claims.iss) && is_client(&self.0.claims.sub) {
            Ok(())
        } else {
            Err(Aadsts::ClientAssertionName.into())
        }
    }

    fn check_signature(&self, app: Option<&App>) -> Result<(), Refusal> {
        let invalid = |why| Refusal::new(Aadsts::ClientAssertionSignature, &[why]);
        let header = &self.0.header;
        let algorithm: &dyn VerificationAlgorithm = match header.alg.as_str() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            _ => return Err(invalid("The algorithm is neither RS256 nor PS256")),
        };
        let (sha1, sha256) = (header.sha1(), header.sha256());
        if sha1.is_none() && sha256.is_none() {
            return Err(invalid("The key was not found: no thumbprint names it"));
        }
        let is_named = |known: &Certificate| {
            sha1.as_ref().is_none_or(|named| *named == known.sha1)
                && sha256.as_ref().is_none_or(|named| *named == known.sha256)
        };
        let carried = match (app, header.certificate()) {
            // What it carries does not matter where certificates are registered.
            (Some(_), _) => None,
            (None, None) => return Ok(()),
            (None, Some(der)) => Some(Certificate::new(
                der.map_err(|()| invalid("x5c holds no certificate"))?,
            )),
        };
        let candidates = app.map_or(carried.as_slice(), App::certificates);
        let certificate = candidates
            .iter()
            .find(|known| is_named(known))
            .ok_or_else(|| invalid("The key was not found by its thumbprint"))?;
        let certificate = &certificate.der;
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|_| invalid("x5c holds no certificate"))?;
        let key = &certificate.public_key().subject_public_key.data;
        UnparsedPublicKey::new(algorithm, key)
            .verify(self.0.signed.as_bytes(), &self.0.signature)
            .map_err(|_| invalid("The key was found but the signature does not fit it"))
    }
}

impl Recipient<'_> {
    /// Whether an audience names this server and tenant: one of its token endpoints or its issuer,
    /// at any host that this server may stand for.
    fn is(&self, audience: &str) -> bool {
        let Some(rest) = audience.strip_prefix("https://") else {
            return false;
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.to_ascii_lowercase();
        let host = host_of(&authority);
        let is_here = authority == self.origin.authority()
            || host == self.origin.host()
            || LOOPBACK.contains(&host)
            || is_microsofts(host);
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        // A run's documents have its place before the tenant.
        let run = self
            .origin
            .path()
            .trim_start_matches('/')
            .to_ascii_lowercase();
        let in_run = path.strip_prefix(&run);
        let in_run = in_run.and_then(|path| path.strip_prefix('/'));
        let path = in_run.unwrap_or(&path);
        let (tenant, endpoint) = path.split_once('/').unwrap_or((path, ""));
        let endpoints = ["oauth2/v2.0/token", "oauth2/token", "v2.0", ""];
        is_here && self.directory.tenant(tenant) == Ok(self.tenant) && endpoints.contains(&endpoint)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_audience_is_an_endpoint_or_the_issuer_under_any_name_of_the_host() {
        let request = Request::builder().uri("https://localhost:8443/").body(());
        let (parts, ()) = request.unwrap().into_parts();
        let recipient = Recipient {
            origin: &Origin::of(&parts).unwrap(),
            tenant: Tenant::parse("contoso.com").unwrap(),
            now: Clock::system().now(),
            directory: &Directory::Open,
        };
        for audience in [
            "https://localhost:8443/contoso.com/oauth2/v2.0/token",
            "https://LOCALHOST:8443/Contoso.com/oauth2/token/",
            "https://127.0.0.1/contoso.com/v2.0",
            "https://login.microsoftonline.com/contoso.com",
            "https://sts.windows.net/contoso.com/",
            "https://westeurope.login.microsoft.com/contoso.com/oauth2/v2.0/token",
        ] {
            assert!(recipient.is(audience), "{audience}");
        }
        // In a run its documents name its place; the root's name serves there too.
        let request = Request::builder().uri("https://localhost:8443/");
        let request = request.extension(crate::runs::RunPath("/run/one".into()));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let in_run = Recipient {
            origin: &Origin::of(&parts).unwrap(),
            ..recipient
        };
        for (audience, is_it) in [
            (
                "https://localhost:8443/run/one/contoso.com/oauth2/v2.0/token",
                true,
            ),
            ("https://localhost:8443/run/one/contoso.com/v2.0", true),
            ("https://localhost:8443/contoso.com/v2.0", true),
            ("https://localhost:8443/run/two/contoso.com/v2.0", false),
            ("https://localhost:8443/run/one", false),
            ("https://localhost:8443/run/onecontoso.com/v2.0", false),
        ] {
            assert_eq!(in_run.is(audience), is_it, "{audience}");
        }
        for audience in [
            "",
            "api://app",
            "http://localhost:8443/contoso.com/v2.0",
            "https://evil.example/contoso.com/v2.0",
            "https://localhost:8443/fabrikam.com/v2.0",
            "https://localhost:8443/contoso.com/oauth2/v2.0/authorize",
            "https://localhost:8443",
        ] {
            assert!(!recipient.is(audience), "{audience}");
        }
    }
}
