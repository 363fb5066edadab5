//! What a service that uses the token cache would export in production.

use super::{DURATION_BUCKETS, Kind, Label, Metric, closed, info};

const FLOW: Label = closed(
    "flow",
    &[
        "client_credentials",
        "authorization_code",
        "on_behalf_of",
        "long_running_obo",
        "silent",
        "refresh_token",
        "managed_identity",
    ],
);
const OUTCOME: Label = closed("outcome", &["success", "error"]);
const TOKEN_SOURCE: Label = closed("token_source", &["cache", "identity_provider", "none"]);
const CACHE_LEVEL: Label = closed("cache_level", &["none", "unknown", "l1", "l2"]);
const CACHE_REFRESH_REASON: Label = closed(
    "cache_refresh_reason",
    &[
        "not_applicable",
        "no_cached_access_token",
        "expired",
        "force_refresh_or_claims",
        "proactively_refreshed",
        "cache_disabled",
    ],
);

/// Foreground acquisitions, each once. The hit ratio is
/// `token_source="cache"` over all with `outcome="success"`.
pub static TOKENCACHE_ACQUISITIONS: Metric = Metric {
    name: "tokencache_acquisitions_total",
    kind: Kind::Counter,
    help: "Token acquisitions that callers waited for.",
    labels: &[
        FLOW,
        OUTCOME,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
    ],
};

/// Refreshes nobody waited for; kept apart so that they cannot skew the ratio.
pub static TOKENCACHE_BACKGROUND_REFRESHES: Metric = Metric {
    name: "tokencache_background_refreshes_total",
    kind: Kind::Counter,
    help: "Token refreshes that ran behind a served token.",
    labels: &[OUTCOME],
};

/// MSAL's `DurationTotalInMs`, in seconds.
pub static TOKENCACHE_ACQUIRE_DURATION: Metric = Metric {
    name: "tokencache_acquire_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time of a whole acquisition.",
    labels: &[TOKEN_SOURCE],
};

/// MSAL's `DurationInCacheInMs`, in seconds.
pub static TOKENCACHE_ACQUIRE_CACHE_DURATION: Metric = Metric {
    name: "tokencache_acquire_cache_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time an acquisition spent reading and writing the cache.",
    labels: &[TOKEN_SOURCE],
};

/// MSAL's `DurationInHttpInMs`, in seconds; only acquisitions that used HTTP.
pub static TOKENCACHE_ACQUIRE_HTTP_DURATION: Metric = Metric {
    name: "tokencache_acquire_http_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time an acquisition waited for the token endpoint.",
    labels: &[],
};

/// Callers that shared another caller's fetch.
pub static TOKENCACHE_COALESCED_ACQUISITIONS: Metric = Metric {
    name: "tokencache_coalesced_acquisitions_total",
    kind: Kind::Counter,
    help: "Acquisitions that waited for a fetch another caller had begun.",
    labels: &[],
};

/// Operations on the shared store.
pub static TOKENCACHE_OPERATIONS: Metric = Metric {
    name: "tokencache_operations_total",
    kind: Kind::Counter,
    help: "Cache operations, by level and kind.",
    labels: &[
        closed("level", &["l2"]),
        closed("operation", &["get", "set", "refresh", "remove"]),
    ],
};

/// Operations on the shared store that failed.
pub static TOKENCACHE_OPERATION_ERRORS: Metric = Metric {
    name: "tokencache_operation_errors_total",
    kind: Kind::Counter,
    help: "Cache operations that failed, by level.",
    labels: &[closed("level", &["l2"])],
};

/// Partitions held.
pub static TOKENCACHE_ENTRIES: Metric = Metric {
    name: "tokencache_entries",
    kind: Kind::Gauge,
    help: "Partitions held, by level.",
    labels: &[closed("level", &["l1", "l2"])],
};

/// Bytes held.
pub static TOKENCACHE_SIZE_BYTES: Metric = Metric {
    name: "tokencache_size_bytes",
    kind: Kind::Gauge,
    help: "Bytes held, by level.",
    labels: &[closed("level", &["l1", "l2"])],
};

/// Partitions pushed out.
pub static TOKENCACHE_EVICTIONS: Metric = Metric {
    name: "tokencache_evictions_total",
    kind: Kind::Counter,
    help: "Partitions that left a level before their time, by cause.",
    labels: &[closed("level", &["l1"]), closed("cause", &["size"])],
};

/// When the process began, so that alerts can excuse a cold start.
pub static TOKENCACHE_START_TIMESTAMP: Metric = Metric {
    name: "tokencache_start_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Unix time at which the cache started.",
    labels: &[],
};

/// The version that runs.
pub static TOKENCACHE_BUILD_INFO: Metric = Metric {
    name: "tokencache_build_info",
    kind: Kind::Gauge,
    help: "Always 1; the labels say which version runs.",
    labels: &[info("version")],
};

pub(super) static ALL: &[&Metric] = &[
    &TOKENCACHE_ACQUISITIONS,
    &TOKENCACHE_BACKGROUND_REFRESHES,
    &TOKENCACHE_ACQUIRE_DURATION,
    &TOKENCACHE_ACQUIRE_CACHE_DURATION,
    &TOKENCACHE_ACQUIRE_HTTP_DURATION,
    &TOKENCACHE_COALESCED_ACQUISITIONS,
    &TOKENCACHE_OPERATIONS,
    &TOKENCACHE_OPERATION_ERRORS,
    &TOKENCACHE_ENTRIES,
    &TOKENCACHE_SIZE_BYTES,
    &TOKENCACHE_EVICTIONS,
    &TOKENCACHE_START_TIMESTAMP,
    &TOKENCACHE_BUILD_INFO,
];
