//! The four dashboards.

mod load_run;
mod mock_idp;
mod msal_dotnet;
mod token_cache;

use crate::board::Board;
use crate::panel::{Panel, lines};

pub(crate) fn all() -> Vec<Board> {
    vec![
        token_cache::board(),
        load_run::board(),
        mock_idp::board(),
        msal_dotnet::board(),
    ]
}

/// A selector that follows the board's variables.
fn of(name: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!("{name}{{job=~\"$job\",instance=~\"$instance\"{comma}{more}}}")
}

fn rate(name: &str, more: &str) -> String {
    format!("rate({}[$__rate_interval])", of(name, more))
}

fn sum(by: &str, inner: &str) -> String {
    if by.is_empty() {
        format!("sum({inner})")
    } else {
        format!("sum by ({by}) ({inner})")
    }
}

/// A quantile; where nothing was observed there is none.
fn quantile(q: f64, histogram: &str, by: &str, more: &str) -> String {
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    let buckets = rate(&format!("{histogram}_bucket"), more);
    format!("histogram_quantile({q}, {}) >= 0", sum(&by, &buckets))
}

/// Observations by bucket, for a heat map.
fn buckets(histogram: &str) -> String {
    sum(
        "le",
        &format!(
            "increase({}[$__rate_interval])",
            of(&format!("{histogram}_bucket"), "")
        ),
    )
}

/// What the operating system says of the processes shown.
fn process() -> Vec<Panel> {
    vec![
        lines(
            "Processor",
            "percentunit",
            vec![(
                rate("process_cpu_seconds_total", ""),
                "{{job}} {{instance}}",
            )],
            "Processor time taken, in cores. A generator that has used up its cores is late.",
        )
        .width(6),
        lines(
            "Memory",
            "bytes",
            vec![(
                of("process_resident_memory_bytes", ""),
                "{{job}} {{instance}}",
            )],
            "Memory held in RAM.",
        )
        .width(6),
        lines(
            "File descriptors",
            "short",
            vec![
                (of("process_open_fds", ""), "open {{job}} {{instance}}"),
                (of("process_max_fds", ""), "allowed {{job}} {{instance}}"),
            ],
            "Descriptors open and allowed; each connection takes one.",
        )
        .log()
        .width(6),
        lines(
            "Threads",
            "short",
            vec![(of("process_threads", ""), "{{job}} {{instance}}")],
            "Threads of the process.",
        )
        .width(6),
    ]
}
