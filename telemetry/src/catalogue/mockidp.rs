//! What the mock identity provider counts, outside the system under test.

use super::{
    Kind, Label, Metric, TOKEN_SIZE_BUCKETS, Unit, closed, counter, family, gauge, info, times,
};

const GRANT_TYPES: &[&str] = &[
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "on_behalf_of",
    "device_code",
    "password",
    "user_federated",
    "managed_identity",
    "other",
    "none",
];

const GRANT_TYPE: Label = closed("grant_type", GRANT_TYPES.split_at(GRANT_TYPES.len() - 1).0);

const ENDPOINT: Label = closed(
    "endpoint",
    &[
        "token",
        "managed_identity",
        "authorize",
        "device_code",
        "openid_configuration",
        "instance_discovery",
        "jwks",
        "other",
    ],
);

/// Requests to every endpoint, by the status they were answered with.
pub static MOCKIDP_REQUESTS: Metric = counter(
    "mockidp_requests_total",
    "Requests answered, by endpoint, grant (none where no token is asked for) and HTTP status (499 when the client left).",
    &[
        ENDPOINT,
        closed("grant_type", GRANT_TYPES),
        closed(
            "code",
            &[
                "200", "302", "400", "401", "429", "499", "500", "503", "other",
            ],
        ),
    ],
);

/// Requests to the token endpoints, by grant.
pub static MOCKIDP_TOKEN_REQUESTS: Metric = counter(
    "mockidp_token_requests_total",
    "Requests to the token endpoints, machines' included, by grant.",
    &[GRANT_TYPE],
);

/// Token requests by who asked.
pub static MOCKIDP_CLIENT_TOKEN_REQUESTS: Metric = counter(
    "mockidp_client_token_requests_total",
    "Token requests, by the client library that made them.",
    &[closed(
        "client_sku",
        &[
            "msal_python",
            "msal_node",
            "msal_browser",
            "msal_go",
            "msal_net",
            "msal_java",
            "azure_identity_rust",
            "token_client",
            "other",
            "none",
        ],
    )],
);

/// Token requests by why the client's cache did not answer.
pub static MOCKIDP_CACHE_MISSES: Metric = counter(
    "mockidp_cache_misses_total",
    "Token requests, by why the client's cache did not answer, as its library's telemetry says.",
    &[closed(
        "cache_refresh_reason",
        &[
            "not_applicable",
            "no_cached_access_token",
            "expired",
            "force_refresh_or_claims",
            "proactively_refreshed",
            "cache_disabled",
            "not_said",
        ],
    )],
);

/// The thundering herd, seen from outside.
pub static MOCKIDP_HERD_SIZE: Metric = family(
    "mockidp_herd_size",
    Kind::Histogram(HERD_BUCKETS),
    "Identical token requests open at a time, at most, while they overlapped.",
    &[],
);

/// Bucket edges for herds. A herd is remembered by the power of two at or below its size, so the
/// edges are the sizes just below one.
pub const HERD_BUCKETS: &[f64] = &[
    1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0, 511.0, 1_023.0,
];

/// What clients sent.
pub static MOCKIDP_REQUEST_BODY: Metric = counter(
    "mockidp_request_body_bytes_total",
    "Bytes of the bodies of requests.",
    &[ENDPOINT],
)
.unit(Unit::Bytes);

/// What they were answered.
pub static MOCKIDP_RESPONSE_BODY: Metric = counter(
    "mockidp_response_body_bytes_total",
    "Bytes of the bodies of answers, whether or not the client waited for them.",
    &[ENDPOINT],
)
.unit(Unit::Bytes);

/// Time to answer, configured latency included.
pub static MOCKIDP_REQUEST_DURATION: Metric = times(
    "mockidp_request_duration_seconds",
    "Time to answer a request, configured latency included.",
    &[ENDPOINT],
);

/// The stampede metric, measured where the cache cannot embellish it.
pub static MOCKIDP_REDUNDANT_TOKEN_REQUESTS: Metric = counter(
    "mockidp_redundant_token_requests_total",
    "Token requests for which a token with time left had already been issued.",
    &[GRANT_TYPE],
);

const KIND: Label = closed(
    "kind",
    &[
        "app_access_token",
        "user_access_token",
        "refresh_token",
        "id_token",
    ],
);

/// Tokens handed out.
pub static MOCKIDP_TOKENS_ISSUED: Metric = counter(
    "mockidp_tokens_issued_total",
    "Tokens issued, by kind.",
    &[KIND],
);

/// How large they are, which is what a cache has to hold.
pub static MOCKIDP_ISSUED_TOKEN_SIZE: Metric = family(
    "mockidp_issued_token_size_bytes",
    Kind::Histogram(TOKEN_SIZE_BUCKETS),
    "Size of a token issued, as it is sent.",
    &[KIND],
)
.unit(Unit::Bytes);

/// Requests refused by a throttle, by the kind of its limit.
pub static MOCKIDP_THROTTLED_REQUESTS: Metric = counter(
    "mockidp_throttled_requests_total",
    "Requests refused by a throttle policy, by the kind of its limit.",
    &[closed("policy", &["rate", "concurrency", "loop"])],
);

/// Requests and connections made to go wrong, by what was done to them.
pub static MOCKIDP_FAULTS_INJECTED: Metric = counter(
    "mockidp_faults_injected_total",
    "Faults injected into requests and connections, by kind.",
    &[closed(
        "fault",
        &[
            "aadsts",
            "status",
            "html_page",
            "forged_token",
            "truncated_body",
            "slow_body",
            "latency",
            "reset_after_request",
            "reset_on_connect",
            "tls_failure",
            "tls_stall",
        ],
    )],
);

/// Requests begun and not answered.
pub static MOCKIDP_IN_FLIGHT: Metric = gauge(
    "mockidp_in_flight_requests",
    "Requests begun and not answered.",
    &[],
);

/// Connections that clients hold.
pub static MOCKIDP_OPEN_CONNECTIONS: Metric = gauge(
    "mockidp_open_connections",
    "Connections accepted and not closed, at all addresses.",
    &[],
);

/// The version that runs.
pub static MOCKIDP_BUILD_INFO: Metric = gauge(
    "mockidp_build_info",
    "Always 1; the labels say which version runs.",
    &[info("version")],
);

pub(super) static ALL: &[&Metric] = &[
    &MOCKIDP_REQUESTS,
    &MOCKIDP_TOKEN_REQUESTS,
    &MOCKIDP_CLIENT_TOKEN_REQUESTS,
    &MOCKIDP_CACHE_MISSES,
    &MOCKIDP_HERD_SIZE,
    &MOCKIDP_REQUEST_DURATION,
    &MOCKIDP_REQUEST_BODY,
    &MOCKIDP_RESPONSE_BODY,
    &MOCKIDP_REDUNDANT_TOKEN_REQUESTS,
    &MOCKIDP_TOKENS_ISSUED,
    &MOCKIDP_ISSUED_TOKEN_SIZE,
    &MOCKIDP_THROTTLED_REQUESTS,
    &MOCKIDP_FAULTS_INJECTED,
    &MOCKIDP_IN_FLIGHT,
    &MOCKIDP_OPEN_CONNECTIONS,
    &MOCKIDP_BUILD_INFO,
];
