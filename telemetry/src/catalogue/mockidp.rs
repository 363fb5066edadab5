//! What the mock identity provider counts, outside the system under test.

use super::{Label, Metric, closed, counter, gauge, info, times};

const GRANT_TYPE: Label = closed(
    "grant_type",
    &[
        "client_credentials",
        "authorization_code",
        "refresh_token",
        "on_behalf_of",
        "device_code",
        "password",
        "user_federated",
        "managed_identity",
        "other",
    ],
);

const ENDPOINT: Label = closed(
    "endpoint",
    &[
        "token",
        "authorize",
        "openid_configuration",
        "instance_discovery",
        "jwks",
        "other",
    ],
);

/// Requests to every endpoint, by the status they were answered with.
pub static MOCKIDP_REQUESTS: Metric = counter(
    "mockidp_requests_total",
    "Requests answered, by endpoint and class of HTTP status.",
    &[ENDPOINT, closed("code", &["2xx", "3xx", "4xx", "5xx"])],
);

/// Requests to the token endpoint, by grant.
pub static MOCKIDP_TOKEN_REQUESTS: Metric = counter(
    "mockidp_token_requests_total",
    "Requests to the token endpoint, by grant.",
    &[GRANT_TYPE],
);

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
    &[],
);

/// Tokens signed.
pub static MOCKIDP_TOKENS_ISSUED: Metric =
    counter("mockidp_tokens_issued_total", "Access tokens issued.", &[]);

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

/// The version that runs.
pub static MOCKIDP_BUILD_INFO: Metric = gauge(
    "mockidp_build_info",
    "Always 1; the labels say which version runs.",
    &[info("version")],
);

pub(super) static ALL: &[&Metric] = &[
    &MOCKIDP_REQUESTS,
    &MOCKIDP_TOKEN_REQUESTS,
    &MOCKIDP_REQUEST_DURATION,
    &MOCKIDP_REDUNDANT_TOKEN_REQUESTS,
    &MOCKIDP_TOKENS_ISSUED,
    &MOCKIDP_THROTTLED_REQUESTS,
    &MOCKIDP_FAULTS_INJECTED,
    &MOCKIDP_IN_FLIGHT,
    &MOCKIDP_BUILD_INFO,
];
