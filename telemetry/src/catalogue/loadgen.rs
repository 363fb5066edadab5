//! What the load generator says about itself.

use super::{Label, Metric, Unit, Values, closed, counter, gauge, info, times};

/// Entries of `traffic` that a scenario has at most.
pub const MOST_OPERATIONS: usize = 16;

/// Stages told apart; later ones are not shown.
pub const MOST_STAGES: usize = 16;

const OPERATION: Label = declared("operation", MOST_OPERATIONS);

const fn declared(name: &'static str, at_most: usize) -> Label {
    Label {
        name,
        values: Values::Declared { at_most },
    }
}

/// What became of each arrival that fell due; the offered rate is their sum's.
pub static LOADGEN_ARRIVALS: Metric = counter(
    "loadgen_arrivals_total",
    "Arrivals that fell due, by what became of them.",
    &[closed("fate", &["started", "dropped"])],
);

/// How each arrival that started ended.
pub static LOADGEN_OPERATIONS: Metric = counter(
    "loadgen_operations_total",
    "Operations that ended, by the scenario's name for them and outcome.",
    &[OPERATION, closed("outcome", &["ok", "error", "timeout"])],
);

/// From the intended start: no coordinated omission.
pub static LOADGEN_RESPONSE_DURATION: Metric = times(
    "loadgen_response_duration_seconds",
    "Time from an operation's intended start to its end.",
    &[OPERATION],
);

/// From the actual start.
pub static LOADGEN_SERVICE_DURATION: Metric = times(
    "loadgen_service_duration_seconds",
    "Time from an operation's actual start to its end.",
    &[OPERATION],
);

/// Says whether the run is valid.
pub static LOADGEN_SCHEDULE_LAG: Metric = times(
    "loadgen_schedule_lag_seconds",
    "Time from an operation's intended to its actual start.",
    &[],
);

/// Work begun and not ended.
pub static LOADGEN_IN_FLIGHT: Metric = gauge(
    "loadgen_in_flight_operations",
    "Operations begun and not ended.",
    &[],
);

/// Users of closed loops.
pub static LOADGEN_VIRTUAL_USERS: Metric = gauge(
    "loadgen_virtual_users",
    "Users of closed loops who have come and not left.",
    &[],
);

/// Where in its plan a run is.
pub static LOADGEN_STAGE_ACTIVE: Metric = gauge(
    "loadgen_stage_active",
    "1 while a stage of the load goes on, else 0.",
    &[declared("stage", MOST_STAGES)],
)
.only("where the scenario has stages");

/// What the oracle found wrong with returned tokens.
pub static LOADGEN_INVARIANT_VIOLATIONS: Metric = counter(
    "loadgen_invariant_violations_total",
    "Returned tokens that broke an invariant.",
    &[closed(
        "invariant",
        &[
            "wrong_token",
            "expired_served",
            "under_scoped",
            "not_issued",
        ],
    )],
);

/// When the first arrival fell due.
pub static LOADGEN_RUN_START: Metric = gauge(
    "loadgen_run_start_timestamp_seconds",
    "Unix time at which the first arrival fell due; 0 before.",
    &[],
)
.unit(Unit::UnixSeconds);

/// When the last operation ended.
pub static LOADGEN_RUN_END: Metric = gauge(
    "loadgen_run_end_timestamp_seconds",
    "Unix time at which the run ended; 0 while it goes on.",
    &[],
)
.unit(Unit::UnixSeconds);

/// Which run this is.
pub static LOADGEN_RUN_INFO: Metric = gauge(
    "loadgen_run_info",
    "Always 1; the labels say what runs.",
    &[
        info("scenario"),
        info("scenario_hash"),
        info("seed"),
        closed("mode", &["real", "virtual"]),
    ],
);

pub(super) static ALL: &[&Metric] = &[
    &LOADGEN_ARRIVALS,
    &LOADGEN_OPERATIONS,
    &LOADGEN_RESPONSE_DURATION,
    &LOADGEN_SERVICE_DURATION,
    &LOADGEN_SCHEDULE_LAG,
    &LOADGEN_IN_FLIGHT,
    &LOADGEN_VIRTUAL_USERS,
    &LOADGEN_STAGE_ACTIVE,
    &LOADGEN_INVARIANT_VIOLATIONS,
    &LOADGEN_RUN_START,
    &LOADGEN_RUN_END,
    &LOADGEN_RUN_INFO,
];
