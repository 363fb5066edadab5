//! Token cache: for any service that exports the cache's metrics.

use super::{buckets, of, quantile, rate, sum};
use crate::board::Board;
use crate::panel::{Panel, heatmap, lines, stacked, stat, table};

const ACQUISITIONS: &str = "tokencache_acquisitions_total";
const TOTAL: &str = "tokencache_acquire_duration_seconds";
const CACHE: &str = "tokencache_acquire_cache_duration_seconds";
const HTTP: &str = "tokencache_acquire_http_duration_seconds";
const OPERATIONS: &str = "tokencache_operations_total";

pub(crate) fn board() -> Board {
    Board {
        uid: "token-cache",
        title: "Token cache",
        description: "Where tokens come from, why they are missed, how long they take.",
        chosen_by: "tokencache_build_info",
        by_instance: true,
        rows: vec![
            ("Overview", overview()),
            ("Where tokens come from", sources()),
            ("How long it takes", times()),
            ("Shared store (L2)", store()),
            ("Size", size()),
            ("Refresh and errors", refresh()),
        ],
        marks: &[],
    }
}

fn overview() -> Vec<Panel> {
    let hits = sum(
        "",
        &rate(ACQUISITIONS, "outcome=\"success\",token_source=\"cache\""),
    );
    let tokens = sum("", &rate(ACQUISITIONS, "outcome=\"success\""));
    let errors = sum("", &rate(ACQUISITIONS, "outcome=\"error\""));
    let all = sum("", &rate(ACQUISITIONS, ""));
    let misses = sum(
        "",
        &rate(ACQUISITIONS, "token_source=\"identity_provider\""),
    );
    let behind = sum("", &rate("tokencache_background_refreshes_total", ""));
    let within = format!(
        "sum(increase({}[$__range]))",
        of(
            &format!("{TOTAL}_bucket"),
            "outcome=\"success\",le=~\"1(\\\\.0)?\""
        )
    );
    let of_all = format!(
        "sum(increase({}[$__range]))",
        of(&format!("{TOTAL}_count"), "")
    );
    vec![
        stat("Hit ratio", "percentunit", format!("{hits} / ({tokens} > 0)"), "Tokens from the cache, of all tokens given out. Background refreshes are no acquisitions and not in it.").red_below(0.9),
        stat("Acquisition p50", "s", quantile(0.5, TOTAL, "", ""), "Half of all acquisitions take no longer."),
        stat("Acquisition p99", "s", quantile(0.99, TOTAL, "", ""), "All but one in a hundred acquisitions take no longer.").red_from(1.0),
        stat("Acquisitions", "ops", all.clone(), "Acquisitions that callers waited for, a second."),
        stat("Provider calls", "ops", format!("{misses} + {behind}"), "Tokens fetched from the identity provider, a second, refreshes behind served tokens included."),
        stat("Error ratio", "percentunit", format!("{errors} / ({all} > 0)"), "Acquisitions without a token, of all.").red_from(0.001),
        stat("Error budget left", "percentunit", format!("1 - (1 - {within} / ({of_all} > 0)) / 0.001"), "Of 0.1 % that may fail or take over a second in the time shown, what is left; below zero it is overspent.").red_below(0.0),
        stat("Running for", "s", format!("time() - {}", of("tokencache_start_timestamp_seconds", "")), "Since the cache started. A young cache is cold."),
        table("Versions", of("tokencache_build_info", ""), "What runs.").width(16),
    ]
}

fn sources() -> Vec<Panel> {
    vec![
        stacked(
            "Acquisitions by source",
            "ops",
            vec![
                (
                    sum(
                        "cache_level",
                        &rate(ACQUISITIONS, "outcome=\"success\",token_source=\"cache\""),
                    ),
                    "{{cache_level}}",
                ),
                (
                    sum(
                        "token_source",
                        &rate(
                            ACQUISITIONS,
                            "outcome=\"success\",token_source=\"identity_provider\"",
                        ),
                    ),
                    "{{token_source}}",
                ),
                (
                    sum("outcome", &rate(ACQUISITIONS, "outcome=\"error\"")),
                    "{{outcome}}",
                ),
            ],
            "By the cache level that served, from the identity provider, or failed.",
        ),
        stacked(
            "Misses by reason",
            "ops",
            vec![(
                sum(
                    "cache_refresh_reason",
                    &rate(
                        ACQUISITIONS,
                        "outcome=\"success\",token_source=\"identity_provider\"",
                    ),
                ),
                "{{cache_refresh_reason}}",
            )],
            "Why the identity provider was asked, in MSAL's words.",
        ),
    ]
}

fn times() -> Vec<Panel> {
    let slow = rate(&format!("{TOTAL}_bucket"), "le=~\"1(\\\\.0)?\"");
    let all = rate(&format!("{TOTAL}_count"), "");
    vec![
        lines(
            "Acquisition time and its parts",
            "s",
            vec![
                (quantile(0.5, TOTAL, "", ""), "total p50"),
                (quantile(0.99, TOTAL, "", ""), "total p99"),
                (quantile(0.99, CACHE, "", ""), "in cache p99"),
                (quantile(0.99, HTTP, "", ""), "in HTTP p99"),
            ],
            "DurationTotalInMs, DurationInCacheInMs and DurationInHttpInMs of MSAL, in seconds.",
        )
        .log(),
        heatmap(
            "Acquisition times",
            "s",
            buckets(TOTAL),
            "How many acquisitions took how long.",
        ),
        lines(
            "Slower than a second",
            "percentunit",
            vec![(
                format!("1 - {} / ({} > 0)", sum("", &slow), sum("", &all)),
                "slower than 1 s",
            )],
            "Exact, since one second is an edge of the histogram.",
        )
        .red_from(0.01),
        lines(
            "Acquisition p99 by source",
            "s",
            vec![(
                quantile(0.99, TOTAL, "token_source", ""),
                "{{token_source}}",
            )],
            "Of tokens from the cache, from the provider, and of acquisitions without one.",
        )
        .log(),
    ]
}

fn store() -> Vec<Panel> {
    let errors = sum(
        "",
        &rate(OPERATIONS, "level=\"l2\",outcome=~\"error|timeout\""),
    );
    let all = sum("", &rate(OPERATIONS, "level=\"l2\""));
    vec![
        stacked(
            "Store operations",
            "ops",
            vec![(
                sum("operation, outcome", &rate(OPERATIONS, "level=\"l2\"")),
                "{{operation}} {{outcome}}",
            )],
            "What is asked of the shared store, and how it ends.",
        )
        .width(8),
        lines(
            "Store errors",
            "percentunit",
            vec![(format!("{errors} / ({all} > 0)"), "errors")],
            "Operations that failed, of all. Callers do not see them; the next cold start will.",
        )
        .red_from(0.01)
        .width(8),
        lines(
            "Store p99",
            "s",
            vec![(
                quantile(
                    0.99,
                    "tokencache_operation_duration_seconds",
                    "operation",
                    "",
                ),
                "{{operation}}",
            )],
            "Time of an operation on the shared store.",
        )
        .log()
        .width(8),
        heatmap(
            "Partition sizes",
            "bytes",
            buckets("tokencache_blob_size_bytes"),
            "Sizes of partitions read from and written to the store. Each is moved whole.",
        )
        .width(24),
    ]
}

fn size() -> Vec<Panel> {
    let bytes = of("tokencache_size_bytes", "");
    let partitions = of("tokencache_partitions", "");
    vec![
        lines("Partitions", "short", vec![(sum("level", &partitions), "{{level}}")], "Partitions held.").width(8),
        lines(
            "Bytes",
            "bytes",
            vec![
                (sum("level", &bytes), "{{level}}"),
                (sum("level", &of("tokencache_capacity_bytes", "")), "{{level}} at most"),
            ],
            "Bytes held, and the most a level may hold, where it has a bound.",
        )
        .log()
        .width(8),
        lines(
            "Bytes per partition",
            "bytes",
            vec![(format!("{} / ({} > 0)", sum("level", &bytes), sum("level", &partitions)), "{{level}}")],
            "MSAL.NET's documentation reckons with 2 to 3 kB for an app token and about 7 kB for a user.",
        )
        .width(8),
        stacked(
            "Entries in memory by kind",
            "short",
            vec![(sum("kind", &of("tokencache_entries", "level=\"l1\"")), "{{kind}}")],
            "What L1's partitions are made of. A partition that collects access tokens shows here.",
        )
        .width(8),
        stacked(
            "Bytes in memory by kind",
            "bytes",
            vec![(sum("kind", &of("tokencache_size_bytes", "level=\"l1\"")), "{{kind}}")],
            "What L1's bytes are; other is metadata and what L1 needs to find its entries.",
        )
        .width(8),
        lines(
            "Partitions gone",
            "ops",
            vec![(sum("level, cause", &rate("tokencache_evictions_total", "")), "{{level}} {{cause}}")],
            "By cause: pushed out by the size limit, expired, removed on request, replaced by a newer state. Only the first says that a level is too small.",
        )
        .width(8),
    ]
}

fn refresh() -> Vec<Panel> {
    vec![
        lines(
            "Background refreshes",
            "ops",
            vec![(sum("outcome", &rate("tokencache_background_refreshes_total", "")), "{{outcome}}")],
            "Tokens replaced behind a caller that was served.",
        )
        .width(6),
        lines(
            "Coalesced",
            "ops",
            vec![
                (sum("", &rate("tokencache_coalesced_acquisitions_total", "")), "coalesced"),
                (sum("", &of("tokencache_in_flight_fetches", "")), "fetches in flight"),
            ],
            "Acquisitions a second that waited for another's fetch instead of making their own, and fetches under way now.",
        )
        .width(6),
        lines(
            "Lifetime left, p10",
            "s",
            vec![(quantile(0.1, "tokencache_token_remaining_lifetime_seconds", "token_source", ""), "{{token_source}}")],
            "Nine in ten tokens given out live at least this long. MSAL replaces those with less than five minutes.",
        )
        .width(6),
        stacked(
            "Errors by class",
            "ops",
            vec![(sum("error", &rate("tokencache_acquisition_errors_total", "")), "{{error}}")],
            "Acquisitions without a token.",
        )
        .width(6),
    ]
}
