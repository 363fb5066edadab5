//! What MSAL tells Entra about itself in `x-client-current-telemetry`: which API was called, and
//! why the cache did not answer.
//!
//! Python writes `4|730,2|`, Node `5|771,2,,,|,` and .NET `5|1004,2,,,|0,1,1`. The first two fields
//! of the middle part are the same for all; the rest is not needed here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The call an application made, whatever number its library has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiId {
    /// A token for the application itself.
    ClientCredentials,
    /// A token in the name of a caller.
    OnBehalfOf,
    /// A code redeemed.
    AuthorizationCode,
    /// A device code redeemed.
    DeviceCode,
    /// From the cache, which had to ask.
    Silent,
    /// By a refresh token of the application's own.
    RefreshToken,
    /// By user name and password.
    UsernamePassword,
    /// By a browser window.
    Interactive,
    /// As a managed identity.
    ManagedIdentity,
    /// By a user's federated identity credential.
    UserFederatedIdentity,
    /// A number that is not in the list.
    Other,
}

/// Why a library asks the identity provider instead of its cache.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CacheRefreshReason {
    /// The call does not look into the cache.
    NotApplicable,
    /// The caller asked for a new token, or brought claims.
    ForceRefreshOrClaims,
    /// There was none.
    NoCachedAccessToken,
    /// It had expired.
    Expired,
    /// It was past `refresh_in`.
    ProactivelyRefreshed,
    /// The cache is switched off.
    CacheDisabled,
}

impl CacheRefreshReason {
    /// Every reason, each at the number that clients send for it.
    pub const ALL: [Self; 6] = [
        Self::NotApplicable,
        Self::ForceRefreshOrClaims,
        Self::NoCachedAccessToken,
        Self::Expired,
        Self::ProactivelyRefreshed,
        Self::CacheDisabled,
    ];

    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not_applicable",
            Self::ForceRefreshOrClaims => "force_refresh_or_claims",
            Self::NoCachedAccessToken => "no_cached_access_token",
            Self::Expired => "expired",
            Self::ProactivelyRefreshed => "proactively_refreshed",
            Self::CacheDisabled => "cache_disabled",
        }
    }
}

/// What one request's telemetry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Telemetry {
    pub(crate) api: ApiId,
    pub(crate) reason: CacheRefreshReason,
}

impl Telemetry {
    /// Reads versions 4 and 5. `None` for other versions and for what does not say why.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('|');
        if !matches!(parts.next()?, "4" | "5") {
            return None;
        }
        let mut fields = parts.next()?.split(',');
        let api = api_of(fields.next()?.trim().parse().ok()?);
        let reason: usize = fields.next()?.trim().parse().ok()?;
        let reason = *CacheRefreshReason::ALL.get(reason)?;
        Some(Self { api, reason })
    }
}

fn api_of(number: u16) -> ApiId {
    match number {
        730 | 771 | 1004 => ApiId::ClientCredentials,
        523 | 1006 => ApiId::OnBehalfOf,
        832 | 871 => ApiId::AuthorizationCode,
        622 | 671 => ApiId::DeviceCode,
        84 | 62 | 1007 => ApiId::Silent,
        85 => ApiId::RefreshToken,
        301 | 371 => ApiId::UsernamePassword,
        169 => ApiId::Interactive,
        1015 | 1016 => ApiId::ManagedIdentity,
        950 => ApiId::UserFederatedIdentity,
        _ => ApiId::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn telemetry_of_each_library_is_read() {
        use CacheRefreshReason as Reason;
        for (text, api, reason) in [
            ("4|730,0|", ApiId::ClientCredentials, Reason::NotApplicable),
            (
                "4|730,1|",
                ApiId::ClientCredentials,
                Reason::ForceRefreshOrClaims,
            ),
            ("4|523,2|", ApiId::OnBehalfOf, Reason::NoCachedAccessToken),
            ("4|832,0|", ApiId::AuthorizationCode, Reason::NotApplicable),
            ("4|622,0|", ApiId::DeviceCode, Reason::NotApplicable),
            ("4|84,3|", ApiId::Silent, Reason::Expired),
            ("4|84,4|", ApiId::Silent, Reason::ProactivelyRefreshed),
            ("4|85,1|", ApiId::RefreshToken, Reason::ForceRefreshOrClaims),
            ("4|301,0|", ApiId::UsernamePassword, Reason::NotApplicable),
            ("4|169,0|", ApiId::Interactive, Reason::NotApplicable),
            (
                "4|950,2|",
                ApiId::UserFederatedIdentity,
                Reason::NoCachedAccessToken,
            ),
            (
                "5|771,2,,,|,",
                ApiId::ClientCredentials,
                Reason::NoCachedAccessToken,
            ),
            (
                "5|871,0,,,|,",
                ApiId::AuthorizationCode,
                Reason::NotApplicable,
            ),
            ("5|671,0,,,|,", ApiId::DeviceCode, Reason::NotApplicable),
            (
                "5|371,0,,,|,",
                ApiId::UsernamePassword,
                Reason::NotApplicable,
            ),
            ("5|62,3,,,|,", ApiId::Silent, Reason::Expired),
            (
                "5|1004,2,westus,4,1|1,0,1",
                ApiId::ClientCredentials,
                Reason::NoCachedAccessToken,
            ),
            (
                "5|1006,5,,,|0,1,1",
                ApiId::OnBehalfOf,
                Reason::CacheDisabled,
            ),
            (
                "5|1007,4,,,|0,1,1",
                ApiId::Silent,
                Reason::ProactivelyRefreshed,
            ),
            (
                "5|1015,2,,,|0,1,1",
                ApiId::ManagedIdentity,
                Reason::NoCachedAccessToken,
            ),
            ("5|1016,3,,,|0,1,1", ApiId::ManagedIdentity, Reason::Expired),
            ("5|999,2,,,|,", ApiId::Other, Reason::NoCachedAccessToken),
        ] {
            assert_eq!(
                Telemetry::parse(text),
                Some(Telemetry { api, reason }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_does_not_say_why_is_no_telemetry() {
        for text in [
            "",
            "4",
            "4|",
            "4|730",
            "4|730|",
            "4|730,|",
            "4|730,6|",
            "4|730,-1|",
            "4|,2|",
            "3|730,2|",
            "6|730,2|",
            "|730,2|",
            "4|99999999,2|",
            "5|0||0|0",
        ] {
            assert_eq!(Telemetry::parse(text), None, "{text}");
        }
    }

    #[test]
    fn reasons_stand_at_the_numbers_clients_send() {
        for (number, reason) in CacheRefreshReason::ALL.into_iter().enumerate() {
            let read = Telemetry::parse(&format!("5|1004,{number},,,|")).unwrap();
            assert_eq!(read.reason, reason);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,64}") {
            let _ = Telemetry::parse(&text);
        }

        #[test]
        fn what_libraries_write_is_read(
            version in 4_u8..=5, api in 0_u16..2000, reason in 0_usize..6, tail in "[0-9a-z,|]{0,30}"
        ) {
            let read = Telemetry::parse(&format!("{version}|{api},{reason},{tail}")).unwrap();
            prop_assert_eq!(read.reason, CacheRefreshReason::ALL[reason]);
        }
    }
}
