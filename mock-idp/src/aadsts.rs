//! The errors Entra is known to answer with, as data: what a fault of that number looks like.
//!
//! Refusals that this server decides on itself are in `error`; a test keeps the two in agreement.

use http::StatusCode;

/// An error of Entra's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) number: u32,
    pub(crate) status: StatusCode,
    /// The OAuth error.
    pub(crate) error: &'static str,
    /// What clients look at to choose between asking the user and giving up.
    pub(crate) suberror: Option<&'static str>,
    /// What the description says.
    pub(crate) text: &'static str,
}

/// The policy that a claims challenge names.
const POLICY: &str = "00000000-0000-0000-0000-00000000ca01";

impl Known {
    /// The claims that the next sign-in has to bring: of errors that the user can do something
    /// about.
    pub(crate) fn claims(&self) -> Option<String> {
        let is_challenge = self.suberror == Some("basic_action");
        is_challenge.then(|| {
            format!(
                r#"{{"access_token":{{"capolids":{{"essential":true,"values":["{POLICY}"]}}}}}}"#
            )
        })
    }

    /// Whether Entra links a page about it.
    pub(crate) fn has_page(&self) -> bool {
        !matches!(self.number, 70_003 | 700_038)
    }
}

/// The error of this number.
pub(crate) fn find(number: u32) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.number == number)
}

macro_rules! known {
    ($($number:literal $status:ident $error:literal $(/ $suberror:literal)? $text:literal;)+) => {
        &[$(Known {
            number: $number,
            status: StatusCode::$status,
            error: $error,
            suberror: known!(@suberror $($suberror)?),
            text: $text,
        }),+]
    };
    (@suberror) => { None };
    (@suberror $suberror:literal) => { Some($suberror) };
}

/// In the order of their groups.
static KNOWN: &[Known] = known! {
    // who the client is
    7_000_215 UNAUTHORIZED "invalid_client" "Invalid client secret provided.";
    7_000_222 UNAUTHORIZED "invalid_client" "The provided client secret keys for the app are expired.";
    700_016 BAD_REQUEST "unauthorized_client" "The application was not found in the directory.";
    700_038 BAD_REQUEST "unauthorized_client" "The value given is not a valid application identifier.";
    700_027 UNAUTHORIZED "invalid_client" "The certificate with identifier used to sign the client assertion is not registered on application.";
    700_024 UNAUTHORIZED "invalid_client" "Client assertion is not within its valid time range.";
    700_023 UNAUTHORIZED "invalid_client" "Client assertion audience claim does not match Realm issuer.";
    7_000_214 UNAUTHORIZED "invalid_client" "The certificate is not registered on the application.";
    7_000_216 UNAUTHORIZED "invalid_client" "'client_assertion', 'client_secret' or 'request' is required for this grant type.";
    7_000_218 UNAUTHORIZED "invalid_client" "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    700_025 UNAUTHORIZED "invalid_client" "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";
    7_000_274 UNAUTHORIZED "invalid_client" "The certificate used to sign the client assertion is not valid for the application.";
    7_000_277 UNAUTHORIZED "invalid_client" "The certificate used to sign the client assertion is revoked.";
    1_000_502 UNAUTHORIZED "invalid_client" "The provided certificate is not within its specified validity window.";
    700_213 UNAUTHORIZED "invalid_client" "No matching federated identity record found for presented assertion subject.";
    700_211 UNAUTHORIZED "invalid_client" "No matching federated identity record found for presented assertion issuer.";
    700_212 UNAUTHORIZED "invalid_client" "No matching federated identity record found for presented assertion audience.";
    50_027 BAD_REQUEST "invalid_request" "JWT token is invalid or malformed.";
    700_021 UNAUTHORIZED "invalid_client" "Client assertion application identifier does not match 'client_id' parameter.";
    7_000_112 UNAUTHORIZED "unauthorized_client" "The application is disabled.";

    // the form of the request
    90_002 BAD_REQUEST "invalid_request" "The tenant was not found.";
    900_144 BAD_REQUEST "invalid_request" "The request body lacks a required parameter.";
    90_014 BAD_REQUEST "invalid_request" "A required field is missing from the request.";
    90_013 BAD_REQUEST "invalid_request" "Invalid input received from the user.";
    9_002_313 BAD_REQUEST "invalid_request" "Invalid request. Request is malformed or invalid.";
    9_001_023 BAD_REQUEST "invalid_request" "The grant type is not supported over the /common or /consumers endpoints.";
    900_561 METHOD_NOT_ALLOWED "invalid_request" "The endpoint only accepts POST requests.";
    901_002 BAD_REQUEST "invalid_request" "The 'resource' request parameter is not supported.";

    9_000_411 BAD_REQUEST "invalid_request" "The request is not properly formatted. A parameter is duplicated.";
    900_971 BAD_REQUEST "invalid_request" "No reply address provided.";
    50_059 BAD_REQUEST "invalid_request" "No tenant-identifying information found in either the request or implied by any provided credentials.";
    50_194 BAD_REQUEST "invalid_request" "The application is not configured as a multi-tenant application.";
    700_051 BAD_REQUEST "unsupported_response_type" "The response_type is not enabled for the application.";
    70_007 BAD_REQUEST "invalid_request" "The response_mode is not a supported value when requesting a token.";
    70_003 BAD_REQUEST "unsupported_grant_type" "The app requested an unsupported grant type.";

    // scopes, resources and consent
    70_011 BAD_REQUEST "invalid_scope" "The provided value for the input parameter 'scope' is not valid.";
    1_002_012 BAD_REQUEST "invalid_scope" "Client credential flows must have a scope value with /.default suffixed to the resource identifier.";
    500_011 BAD_REQUEST "invalid_resource" "The resource principal was not found in the tenant.";
    501_051 BAD_REQUEST "invalid_grant" "The application is not assigned to a role for the resource.";
    650_052 BAD_REQUEST "invalid_client" "The app is trying to access a service that your organization lacks a service principal for.";
    650_056 BAD_REQUEST "invalid_client" "Misconfigured application: no permission to the resource is configured.";
    650_057 BAD_REQUEST "invalid_resource" "The resource is not listed in the requested permissions of the application.";
    65_001 BAD_REQUEST "invalid_grant" / "consent_required" "The user or administrator has not consented to use the application.";
    65_004 BAD_REQUEST "access_denied" "User declined to consent to access the app.";
    90_094 BAD_REQUEST "invalid_grant" "An administrator of the tenant has to consent.";
    28_002 BAD_REQUEST "invalid_scope" "Provided value for the input parameter scope is not valid when requesting an access token.";
    28_003 BAD_REQUEST "invalid_scope" "Provided value for the input parameter scope cannot be empty when requesting an access token.";
    700_022 BAD_REQUEST "invalid_scope" "The provided value for the input parameter scope contains more than one resource.";

    // codes, refresh tokens and assertions
    54_005 BAD_REQUEST "invalid_grant" "OAuth2 Authorization code was already redeemed.";
    70_000 BAD_REQUEST "invalid_grant" "The provided grant is not valid.";
    70_008 BAD_REQUEST "invalid_grant" "The provided authorization code or refresh token has expired.";
    700_082 BAD_REQUEST "invalid_grant" "The refresh token has expired due to inactivity.";
    700_084 BAD_REQUEST "invalid_grant" "The refresh token was issued to a single page app and has a fixed lifetime that is over.";
    70_043 BAD_REQUEST "invalid_grant" / "token_expired" "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.";
    50_173 BAD_REQUEST "invalid_grant" / "bad_token" "The provided grant has expired due to it being revoked, a fresh auth token is needed.";
    50_089 BAD_REQUEST "invalid_grant" "Authentication failed due to an expired flow token.";
    50_013 BAD_REQUEST "invalid_grant" "Assertion failed signature validation.";
    500_133 BAD_REQUEST "invalid_grant" "Assertion is not within its valid time range.";
    500_131 BAD_REQUEST "invalid_grant" "Assertion audience does not match the Client app presenting the assertion.";
    240_002 BAD_REQUEST "invalid_request" "Input id_token cannot be used as 'urn:ietf:params:oauth:grant-type:jwt-bearer' grant.";
    7_000_114 BAD_REQUEST "invalid_grant" "The application is not allowed to make on-behalf-of calls.";
    700_005 BAD_REQUEST "invalid_grant" "Provided Authorization Code is intended to use against other tenant, thus rejected.";
    501_481 BAD_REQUEST "invalid_grant" "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    500_112 BAD_REQUEST "invalid_client" "The reply address does not match the one provided when requesting Authorization code.";
    50_011 BAD_REQUEST "invalid_request" "The redirect URI specified in the request does not match those of the application.";

    // conditional access
    530_032 BAD_REQUEST "invalid_grant" / "message_only" "Access has been blocked by conditional access policies.";
    53_000 BAD_REQUEST "interaction_required" / "message_only" "Device is not in required device state: compliant.";
    53_001 BAD_REQUEST "interaction_required" / "message_only" "Device is not in required device state: domain_joined.";
    53_002 BAD_REQUEST "interaction_required" / "message_only" "The app used is not an approved app for conditional access.";
    53_003 BAD_REQUEST "invalid_grant" / "message_only" "Access has been blocked by conditional access policies.";
    53_004 BAD_REQUEST "interaction_required" / "message_only" "User needs to complete multi-factor registration before accessing this content.";

    // the user
    50_034 BAD_REQUEST "invalid_grant" "The user account does not exist in the directory.";
    50_126 BAD_REQUEST "invalid_grant" "Error validating credentials due to invalid username or password.";
    50_055 BAD_REQUEST "invalid_grant" / "user_password_expired" "The password is expired.";
    50_057 BAD_REQUEST "invalid_grant" "The user account is disabled.";
    50_053 BAD_REQUEST "invalid_grant" "The account is locked, too many attempts to sign in.";
    50_058 BAD_REQUEST "login_required" "A silent sign-in request was sent but no user is signed in.";
    50_072 BAD_REQUEST "interaction_required" / "basic_action" "You must enroll in multi-factor authentication to access the resource.";
    50_074 BAD_REQUEST "interaction_required" / "basic_action" "Strong authentication is required.";
    50_076 BAD_REQUEST "interaction_required" / "basic_action" "You must use multi-factor authentication to access the resource.";
    50_078 BAD_REQUEST "interaction_required" / "basic_action" "Presented multi-factor authentication has expired, you must refresh it.";
    50_079 BAD_REQUEST "interaction_required" / "basic_action" "You must enroll in multi-factor authentication to access the resource.";
    50_105 BAD_REQUEST "invalid_grant" "The signed in user is not assigned to a role for the application.";
    50_132 BAD_REQUEST "invalid_grant" / "bad_token" "The session is not valid due to password expiration or recent password change.";
    50_133 BAD_REQUEST "invalid_grant" / "bad_token" "The session is not valid due to expiration or recent password change.";
    16_000 BAD_REQUEST "interaction_required" "Either multiple user identities are available for the current request or selected account is not supported.";
    51_004 BAD_REQUEST "invalid_grant" "The user account does not exist in the tenant.";

    // device codes
    70_016 BAD_REQUEST "authorization_pending" "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
    70_018 BAD_REQUEST "bad_verification_code" "Bad verification code received.";
    70_019 BAD_REQUEST "expired_token" "Verification code expired.";
    70_020 BAD_REQUEST "expired_token" "The provided value for the input parameter device_code is expired.";
    90_119 BAD_REQUEST "invalid_request" "The user code is null or empty.";
    90_120 BAD_REQUEST "authorization_declined" "The request was already authorized or declined.";

    // the service
    90_033 SERVICE_UNAVAILABLE "temporarily_unavailable" "A transient error has occurred. Please try again.";
    90_024 SERVICE_UNAVAILABLE "temporarily_unavailable" "A request budget was exceeded. Please try again.";
    90_012 SERVICE_UNAVAILABLE "temporarily_unavailable" "The request has timed out.";
    90_006 SERVICE_UNAVAILABLE "temporarily_unavailable" "An external server error is retryable.";
    50_033 SERVICE_UNAVAILABLE "temporarily_unavailable" "A transient error has occurred. Please try again.";
    90_055 TOO_MANY_REQUESTS "temporarily_unavailable" "The tenant is throttled due to excessive requests.";
    50_196 BAD_REQUEST "invalid_grant" "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.";
    50_049 BAD_REQUEST "invalid_instance" "Unknown or invalid instance.";
    50_050 BAD_REQUEST "invalid_request" "The request is malformed.";
    90_051 BAD_REQUEST "invalid_request" "Invalid national cloud identifier.";
    500_021 FORBIDDEN "access_denied" "Access to the tenant is denied.";
    100_007 BAD_REQUEST "invalid_request" "Only managed identities and Microsoft internal service identities are supported by the regional endpoint.";
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::facts;

    #[test]
    fn each_number_stands_once_and_needs_no_escape() {
        for (place, known) in KNOWN.iter().enumerate() {
            let others = &KNOWN[..place];
            assert!(
                others.iter().all(|other| other.number != known.number),
                "{known:?}"
            );
            assert!(!known.text.contains(['"', '\\', '\n']), "{known:?}");
            assert!(known.status.as_u16() >= 400);
        }
    }

    #[test]
    fn what_this_server_refuses_by_itself_agrees() {
        for known in KNOWN {
            let own: Vec<_> = facts()
                .filter(|(number, ..)| *number == known.number)
                .collect();
            let agrees = own
                .iter()
                .any(|&(_, status, error)| (status, error) == (known.status, known.error));
            assert!(own.is_empty() || agrees, "{known:?} and {own:?}");
        }
    }

    /// The table of `entra-wire`, section 3.2, by its groups.
    const TABLE: &str = "
        7000215 7000222 700016 700038 700027 700024 700023 7000214 7000216 7000218 700025 7000274
        7000277 700213 700211 700212 90002 900144 90014 90013 9002313 9001023 900561 901002
        70011 1002012 500011 501051 650052 650056 650057 65001 65004 90094 28002 28003 700022
        54005 70000 70008 700082 700084 70043 50173 50089 50013 500133 500131 240002 7000114 700005
        501481 500112 50011 7000112 530032 53000 53001 53002 53003 53004
        50034 50126 50055 50057 50053 50058 50076 50079 50074 50078 50072 50105 50132 50133 16000
        51004 70016 70018 70019 70020 90119 90120
        90033 90024 90012 90006 50033 90055 50196 50049 50050 90051 500021 100007 1000502 70003";

    /// Others of Entra's, in the order they stand here.
    const BESIDE: [u32; 8] = [
        50_027, 700_021, 9_000_411, 900_971, 50_059, 50_194, 700_051, 70_007,
    ];

    #[test]
    fn every_code_of_the_table_is_there() {
        let missing: Vec<_> = TABLE
            .split_whitespace()
            .filter(|number| find(number.parse().unwrap()).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        let beside: Vec<_> = KNOWN
            .iter()
            .map(|known| known.number)
            .filter(|number| !TABLE.split_whitespace().any(|of| of == number.to_string()))
            .collect();
        assert_eq!(beside, BESIDE);
    }

    #[test]
    fn whatever_this_server_refuses_by_itself_a_fault_can_refuse() {
        let missing: Vec<_> = facts()
            .filter(|(number, ..)| find(*number).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// What was captured from Entra, and what clients decide by.
    #[test]
    fn errors_come_as_they_were_captured() {
        for (number, status, error, suberror, has_claims, has_page) in [
            (7_000_215, 401, "invalid_client", None, false, true),
            (500_011, 400, "invalid_resource", None, false, true),
            (700_038, 400, "unauthorized_client", None, false, false),
            (70_003, 400, "unsupported_grant_type", None, false, false),
            (
                50_076,
                400,
                "interaction_required",
                Some("basic_action"),
                true,
                true,
            ),
            (
                50_079,
                400,
                "interaction_required",
                Some("basic_action"),
                true,
                true,
            ),
            (
                53_003,
                400,
                "invalid_grant",
                Some("message_only"),
                false,
                true,
            ),
            (
                50_055,
                400,
                "invalid_grant",
                Some("user_password_expired"),
                false,
                true,
            ),
            (
                65_001,
                400,
                "invalid_grant",
                Some("consent_required"),
                false,
                true,
            ),
            (50_173, 400, "invalid_grant", Some("bad_token"), false, true),
            (70_016, 400, "authorization_pending", None, false, true),
            (70_019, 400, "expired_token", None, false, true),
            (90_033, 503, "temporarily_unavailable", None, false, true),
            (90_055, 429, "temporarily_unavailable", None, false, true),
            (50_049, 400, "invalid_instance", None, false, true),
        ] {
            let known = find(number).unwrap();
            let found = (known.status.as_u16(), known.error, known.suberror);
            assert_eq!(found, (status, error, suberror), "{number}");
            let claims = known.claims();
            assert_eq!(claims.is_some(), has_claims, "{number}");
            assert_eq!(known.has_page(), has_page, "{number}");
            let Some(claims) = claims else { continue };
            let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
            assert_eq!(claims["access_token"]["capolids"]["essential"], true);
        }
    }
}
