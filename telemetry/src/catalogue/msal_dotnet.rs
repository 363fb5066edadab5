//! MSAL.NET's own meter, `MicrosoftIdentityClient_Common_Meter`, as Prometheus
//! sees it through OpenTelemetry's exporter for .NET: dots become underscores,
//! the unit and `_total` are appended, tags keep their case. The names, tags and
//! bounds are those of MSAL.NET 4.8x's `OtelInstrumentation`.

use super::{Kind, Label, Metric, Unit, closed, counter, family, info};

const VERSION: Label = info("MsalVersion");
const PLATFORM: Label = info("Platform");
const SCOPE: Label = info("otel_scope_name");
const API_ID: Label = closed(
    "ApiId",
    &[
        "AcquireTokenForClient",
        "AcquireTokenByAuthorizationCode",
        "AcquireTokenSilent",
        "AcquireTokenOnBehalfOf",
        "AcquireTokenForSystemAssignedManagedIdentity",
        "AcquireTokenInLongRunningObo",
        "AcquireTokenByRefreshToken",
        "RemoveAccount",
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

/// The bounds that OpenTelemetry for .NET uses where nobody chose others.
pub const OTEL_DEFAULT_BUCKETS: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0,
    7_500.0, 10_000.0,
];

const fn milliseconds(
    name: &'static str,
    help: &'static str,
    labels: &'static [Label],
    instrument: &'static str,
) -> Metric {
    family(name, Kind::Histogram(OTEL_DEFAULT_BUCKETS), help, labels)
        .unit(Unit::Milliseconds)
        .msal(instrument)
}

/// Tokens given out. A proactive refresh counts twice: for the caller, from the
/// cache, and for the fetch behind it, from the identity provider.
pub static MSAL_SUCCESS: Metric = counter(
    "MsalSuccess_total",
    "Number of successful token acquisition calls.",
    &[
        API_ID,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
        VERSION,
        PLATFORM,
        SCOPE,
    ],
)
.msal("MsalSuccess");

/// Acquisitions that failed.
pub static MSAL_FAILURE: Metric = counter(
    "MsalFailure_total",
    "Number of failed token acquisition calls.",
    &[
        API_ID,
        closed(
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
        ),
        VERSION,
        PLATFORM,
        SCOPE,
    ],
)
.msal("MsalFailure");

/// The whole of a successful acquisition.
pub static MSAL_TOTAL_DURATION: Metric = milliseconds(
    "MsalTotalDuration_1A_milliseconds",
    "Performance of token acquisition calls total latency.",
    &[TOKEN_SOURCE, VERSION, PLATFORM, SCOPE],
    "MsalTotalDuration.1A",
);

/// Waiting for the token endpoint, successful acquisitions.
pub static MSAL_HTTP_DURATION: Metric = milliseconds(
    "MsalDurationInHttp_1A_milliseconds",
    "Performance of token acquisition calls network latency.",
    &[TOKEN_SOURCE, VERSION, PLATFORM, SCOPE],
    "MsalDurationInHttp.1A",
);

/// Reading L2, acquisitions it answered.
pub static MSAL_L2_DURATION: Metric = milliseconds(
    "MsalDurationInL2Cache_1A_milliseconds",
    "Performance of token acquisition calls cache latency.",
    &[TOKEN_SOURCE, VERSION, PLATFORM, SCOPE],
    "MsalDurationInL2Cache.1A",
);

pub(super) static ALL: &[&Metric] = &[
    &MSAL_SUCCESS,
    &MSAL_FAILURE,
    &MSAL_TOTAL_DURATION,
    &MSAL_HTTP_DURATION,
    &MSAL_L2_DURATION,
];
