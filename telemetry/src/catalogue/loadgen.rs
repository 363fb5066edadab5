//! What the load generator says about itself.

use super::{DURATION_BUCKETS, Kind, Label, Metric, Values, closed, info};

const OPERATION: Label = Label {
    name: "operation",
    values: Values::Declared { at_most: 16 },
};

/// What became of each arrival that fell due.
pub static LOADGEN_ARRIVALS: Metric = Metric {
    name: "loadgen_arrivals_total",
    kind: Kind::Counter,
    help: "Arrivals that fell due, by what became of them.",
    labels: &[closed("fate", &["started", "dropped"])],
};

/// How each arrival that started ended.
pub static LOADGEN_OPERATIONS: Metric = Metric {
    name: "loadgen_operations_total",
    kind: Kind::Counter,
    help: "Operations that ended, by the scenario's name for them and outcome.",
    labels: &[OPERATION, closed("outcome", &["ok", "error", "timeout"])],
};

/// From the intended start: no coordinated omission.
pub static LOADGEN_RESPONSE_DURATION: Metric = Metric {
    name: "loadgen_response_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time from an operation's intended start to its end.",
    labels: &[],
};

/// From the actual start.
pub static LOADGEN_SERVICE_DURATION: Metric = Metric {
    name: "loadgen_service_duration_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time from an operation's actual start to its end.",
    labels: &[],
};

/// Says whether the run is valid.
pub static LOADGEN_SCHEDULE_LAG: Metric = Metric {
    name: "loadgen_schedule_lag_seconds",
    kind: Kind::Histogram(DURATION_BUCKETS),
    help: "Time from an operation's intended to its actual start.",
    labels: &[],
};

/// Work begun and not ended.
pub static LOADGEN_IN_FLIGHT: Metric = Metric {
    name: "loadgen_in_flight_operations",
    kind: Kind::Gauge,
    help: "Operations begun and not ended.",
    labels: &[],
};

/// What the oracle found wrong with returned tokens.
pub static LOADGEN_INVARIANT_VIOLATIONS: Metric = Metric {
    name: "loadgen_invariant_violations_total",
    kind: Kind::Counter,
    help: "Returned tokens that broke an invariant.",
    labels: &[closed(
        "invariant",
        &[
            "wrong_token",
            "expired_served",
            "under_scoped",
            "not_issued",
        ],
    )],
};

/// When the first arrival fell due.
pub static LOADGEN_RUN_START: Metric = Metric {
    name: "loadgen_run_start_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Unix time at which the first arrival fell due; 0 before.",
    labels: &[],
};

/// Which run this is.
pub static LOADGEN_RUN_INFO: Metric = Metric {
    name: "loadgen_run_info",
    kind: Kind::Gauge,
    help: "Always 1; the labels say what runs.",
    labels: &[info("scenario"), info("scenario_hash"), info("seed")],
};

pub(super) static ALL: &[&Metric] = &[
    &LOADGEN_ARRIVALS,
    &LOADGEN_OPERATIONS,
    &LOADGEN_RESPONSE_DURATION,
    &LOADGEN_SERVICE_DURATION,
    &LOADGEN_SCHEDULE_LAG,
    &LOADGEN_IN_FLIGHT,
    &LOADGEN_INVARIANT_VIOLATIONS,
    &LOADGEN_RUN_START,
    &LOADGEN_RUN_INFO,
];
