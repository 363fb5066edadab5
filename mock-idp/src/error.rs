//! Refusals as Entra words them: the AADSTS catalogue as data, and the JSON body.
//!
//! `error_description` never needs a JSON escape: `azure_identity` for Rust borrows that string
//! from the body and loses the whole error when it cannot.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aadsts::{self, Known};
use crate::clock::UnixTime;

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u32,
    status: StatusCode,
    /// The OAuth error.
    error: &'static str,
    /// Entra links a page for some codes and not for others.
    error_uri: bool,
    /// What the description says; each `{}` is an argument.
    text: &'static str,
}

/// Declares [`Aadsts`] and its catalogue, one line of facts and one of words for each code.
macro_rules! catalogue {
    ($($name:ident = $number:literal, $status:ident, $error:literal, $uri:literal, $text:literal;)+) => {
        /// The refusals this server knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Aadsts { $($name),+ }

        impl Aadsts {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name),+];

            fn entry(self) -> Entry {
                match self {
                    $(Self::$name => Entry {
                        number: $number,
                        status: StatusCode::$status,
                        error: $error,
                        error_uri: $uri,
                        text: $text,
                    }),+
                }
            }
        }
    };
}

catalogue! {
    // the form of the request
    MissingParameter = 900_144, BAD_REQUEST, "invalid_request", true,
        "The request body must contain the following parameter: '{}'.";
    MissingField = 90_014, BAD_REQUEST, "invalid_request", true,
        "The required field '{}' is missing from the request.";
    Malformed = 9_002_313, BAD_REQUEST, "invalid_request", true,
        "Invalid request. Request is malformed or invalid: {}.";
    BodyTooLarge = 9_002_313, PAYLOAD_TOO_LARGE, "invalid_request", true,
        "Invalid request. The request body is larger than {} bytes.";
    BodyTooSlow = 9_002_313, REQUEST_TIMEOUT, "invalid_request", true,
        "Invalid request. The request body did not arrive in time.";
    DuplicateParameter = 9_000_411, BAD_REQUEST, "invalid_request", true,
        "The request is not properly formatted. The parameter '{}' is duplicated.";
    WrongVerb = 900_561, METHOD_NOT_ALLOWED, "invalid_request", true,
        "The endpoint only accepts {} requests. Received a {} request.";
    ResourceNotSupported = 901_002, BAD_REQUEST, "invalid_request", true,
        "The 'resource' request parameter is not supported.";

    // the tenant
    TenantNotFound = 90_002, BAD_REQUEST, "invalid_request", true,
        "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.";
    NoTenant = 50_059, BAD_REQUEST, "invalid_request", true,
        "No tenant-identifying information found in either the request or implied by any provided credentials.";
    GrantNotForTenant = 9_001_023, BAD_REQUEST, "invalid_request", true,
        "The grant type '{}' is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.";
    InvalidInstance = 50_049, BAD_REQUEST, "invalid_instance", true,
        "Unknown or invalid instance.";

    // the client and its secret
    WrongSecret = 7_000_215, UNAUTHORIZED, "invalid_client", true,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.";
    NoCredential = 7_000_216, UNAUTHORIZED, "invalid_client", true,
        "'client_assertion', 'client_secret' or 'request' is required for the '{}' grant type.";
    CredentialRequired = 7_000_218, UNAUTHORIZED, "invalid_client", true,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";

    TokenMalformed = 50_027, BAD_REQUEST, "invalid_request", true,
        "JWT token is invalid or malformed.";
    ClientAssertionSignature = 700_027, UNAUTHORIZED, "invalid_client", true,
        "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {}.]";
    ClientAssertionTime = 700_024, UNAUTHORIZED, "invalid_client", true,
        "Client assertion is not within its valid time range.";
    ClientAssertionAudience = 700_023, UNAUTHORIZED, "invalid_client", true,
        "Client assertion audience claim does not match Realm issuer.";
    ClientAssertionName = 700_021, UNAUTHORIZED, "invalid_client", true,
        "Client assertion application identifier does not match 'client_id' parameter.";
    FederatedAudience = 700_212, UNAUTHORIZED, "invalid_client", true,
        "No matching federated identity record found for presented assertion audience '{}'.";

    FederatedIssuer = 700_211, UNAUTHORIZED, "invalid_client", true,
        "No matching federated identity record found for presented assertion issuer '{}'.";
    FederatedSubject = 700_213, UNAUTHORIZED, "invalid_client", true,
        "No matching federated identity record found for presented assertion subject '{}'.";
    NoApplication = 700_016, BAD_REQUEST, "unauthorized_client", true,
        "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.";
    NotMultiTenant = 50_194, BAD_REQUEST, "invalid_request", true,
        "Application '{}' is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps. Use a tenant-specific endpoint or configure the application to be multi-tenant.";
    SecretOfPublic = 700_025, UNAUTHORIZED, "invalid_client", true,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";

    // the user and what was consented to
    NoUser = 50_034, BAD_REQUEST, "invalid_grant", true,
        "The user account {} does not exist in the {} directory. To sign into this application, the account must be added to the directory.";
    WrongPassword = 50_126, BAD_REQUEST, "invalid_grant", true,
        "Error validating credentials due to invalid username or password.";
    NoConsent = 65_001, BAD_REQUEST, "invalid_grant", true,
        "The user or administrator has not consented to use the application with ID '{}'. Send an interactive authorization request for this user and resource.";
    UserDeclined = 65_004, BAD_REQUEST, "access_denied", true,
        "User declined to consent to access the app.";
    NoSession = 50_058, BAD_REQUEST, "login_required", true,
        "A silent sign-in request was sent but no user is signed in.";
    NoResource = 500_011, BAD_REQUEST, "invalid_resource", true,
        "The resource principal named {} was not found in the tenant named {}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.";
    UnknownRedirect = 50_011, BAD_REQUEST, "invalid_request", true,
        "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the application '{}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal.";

    // the grant and its scope
    UnsupportedGrant = 70_003, BAD_REQUEST, "unsupported_grant_type", false,
        "The app requested an unsupported grant type '{}'.";
    UnsupportedResponseType = 700_051, BAD_REQUEST, "unsupported_response_type", true,
        "response_type '{}' is not enabled for the application.";
    UnsupportedResponseMode = 70_007, BAD_REQUEST, "invalid_request", true,
        "'{}' is not a supported value of 'response_mode' when requesting a token.";
    InvalidScope = 70_011, BAD_REQUEST, "invalid_scope", true,
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {} is not valid.";
    ScopeNotDefault = 1_002_012, BAD_REQUEST, "invalid_scope", true,
        "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).";
    SeveralResources = 700_022, BAD_REQUEST, "invalid_scope", true,
        "The provided value for the input parameter scope is not valid because it contains more than one resource.";

    // codes, refresh tokens and assertions
    InvalidGrant = 70_000, BAD_REQUEST, "invalid_grant", true,
        "The provided value for the '{}' parameter is not valid: {}.";
    GrantExpired = 70_008, BAD_REQUEST, "invalid_grant", true,
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.";
    RefreshTokenInactive = 700_082, BAD_REQUEST, "invalid_grant", true,
        "The refresh token has expired due to inactivity. The token was issued on {} and was inactive for {}.";
    SinglePageSignInOver = 700_084, BAD_REQUEST, "invalid_grant", true,
        "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of {}, which cannot be extended. It is now expired and a new sign in request must be sent by the SPA to the sign in page. The token was issued on {}.";
    GrantRevoked = 50_173, BAD_REQUEST, "invalid_grant", true,
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.";
    CodeRedeemed = 54_005, BAD_REQUEST, "invalid_grant", true,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.";
    CodeOfOtherTenant = 700_005, BAD_REQUEST, "invalid_grant", true,
        "Provided Authorization Code is intended to use against other tenant, thus rejected.";
    VerifierMismatch = 501_481, BAD_REQUEST, "invalid_grant", true,
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    RedirectMismatch = 500_112, BAD_REQUEST, "invalid_client", true,
        "The reply address '{}' does not match the reply address provided when requesting Authorization code.";
    NoRedirect = 900_971, BAD_REQUEST, "invalid_request", true,
        "No reply address provided.";
    InvalidRedirect = 50_011, BAD_REQUEST, "invalid_request", true,
        "The reply address '{}' specified in the request is not a valid absolute URI without fragment.";
    AssertionInvalid = 50_013, BAD_REQUEST, "invalid_grant", true,
        "Assertion failed signature validation. [Reason - {}.]";
    AssertionOfOtherAudience = 500_131, BAD_REQUEST, "invalid_grant", true,
        "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '{}' and the expected audience is '{}' or one of the Application Uris of this application.";
    AssertionExpired = 500_133, BAD_REQUEST, "invalid_grant", true,
        "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token.";
    AssertionIsIdToken = 240_002, BAD_REQUEST, "invalid_request", true,
        "Input id_token cannot be used as 'urn:ietf:params:oauth:grant-type:jwt-bearer' grant.";
    AssertionIsAppToken = 7_000_114, BAD_REQUEST, "invalid_grant", true,
        "Application '{}' is not allowed to make application on-behalf-of calls.";

    // devices and their users
    DeviceCodePending = 70_016, BAD_REQUEST, "authorization_pending", true,
        "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
    DevicePollsTooOften = 70_016, BAD_REQUEST, "slow_down", true,
        "OAuth 2.0 device flow error. Authorization is pending. Poll less often.";
    BadDeviceCode = 70_018, BAD_REQUEST, "bad_verification_code", true,
        "Invalid verification code. The device code was not issued here.";
    BadUserCode = 70_018, BAD_REQUEST, "invalid_request", true,
        "Invalid verification code due to user typing in wrong user code for device code flow.";
    DeviceCodeExpired = 70_019, BAD_REQUEST, "expired_token", true,
        "Verification code expired. Have the user retry the sign-in.";
    NoUserCode = 90_119, BAD_REQUEST, "invalid_request", true,
        "The user code is null or empty.";
    DeviceCodeDeclined = 90_120, BAD_REQUEST, "authorization_declined", true,
        "The request was already authorized or declined.";

    // the service
    Transient = 90_033, SERVICE_UNAVAILABLE, "temporarily_unavailable", true,
        "A transient error has occurred. Please try again.";
}

/// A request refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: Aadsts,
    arguments: Vec<String>,
    error: Option<&'static str>,
}

impl From<Aadsts> for Refusal {
    fn from(code: Aadsts) -> Self {
        Self {
            code,
            arguments: Vec::new(),
            error: None,
        }
    }
}

impl Refusal {
    /// A refusal whose words name these things, in order. Whatever in them would need an escape
    /// in JSON or HTML is replaced, and what is long is cut.
    pub(crate) fn new(code: Aadsts, arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|text| harmless(text)).collect(),
            ..code.into()
        }
    }

    /// The same code under another OAuth error: a few codes come under two, by endpoint.
    pub(crate) fn under(self, error: &'static str) -> Self {
        Self {
            error: Some(error),
            ..self
        }
    }

    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        self.code.entry().status
    }

    /// The AADSTS number.
    pub(crate) fn number(&self) -> u32 {
        self.code.entry().number
    }

    /// The OAuth error, such as `invalid_grant`.
    pub(crate) fn error(&self) -> &'static str {
        self.error.unwrap_or(self.code.entry().error)
    }

    /// What happened, without a trace.
    pub(crate) fn message(&self) -> String {
        let entry = self.code.entry();
        let mut parts = entry.text.split("{}");
        let mut message = format!("AADSTS{}: ", entry.number);
        message.push_str(parts.next().unwrap_or_default());
        let mut arguments = self.arguments.iter();
        for part in parts {
            message.push_str(arguments.next().map_or("", String::as_str));
            message.push_str(part);
        }
        message
    }

    /// What happened, with the trace at the end.
    pub(crate) fn description(&self, trace: &Trace) -> String {
        trace.describe(&self.message())
    }

    /// The whole error body.
    pub(crate) fn body(&self, trace: &Trace) -> ErrorBody {
        let entry = self.code.entry();
        let known = aadsts::find(entry.number);
        ErrorBody {
            error: self.error(),
            error_description: self.description(trace),
            error_codes: [entry.number],
            timestamp: trace.at.to_text(),
            trace_id: trace.id,
            correlation_id: trace.correlation_id,
            error_uri: entry.error_uri.then(|| error_uri(entry.number)),
            suberror: known.and_then(|known| known.suberror).map(str::to_owned),
            claims: known.and_then(Known::claims),
        }
    }
}

/// The error body of a fault: `known`, unless it is to come with another suberror or with claims.
pub(crate) fn injected(
    known: &Known,
    suberror: Option<String>,
    claims: Option<String>,
    trace: &Trace,
) -> ErrorBody {
    let Known { number, text, .. } = *known;
    ErrorBody {
        error: known.error,
        error_description: trace.describe(&format!("AADSTS{number}: {text}")),
        error_codes: [number],
        timestamp: trace.at.to_text(),
        trace_id: trace.id,
        correlation_id: trace.correlation_id,
        error_uri: known.has_page().then(|| error_uri(number)),
        suberror: suberror.or_else(|| known.suberror.map(str::to_owned)),
        claims: claims.or_else(|| known.claims()),
    }
}

/// Number, status and OAuth error of every entry.
#[cfg(test)]
pub(crate) fn facts() -> impl Iterator<Item = (u32, StatusCode, &'static str)> {
    let entries = Aadsts::ALL.iter().map(|code| code.entry());
    entries.map(|entry| (entry.number, entry.status, entry.error))
}

fn error_uri(number: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={number}")
}

/// How error descriptions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorStyle {
    /// With ids and time after spaces, as Entra writes since 2024. Needs no escape in JSON.
    #[default]
    Spaces,
    /// With each on a line of its own, as Entra wrote before. `azure_identity` for Rust loses such
    /// errors.
    Crlf,
}

/// What ties an answer to its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    /// This answer's id.
    pub(crate) id: Uuid,
    /// The client's id for what it is doing, or one made here.
    pub(crate) correlation_id: Uuid,
    /// When.
    pub(crate) at: UnixTime,
    pub(crate) style: ErrorStyle,
}

impl Trace {
    /// A message with these ids at its end, as Entra's descriptions have them.
    fn describe(&self, message: &str) -> String {
        let Self {
            id,
            correlation_id,
            at,
            style,
        } = self;
        let timestamp = at.to_text();
        let end = match style {
            ErrorStyle::Spaces => " ",
            ErrorStyle::Crlf => "\r\n",
        };
        format!(
            "{message}{end}Trace ID: {id}{end}Correlation ID: {correlation_id}{end}Timestamp: \
             {timestamp}"
        )
    }
}

/// Entra's error body.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: Uuid,
    correlation_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<String>,
    /// A JSON document, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
}

/// Keeps what can stand unescaped in JSON, HTML and a header; the rest becomes `?`.
fn harmless(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || " .:/_-@,=+()~$".contains(c);
    text.chars()
        .take(200)
        .map(|c| if keep(c) { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    fn trace() -> Trace {
        Trace {
            id: Uuid::nil(),
            correlation_id: Uuid::max(),
            at: Clock::system().now(),
            style: ErrorStyle::Spaces,
        }
    }

    #[test]
    fn a_body_has_entras_shape() {
        let body = Refusal::new(Aadsts::WrongSecret, &["my-app"]).body(&trace());
        let body = serde_json::to_value(body).unwrap();
        assert_eq!(body["error"], "invalid_client");
        assert_eq!(body["error_codes"], serde_json::json!([7_000_215]));
        assert_eq!(body["correlation_id"], Uuid::max().to_string());
        assert_eq!(
            body["error_uri"],
            "https://login.microsoftonline.com/error?code=7000215"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with("AADSTS7000215: Invalid client secret"),
            "{description}"
        );
        assert!(
            description.contains("app 'my-app'. Trace ID: 00000000-"),
            "{description}"
        );
    }

    #[test]
    fn entra_links_no_page_for_an_unsupported_grant() {
        let body = Refusal::new(Aadsts::UnsupportedGrant, &["magic"]).body(&trace());
        assert!(
            serde_json::to_value(body)
                .unwrap()
                .get("error_uri")
                .is_none()
        );
    }

    #[test]
    fn no_description_needs_an_escape() {
        let hostile = "\"\\\r\n\u{1}\u{2028}<script>&'\u{e9}";
        for &code in Aadsts::ALL {
            let refusal = Refusal::new(code, &[hostile, hostile]);
            let description = refusal.body(&trace()).error_description;
            let json = serde_json::to_string(&description).unwrap();
            assert_eq!(json.len(), description.len() + 2, "{json}");
            assert!(!description.contains(['<', '{', '}']), "{description}");
        }
    }

    #[test]
    fn the_older_style_puts_each_id_on_a_line_of_its_own() {
        let trace = Trace {
            style: ErrorStyle::Crlf,
            ..trace()
        };
        let description = Refusal::new(Aadsts::WrongSecret, &["app"]).description(&trace);
        let lines: Vec<_> = description.split("\r\n").collect();
        assert_eq!(lines.len(), 4, "{description}");
        for (line, start) in lines.iter().zip([
            "AADSTS7000215: ",
            "Trace ID: ",
            "Correlation ID: ",
            "Timestamp: ",
        ]) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn timestamps_end_in_z_as_entras_do() {
        let later = Trace {
            at: trace().at.plus(Duration::from_secs(1)),
            ..trace()
        };
        let body = Refusal::from(Aadsts::CodeRedeemed).body(&later);
        assert!(body.timestamp.ends_with('Z'), "{}", body.timestamp);
        assert!(body.error_description.ends_with(&body.timestamp));
    }
}
