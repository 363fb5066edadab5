//! MSAL.NET's own meter, `MicrosoftIdentityClient_Common_Meter`, as Prometheus
//! sees it through OpenTelemetry's exporter for .NET: dots become underscores,
//! the unit and `_total` are appended, tags keep their case. The names, tags and
//! bounds are those of MSAL.NET 4.8x's `OtelInstrumentation`.

use super::{Kind, Label, Metric, Unit, closed, counter, family, info};

const VERSION: Label = info("MsalVersion");
const PLATFORM: Label = info("Platform");
const VERSION_PLATFORM: Label = info("MsalVersionPlatform");
const SCOPE: Label = info("otel_scope_name");
const API_ID: Label = closed(
    "ApiId",
    &[
        "AcquireTokenByAuthorizationCode",
        "AcquireTokenByRefreshToken",
        "AcquireTokenForClient",
        "AcquireTokenOnBehalfOf",
        "AcquireTokenSilent",
        "AcquireTokenForSystemAssignedManagedIdentity",
        "AcquireTokenForUserAssignedManagedIdentity",
        "InitiateLongRunningObo",
        "AcquireTokenInLongRunningObo",
    ],
);
const TOKEN_SOURCE: Label = closed("TokenSource", &["Cache", "IdentityProvider"]);
const CACHE_LEVEL: Label = closed("CacheLevel", &["None", "Unknown", "L1Cache", "L2Cache"]);
const CACHE_REFRESH_REASON: Label = closed(
    "CacheRefreshReason",
    &[
        "NotApplicable",
        "NoCachedAccessToken",
        "Expired",
        "ForceRefreshOrClaims",
        "ProactivelyRefreshed",
        "CacheDisabled",
    ],
);
const TOKEN_TYPE: Label = closed(
    "TokenType",
    &["Bearer", "Pop", "SshCert", "AtPop", "Extension", "MtlsPop"],
);
const ERROR_CODE: Label = closed(
    "ErrorCode",
    &[
        "throttled",
        "server_error",
        "request_timeout",
        "http_request_failed",
        "invalid_grant",
        "invalid_client",
        "interaction_required",
        "json_parse_failed",
        "unknown_error",
    ],
);

/// The bounds that OpenTelemetry for .NET uses where nobody chose others.
pub const OTEL_DEFAULT_BUCKETS: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0,
    7_500.0, 10_000.0,
];

const fn histogram(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    labels: &'static [Label],
    instrument: &'static str,
) -> Metric {
    family(name, Kind::Histogram(OTEL_DEFAULT_BUCKETS), help, labels)
        .unit(unit)
        .msal(instrument)
}

/// Tokens given out. A proactive refresh counts twice: for the caller, from the
/// cache, and for the fetch behind it, from the identity provider.
pub static MSAL_SUCCESS: Metric = counter(
    "MsalSuccess_total",
    "Number of successful token acquisition calls.",
    &[
        VERSION,
        PLATFORM,
        API_ID,
        TOKEN_SOURCE,
        CACHE_REFRESH_REASON,
        CACHE_LEVEL,
        TOKEN_TYPE,
        SCOPE,
    ],
)
.msal("MsalSuccess");

/// Acquisitions that failed.
pub static MSAL_FAILURE: Metric = counter(
    "MsalFailure_total",
    "Number of failed token acquisition calls.",
    &[
        VERSION,
        PLATFORM,
        ERROR_CODE,
        API_ID,
        CACHE_REFRESH_REASON,
        TOKEN_TYPE,
        SCOPE,
    ],
)
.msal("MsalFailure");

/// The whole of a successful acquisition.
pub static MSAL_TOTAL_DURATION: Metric = histogram(
    "MsalTotalDuration_1A_milliseconds",
    Unit::Milliseconds,
    "Performance of token acquisition calls total latency.",
    &[
        VERSION,
        PLATFORM,
        API_ID,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
        TOKEN_TYPE,
        SCOPE,
    ],
    "MsalTotalDuration.1A",
);

/// The whole of an acquisition that L1 answered.
pub static MSAL_L1_DURATION: Metric = histogram(
    "MsalDurationInL1CacheInUs_1B_microseconds",
    Unit::Microseconds,
    "Performance of token acquisition calls total latency when L1 cache is used.",
    &[
        VERSION,
        PLATFORM,
        API_ID,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
        SCOPE,
    ],
    "MsalDurationInL1CacheInUs.1B",
);

/// Reading L2, acquisitions it answered.
pub static MSAL_L2_DURATION: Metric = histogram(
    "MsalDurationInL2Cache_1A_milliseconds",
    Unit::Milliseconds,
    "Performance of token acquisition calls cache latency.",
    &[VERSION, PLATFORM, API_ID, CACHE_REFRESH_REASON, SCOPE],
    "MsalDurationInL2Cache.1A",
);

/// Waiting for the token endpoint, successful acquisitions and refreshes.
pub static MSAL_HTTP_DURATION: Metric = histogram(
    "MsalDurationInHttp_1A_milliseconds",
    Unit::Milliseconds,
    "Performance of token acquisition calls network latency.",
    &[VERSION, PLATFORM, API_ID, TOKEN_TYPE, SCOPE],
    "MsalDurationInHttp.1A",
);

/// Formatting a token by an extension; microseconds in spite of its name.
pub static MSAL_EXTENSION_DURATION: Metric = histogram(
    "MsalDurationInExtensionInMs_1B_microseconds",
    Unit::Microseconds,
    "Performance of token acquisition calls extension latency.",
    &[
        VERSION,
        PLATFORM,
        API_ID,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        TOKEN_TYPE,
        SCOPE,
    ],
    "MsalDurationInExtensionInMs.1B",
);

/// What was left of tokens when they were given out.
pub static MSAL_REMAINING_LIFETIME: Metric = histogram(
    "MsalRemainingTokenLifetime_1A_seconds",
    Unit::Seconds,
    "Remaining lifetime of the access token.",
    &[
        VERSION_PLATFORM,
        API_ID,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
        TOKEN_TYPE,
        SCOPE,
    ],
    "MsalRemainingTokenLifetime.1A",
);

pub(super) static ALL: &[&Metric] = &[
    &MSAL_SUCCESS,
    &MSAL_FAILURE,
    &MSAL_TOTAL_DURATION,
    &MSAL_L1_DURATION,
    &MSAL_L2_DURATION,
    &MSAL_HTTP_DURATION,
    &MSAL_EXTENSION_DURATION,
    &MSAL_REMAINING_LIFETIME,
];
