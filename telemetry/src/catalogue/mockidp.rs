//! What the mock identity provider counts, outside the system under test.

use super::{DURATION_BUCKETS, Kind, Label, Metric, closed, info};

const GRANT_TYPE: Label = closed(
    "grant_type",
    &[
        "client_credentials",
        "authorization_code",
        "refresh_token",
        "on_behalf_of",
        "device_code",
        "password",
        "managed_identity",
        "other",
    ],
);

/// Requests to the token endpoint, by grant and HTTP status.
pub static MOCKIDP_TOKEN_REQUESTS: Metric = Metric {
    name: "mockidp_token_requests_total",
    kind: Kind::Counter,
    help: "Requests to the token endpoint, by grant.",
    labels: &[GRANT_TYPE],
};

/// Requests to every endpoint, by the status they were answered with.
pub static MOCKIDP_REQUESTS: Metric = Metric {
    name: "mockidp_requests_total",
    kind: Kind::Counter,
    help: "Requests answered, by endpoint and class of HTTP status.",
    labels: &[
        closed(
            "endpoint",
            &[
                "token",
                "authorize",
                "openid_configuration",
                "instance_discovery",
                "jwks",
                "other",
            ],
        ),
        closed("code", &["2xx", "3xx", "4xx", "5xx"]),
    ],
};

/// Time to answer the token endpoint, configured latency included.
pub static MOCKIDP_REQUEST_DURATION: Metric = Metric {
    name: "mockidp_token_request_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time to answer a token request, configured latency included.",
    labels: &[],
};

/// The stampede metric, measured where the cache cannot embellish it.
pub static MOCKIDP_REDUNDANT_TOKEN_REQUESTS: Metric = Metric {
    name: "mockidp_redundant_token_requests_total",
    kind: Kind::Counter,
    help: "Token requests for which a token with time left had already been issued.",
    labels: &[],
};

/// Tokens signed, by kind.
pub static MOCKIDP_TOKENS_ISSUED: Metric = Metric {
    name: "mockidp_tokens_issued_total",
    kind: Kind::Counter,
    help: "Access tokens issued.",
    labels: &[],
};

/// Requests refused by a throttle, by the kind of its limit.
pub static MOCKIDP_THROTTLED_REQUESTS: Metric = Metric {
    name: "mockidp_throttled_requests_total",
    kind: Kind::Counter,
    help: "Requests refused by a throttle policy, by the kind of its limit.",
    labels: &[closed("policy", &["rate", "concurrency", "loop"])],
};

/// Requests and connections made to go wrong, by what was done to them.
pub static MOCKIDP_FAULTS_INJECTED: Metric = Metric {
    name: "mockidp_faults_injected_total",
    kind: Kind::Counter,
    help: "Faults injected into requests and connections, by kind.",
    labels: &[closed(
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
};

/// Requests begun and not answered.
pub static MOCKIDP_IN_FLIGHT: Metric = Metric {
    name: "mockidp_in_flight_requests",
    kind: Kind::Gauge,
    help: "Requests begun and not answered.",
    labels: &[],
};

/// The version that runs.
pub static MOCKIDP_BUILD_INFO: Metric = Metric {
    name: "mockidp_build_info",
    kind: Kind::Gauge,
    help: "Always 1; the labels say which version runs.",
    labels: &[info("version")],
};

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
