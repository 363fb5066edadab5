//! Load run: is the run valid, and what does it offer.

use super::{buckets, of, process, quantile, rate, sum};
use crate::board::{Board, Marks};
use crate::panel::{Panel, heatmap, lines, stacked, stat, table};

const RESPONSE: &str = "loadgen_response_duration_seconds";
const SERVICE: &str = "loadgen_service_duration_seconds";
const LAG: &str = "loadgen_schedule_lag_seconds";

pub(crate) fn board() -> Board {
    Board {
        uid: "load-run",
        title: "Load run",
        description: "What a run of loadgen offers, whether it keeps its schedule, and what it finds.",
        chosen_by: "loadgen_run_info",
        by_instance: true,
        rows: vec![
            ("Run", run()),
            ("Load", load()),
            ("Times", times()),
            ("Generator", process()),
        ],
        marks: &[
            Marks {
                name: "run begins",
                expr: "changes(loadgen_run_start_timestamp_seconds{job=~\"$job\",instance=~\"$instance\"}[$__interval]) > 0",
                title: "run begins",
            },
            Marks {
                name: "stages",
                expr: "loadgen_stage_active{job=~\"$job\",instance=~\"$instance\"} == 1",
                title: "{{stage}}",
            },
        ],
    }
}

fn run() -> Vec<Panel> {
    let begin = of("loadgen_run_start_timestamp_seconds", "");
    let end = of("loadgen_run_end_timestamp_seconds", "");
    vec![
        stat("Offered", "ops", sum("", &rate("loadgen_arrivals_total", "")), "Arrivals that fall due, a second."),
        stat("Dropped", "ops", sum("", &rate("loadgen_arrivals_total", "fate=\"dropped\"")), "Arrivals that find no room in flight. Any makes the run invalid.").red_from(0.000_001),
        stat("Schedule lag p99", "s", quantile(0.99, LAG, "", ""), "How late operations start. Above 10 ms the run measures its generator.").red_from(0.01),
        stat("Wrong tokens", "short", sum("", &format!("increase({}[$__range])", of("loadgen_invariant_violations_total", ""))), "Tokens of another tenant, application, user or audience, expired, under-scoped or forged.").red_from(1.0),
        stat("Running for", "s", format!("({end} > 0 or time() + 0 * {end}) - on (job, instance) ({begin} > 0)"), "From the first arrival to the end, or to now."),
        table("What runs", of("loadgen_run_info", ""), "Scenario, hash of its file, seed.").width(24),
    ]
}

fn load() -> Vec<Panel> {
    vec![
        lines(
            "Arrivals",
            "ops",
            vec![
                (sum("", &rate("loadgen_arrivals_total", "")), "offered"),
                (sum("fate", &rate("loadgen_arrivals_total", "")), "{{fate}}"),
                (sum("", &rate("loadgen_operations_total", "")), "ended"),
            ],
            "Offered, started, dropped, ended. Where ended stays below started, work piles up.",
        ),
        stacked(
            "Operations by outcome",
            "ops",
            vec![(
                sum("operation, outcome", &rate("loadgen_operations_total", "")),
                "{{operation}} {{outcome}}",
            )],
            "By the scenario's name for them.",
        ),
        lines(
            "Schedule lag",
            "s",
            vec![
                (quantile(0.99, LAG, "", ""), "p99"),
                (quantile(0.5, LAG, "", ""), "p50"),
            ],
            "Actual minus intended start. Above the line the run is invalid.",
        )
        .red_from(0.01)
        .log(),
        lines(
            "In flight",
            "short",
            vec![
                (
                    sum("", &of("loadgen_in_flight_operations", "")),
                    "operations",
                ),
                (sum("", &of("loadgen_virtual_users", "")), "users"),
            ],
            "Operations begun and not ended, and users of closed loops who are there.",
        ),
        lines(
            "Response p99 by operation",
            "s",
            vec![(quantile(0.99, RESPONSE, "operation", ""), "{{operation}}")],
            "By the scenario's name for them, from the intended start.",
        )
        .log(),
        stacked(
            "Stages",
            "short",
            vec![(sum("stage", &of("loadgen_stage_active", "")), "{{stage}}")],
            "Which stage of the load goes on; nothing where the scenario has none.",
        ),
    ]
}

fn times() -> Vec<Panel> {
    vec![
        lines(
            "Response and service time",
            "s",
            vec![
                (quantile(0.5, RESPONSE, "", ""), "response p50"),
                (quantile(0.99, RESPONSE, "", ""), "response p99"),
                (quantile(0.5, SERVICE, "", ""), "service p50"),
                (quantile(0.99, SERVICE, "", ""), "service p99"),
            ],
            "Response counts from the intended start, service from the actual one.",
        )
        .log()
        .width(8),
        heatmap(
            "Response times",
            "s",
            buckets(RESPONSE),
            "How many operations took how long.",
        )
        .width(8),
        lines(
            "Invariant violations",
            "ops",
            vec![(
                sum("invariant", &rate("loadgen_invariant_violations_total", "")),
                "{{invariant}}",
            )],
            "Returned tokens that broke an invariant.",
        )
        .red_from(0.000_001)
        .width(8),
    ]
}
