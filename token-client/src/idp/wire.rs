//! The token endpoint's form and JSON, as they go over the wire.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use token_cache::item::TokenType;
use token_cache::{Scopes, Secret, Timestamp};

use super::{Grant, Refusal, RequestError, TokenRequest, TokenResponse};

/// The body of a token request.
pub(super) fn encode(request: &TokenRequest) -> String {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(512));
    form.append_pair("client_id", &request.client_id);
    if let Some(secret) = &request.client_secret {
        form.append_pair("client_secret", secret.expose());
    }
    form.append_pair("scope", request.scopes.target());
    match &request.grant {
        Grant::ClientCredentials => {
            form.append_pair("grant_type", "client_credentials");
        }
        Grant::AuthorizationCode {
            code,
            redirect_uri,
            code_verifier,
        } => {
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", code.expose())
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("client_info", "1");
            if let Some(verifier) = code_verifier {
                form.append_pair("code_verifier", verifier.expose());
            }
        }
        Grant::OnBehalfOf { assertion } => {
            form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
                .append_pair("requested_token_use", "on_behalf_of")
                .append_pair("assertion", assertion.expose())
                .append_pair("client_info", "1");
        }
        Grant::RefreshToken { refresh_token } => {
            form.append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", refresh_token.expose())
                .append_pair("client_info", "1");
        }
        // Not asked at a token endpoint: `HttpIdentityProvider` refuses it.
        Grant::ManagedIdentity { .. } => {}
    }
    if let Some(claims) = &request.claims {
        form.append_pair("claims", claims);
    }
    form.finish()
}

#[derive(Deserialize)]
struct Success {
    access_token: Secret,
    token_type: String,
    #[serde(default, deserialize_with = "maybe_seconds")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_moment")]
    expires_on: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_seconds")]
    ext_expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_seconds")]
    refresh_in: Option<Duration>,
    scope: Option<Scopes>,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
    client_info: Option<std::sync::Arc<str>>,
    foci: Option<std::sync::Arc<str>>,
}

/// What of two an endpoint says of how long its tokens serve. The other is taken
/// where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// `expires_in`: a token endpoint.
    Length,
    /// `expires_on`: a managed identity's.
    End,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u64>,
    suberror: Option<String>,
    claims: Option<String>,
}

/// Whole seconds: a number, or, as managed identity sends them, a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Seconds {
    fn into_duration<E: serde::de::Error>(self) -> Result<Duration, E> {
        match self {
            Self::Number(seconds) => Some(seconds),
            Self::Text(text) => text.parse().ok(),
        }
        .map(Duration::from_secs)
        .ok_or_else(|| E::custom("a lifetime that is no number of seconds"))
    }
}

/// A point in time: seconds since the Unix epoch or, as some managed identities
/// have it, ISO 8601. MSAL.NET reads both.
fn maybe_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let seconds = match Option::<Seconds>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Seconds::Number(seconds)) => i64::try_from(seconds).ok(),
        Some(Seconds::Text(text)) => {
            let iso = |_| text.parse().map(jiff::Timestamp::as_second);
            text.parse::<i64>().or_else(iso).ok()
        }
    };
    seconds
        .filter(|&seconds| seconds >= 0)
        .map(|seconds| Some(Timestamp::from_unix_seconds(seconds)))
        .ok_or_else(|| D::Error::custom("an end that is neither Unix seconds nor ISO 8601"))
}

fn maybe_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<Seconds>::deserialize(deserializer)?
        .map(Seconds::into_duration)
        .transpose()
}

/// Reads the answer to a token request.
pub(super) fn decode(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    lifetime: Lifetime,
) -> Result<TokenResponse, RequestError> {
    if (200..300).contains(&status) {
        // serde's message could quote a token; say what was expected instead.
        let success: Success =
            serde_json::from_slice(body).map_err(|error| RequestError::Protocol {
                status,
                reason: format!(
                    "no token response (line {} column {})",
                    error.line(),
                    error.column()
                ),
                retry_after,
            })?;
        let expires_on = success
            .expires_on
            .filter(|_| lifetime == Lifetime::End || success.expires_in.is_none());
        if success.expires_in.is_none() && expires_on.is_none() {
            return Err(RequestError::Protocol {
                status,
                reason: "a token without a lifetime".to_owned(),
                retry_after,
            });
        }
        return Ok(TokenResponse {
            access_token: success.access_token,
            token_type: TokenType::parse(&success.token_type),
            expires_in: success.expires_in.unwrap_or_default(),
            expires_on,
            ext_expires_in: success.ext_expires_in,
            refresh_in: success.refresh_in,
            scope: success.scope.filter(|scopes| !scopes.is_empty()),
            refresh_token: success.refresh_token,
            id_token: success.id_token,
            client_info: success.client_info,
            family_id: success.foci.filter(|family| !family.is_empty()),
        });
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => Err(RequestError::Refused(Box::new(Refusal {
            status,
            error: failure.error,
            description: failure.error_description,
            codes: failure.error_codes,
            suberror: failure.suberror,
            claims: failure.claims,
            retry_after,
        }))),
        Err(_) => Err(RequestError::Protocol {
            status,
            reason: "a body that is no OAuth error".to_owned(),
            retry_after,
        }),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn request(grant: Grant) -> TokenRequest {
        TokenRequest {
            tenant_id: "tenant".into(),
            client_id: "client".into(),
            client_secret: Some(Secret::new("s&c=ret")),
            grant,
            scopes: Scopes::parse("api://x/.default"),
            claims: None,
            correlation_id: Uuid::nil(),
            telemetry: String::new(),
            token_to_refresh: None,
        }
    }

    #[test]
    fn a_form_escapes_what_it_carries() {
        assert_eq!(
            encode(&request(Grant::ClientCredentials)),
            "client_id=client&client_secret=s%26c%3Dret&scope=api%3A%2F%2Fx%2F.default\
             &grant_type=client_credentials"
        );
    }

    #[test]
    fn an_answer_may_give_its_lifetime_as_number_or_text() {
        for lifetime in ["3599", "\"3599\""] {
            let body = format!(
                r#"{{"access_token":"t","token_type":"Bearer","expires_in":{lifetime},"ext_expires_in":3599}}"#
            );
            let response = decode(200, None, body.as_bytes(), Lifetime::Length).unwrap();
            assert_eq!(response.expires_in, Duration::from_secs(3599));
            assert_eq!(response.refresh_in, None);
        }
    }

    #[test]
    fn an_answer_may_say_when_the_token_ends_as_managed_identities_do() {
        let body = br#"{"access_token":"t","token_type":"Bearer","expires_on":"1795343587"}"#;
        for lifetime in [Lifetime::Length, Lifetime::End] {
            let response = decode(200, None, body, lifetime).unwrap();
            let end = response.expires_on.map(Timestamp::unix_seconds);
            assert_eq!(end, Some(1_795_343_587));
        }
        for (text, expected) in [
            ("1795343587", Some(1_795_343_587)),
            ("2026-11-22T10:33:07Z", Some(1_795_343_587)),
            ("2026-11-22T10:33:07.000Z", Some(1_795_343_587)),
            ("2026-11-22T12:33:07+02:00", Some(1_795_343_587)),
            ("2026-11-22T10:33:07", None),
            ("tomorrow", None),
            ("-5", None),
            ("1910-01-01T00:00:00Z", None),
        ] {
            let body = format!(
                r#"{{"access_token":"hidden","token_type":"Bearer","expires_on":"{text}"}}"#
            );
            let response = decode(200, None, body.as_bytes(), Lifetime::End);
            let end = response
                .as_ref()
                .ok()
                .and_then(|response| response.expires_on);
            assert_eq!(end.map(Timestamp::unix_seconds), expected, "{text}");
            assert!(!format!("{response:?}").contains("hidden"));
        }
        let both = br#"{"access_token":"t","token_type":"Bearer","expires_in":"60","expires_on":1795343587}"#;
        let end = |lifetime| decode(200, None, both, lifetime).unwrap().expires_on;
        assert!(end(Lifetime::End).is_some());
        assert_eq!(
            end(Lifetime::Length),
            None,
            "a token endpoint's length counts"
        );
    }

    #[test]
    fn an_answer_that_is_neither_token_nor_error_is_a_protocol_error() {
        for (status, body) in [
            (200, r#"{"access_token":"hidden"}"#),
            (
                200,
                r#"{"access_token":"hidden","token_type":"Bearer","expires_in":-1}"#,
            ),
            (200, "<html>hidden</html>"),
            (503, "<html>hidden</html>"),
            (302, ""),
        ] {
            let error = decode(status, None, body.as_bytes(), Lifetime::Length).unwrap_err();
            assert_eq!(error.code(), "protocol", "{status} {body}");
            assert!(!format!("{error} {error:?}").contains("hidden"));
        }
    }

    #[test]
    fn an_oauth_error_keeps_its_parts() {
        let body = br#"{"error":"invalid_grant","error_description":"AADSTS50173: x","error_codes":[50173],"suberror":"bad_token"}"#;
        let Err(RequestError::Refused(refusal)) = decode(400, None, body, Lifetime::Length) else {
            panic!("an OAuth error");
        };
        assert_eq!(
            (refusal.codes, refusal.suberror.as_deref()),
            (vec![50173], Some("bad_token"))
        );
    }
}
