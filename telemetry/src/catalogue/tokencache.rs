//! What a service that uses the token cache would export in production.

use super::{
    Kind, LIFETIME_BUCKETS, Label, Metric, SIZE_BUCKETS, Unit, closed, counter, family, gauge,
    info, times,
};

const FLOW: Label = closed(
    "flow",
    &[
        "client_credentials",
        "authorization_code",
        "on_behalf_of",
        "long_running_obo",
        "silent",
        "refresh_token",
        "device_code",
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
const LEVEL: Label = closed("level", &["l1", "l2"]);
const KIND: Label = closed(
    "kind",
    &[
        "access_token",
        "refresh_token",
        "id_token",
        "account",
        "other",
        "blob",
    ],
);
const STORE: Label = closed("level", &["l2"]);
const OPERATION: Label = closed("operation", &["get", "set", "refresh", "remove"]);

/// Foreground acquisitions, each once. The hit ratio is
/// `token_source="cache"` over all with `outcome="success"`.
pub static TOKENCACHE_ACQUISITIONS: Metric = counter(
    "tokencache_acquisitions_total",
    "Token acquisitions that callers waited for.",
    &[
        FLOW,
        OUTCOME,
        TOKEN_SOURCE,
        CACHE_LEVEL,
        CACHE_REFRESH_REASON,
    ],
)
.msal("MsalSuccess");

/// Acquisitions without a token, by class of error.
pub static TOKENCACHE_ACQUISITION_ERRORS: Metric = counter(
    "tokencache_acquisition_errors_total",
    "Token acquisitions that ended without a token, by class of error.",
    &[
        FLOW,
        closed(
            "error",
            &[
                "throttled",
                "server_error",
                "timeout",
                "connection",
                "invalid_grant",
                "invalid_client",
                "interaction_required",
                "cache",
                "cancelled",
                "protocol",
                "other",
            ],
        ),
    ],
)
.msal("MsalFailure");

/// Refreshes nobody waited for; kept apart so that they cannot skew the ratio.
pub static TOKENCACHE_BACKGROUND_REFRESHES: Metric = counter(
    "tokencache_background_refreshes_total",
    "Token refreshes that ran behind a served token.",
    &[OUTCOME],
)
.msal("MsalSuccess with reason ProactivelyRefreshed and source IdentityProvider");

/// MSAL's `DurationTotalInMs`, in seconds.
pub static TOKENCACHE_ACQUIRE_DURATION: Metric = times(
    "tokencache_acquire_duration_seconds",
    "Time of a whole acquisition.",
    &[TOKEN_SOURCE, OUTCOME],
)
.msal("MsalTotalDuration.1A, MsalDurationInL1CacheInUs.1B");

/// MSAL's `DurationInCacheInMs`, in seconds.
pub static TOKENCACHE_ACQUIRE_CACHE_DURATION: Metric = times(
    "tokencache_acquire_cache_duration_seconds",
    "Time an acquisition spent reading and writing the cache.",
    &[TOKEN_SOURCE],
)
.msal("MsalDurationInL2Cache.1A");

/// MSAL's `DurationInHttpInMs`, in seconds; only acquisitions that used HTTP.
pub static TOKENCACHE_ACQUIRE_HTTP_DURATION: Metric = times(
    "tokencache_acquire_http_duration_seconds",
    "Time an acquisition waited for the token endpoint.",
    &[],
)
.msal("MsalDurationInHttp.1A");

/// Callers that shared another caller's fetch.
pub static TOKENCACHE_COALESCED_ACQUISITIONS: Metric = counter(
    "tokencache_coalesced_acquisitions_total",
    "Acquisitions that waited for a fetch another caller had begun.",
    &[],
);

/// Requests on their way to the token endpoint.
pub static TOKENCACHE_IN_FLIGHT_FETCHES: Metric = gauge(
    "tokencache_in_flight_fetches",
    "Requests sent to the token endpoint and not answered.",
    &[],
);

/// What was left of tokens when they were given out.
pub static TOKENCACHE_TOKEN_REMAINING_LIFETIME: Metric = family(
    "tokencache_token_remaining_lifetime_seconds",
    Kind::Histogram(LIFETIME_BUCKETS),
    "Time left to a token's expiry when a caller got it.",
    &[closed("token_source", &["cache", "identity_provider"])],
)
.unit(Unit::Seconds)
.msal("MsalRemainingTokenLifetime.1A");

/// Operations on the levels, attempts and failures on one counter.
pub static TOKENCACHE_OPERATIONS: Metric = counter(
    "tokencache_operations_total",
    "Operations asked of a level, by kind and outcome; a read that finds is a hit.",
    &[
        LEVEL,
        OPERATION,
        closed(
            "outcome",
            &["hit", "miss", "ok", "error", "timeout", "conflict"],
        ),
    ],
);

/// How long the shared store took.
pub static TOKENCACHE_OPERATION_DURATION: Metric = times(
    "tokencache_operation_duration_seconds",
    "Time of an operation on the shared store, failed ones included.",
    &[STORE, OPERATION],
);

/// Sizes of partitions on their way to and from the shared store.
pub static TOKENCACHE_BLOB_SIZE: Metric = family(
    "tokencache_blob_size_bytes",
    Kind::Histogram(SIZE_BUCKETS),
    "Size of a partition read from or written to the shared store.",
    &[closed("direction", &["read", "write"])],
)
.unit(Unit::Bytes);

/// Partitions held.
pub static TOKENCACHE_PARTITIONS: Metric = gauge(
    "tokencache_partitions",
    "Partitions held, by level; each is moved whole.",
    &[LEVEL],
);

/// What the partitions are made of.
pub static TOKENCACHE_ENTRIES: Metric = gauge(
    "tokencache_entries",
    "Entries held, by level and kind; a shared store holds blobs, which are partitions.",
    &[LEVEL, KIND],
);

/// Bytes held.
pub static TOKENCACHE_SIZE_BYTES: Metric = gauge(
    "tokencache_size_bytes",
    "Bytes held, by level and kind; what a level needs to find its entries is other.",
    &[LEVEL, KIND],
)
.unit(Unit::Bytes);

/// How much a level may hold; a level without a bound has no such series, so
/// that an alert can ask for it.
pub static TOKENCACHE_CAPACITY_BYTES: Metric = gauge(
    "tokencache_capacity_bytes",
    "Most bytes a level may hold; absent for a level without a bound.",
    &[LEVEL],
)
.unit(Unit::Bytes)
.only("where a level is bounded");

/// Partitions that went.
pub static TOKENCACHE_EVICTIONS: Metric = counter(
    "tokencache_evictions_total",
    "Partitions that left a level, by cause; only those of size left before their time.",
    &[
        LEVEL,
        closed("cause", &["size", "expired", "explicit", "replaced"]),
    ],
);

/// When the process began, so that alerts can excuse a cold start.
pub static TOKENCACHE_START_TIMESTAMP: Metric = gauge(
    "tokencache_start_timestamp_seconds",
    "Unix time at which the cache started.",
    &[],
)
.unit(Unit::UnixSeconds);

/// The version that runs.
pub static TOKENCACHE_BUILD_INFO: Metric = gauge(
    "tokencache_build_info",
    "Always 1; the labels say which version runs.",
    &[info("version")],
);

pub(super) static ALL: &[&Metric] = &[
    &TOKENCACHE_ACQUISITIONS,
    &TOKENCACHE_ACQUISITION_ERRORS,
    &TOKENCACHE_BACKGROUND_REFRESHES,
    &TOKENCACHE_ACQUIRE_DURATION,
    &TOKENCACHE_ACQUIRE_CACHE_DURATION,
    &TOKENCACHE_ACQUIRE_HTTP_DURATION,
    &TOKENCACHE_COALESCED_ACQUISITIONS,
    &TOKENCACHE_IN_FLIGHT_FETCHES,
    &TOKENCACHE_TOKEN_REMAINING_LIFETIME,
    &TOKENCACHE_OPERATIONS,
    &TOKENCACHE_OPERATION_DURATION,
    &TOKENCACHE_BLOB_SIZE,
    &TOKENCACHE_PARTITIONS,
    &TOKENCACHE_ENTRIES,
    &TOKENCACHE_SIZE_BYTES,
    &TOKENCACHE_CAPACITY_BYTES,
    &TOKENCACHE_EVICTIONS,
    &TOKENCACHE_START_TIMESTAMP,
    &TOKENCACHE_BUILD_INFO,
];
