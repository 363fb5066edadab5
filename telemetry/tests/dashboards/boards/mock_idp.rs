//! Mock IdP: what the provider saw, which no client can embellish.

use super::{buckets, of, process, quantile, rate, sum};
use crate::board::Board;
use crate::panel::{Panel, heatmap, lines, stacked, stat, table};

const DURATION: &str = "mockidp_request_duration_seconds";

pub(crate) fn board() -> Board {
    Board {
        uid: "mock-idp",
        title: "Mock IdP",
        description: "Requests to the mock identity provider, and which of them a cache should have spared it.",
        chosen_by: "mockidp_build_info",
        by_instance: true,
        rows: vec![
            ("Overview", overview()),
            ("Requests", requests()),
            ("Clients", clients()),
            ("Trouble made on purpose", trouble()),
            ("Process", process()),
        ],
        marks: &[],
    }
}

fn overview() -> Vec<Panel> {
    let redundant = sum("", &rate("mockidp_redundant_token_requests_total", ""));
    let all = sum("", &rate("mockidp_token_requests_total", ""));
    vec![
        stat(
            "Token requests",
            "reqps",
            all.clone(),
            "Requests to the token endpoint, a second.",
        ),
        stat(
            "Redundant",
            "percentunit",
            format!("{redundant} / ({all} > 0)"),
            "Token requests for a token that had been issued and was still good, of all.",
        )
        .red_from(0.001),
        stat(
            "Token endpoint p99",
            "s",
            quantile(0.99, DURATION, "", "endpoint=\"token\""),
            "Configured latency included.",
        ),
        stat(
            "In flight",
            "short",
            sum("", &of("mockidp_in_flight_requests", "")),
            "Requests begun and not answered.",
        ),
        stat(
            "Connections",
            "short",
            sum("", &of("mockidp_open_connections", "")),
            "Connections that clients hold.",
        ),
        table("Versions", of("mockidp_build_info", ""), "What runs.").width(4),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        stacked(
            "Requests by endpoint",
            "reqps",
            vec![(
                sum("endpoint", &rate("mockidp_requests_total", "")),
                "{{endpoint}}",
            )],
            "All endpoints.",
        )
        .width(8),
        stacked(
            "Requests by status",
            "reqps",
            vec![(sum("code", &rate("mockidp_requests_total", "")), "{{code}}")],
            "HTTP status. 499 is a client that went away.",
        )
        .width(8),
        stacked(
            "Token requests by grant",
            "reqps",
            vec![(
                sum("grant_type", &rate("mockidp_token_requests_total", "")),
                "{{grant_type}}",
            )],
            "What the token endpoint was asked for.",
        )
        .width(8),
        lines(
            "Redundant requests",
            "reqps",
            vec![(
                sum(
                    "grant_type",
                    &rate("mockidp_redundant_token_requests_total", ""),
                ),
                "{{grant_type}}",
            )],
            "The stampede, seen from outside.",
        )
        .width(8),
        lines(
            "Answer time p99",
            "s",
            vec![(quantile(0.99, DURATION, "endpoint", ""), "{{endpoint}}")],
            "By endpoint, configured latency included.",
        )
        .log()
        .width(8),
        lines(
            "Tokens issued",
            "ops",
            vec![(
                sum("kind", &rate("mockidp_tokens_issued_total", "")),
                "{{kind}}",
            )],
            "By kind; repeated ones of a token pool count as well.",
        )
        .width(8),
    ]
}

fn clients() -> Vec<Panel> {
    let per_request = |bytes: &str| {
        let bytes = sum("endpoint", &rate(bytes, ""));
        let requests = sum("endpoint", &rate("mockidp_requests_total", ""));
        format!("{bytes} / ({requests} > 0)")
    };
    vec![
        stacked(
            "Token requests by client",
            "reqps",
            vec![(
                sum(
                    "client_sku",
                    &rate("mockidp_client_token_requests_total", ""),
                ),
                "{{client_sku}}",
            )],
            "The library that asked, as far as it says so.",
        )
        .width(8),
        stacked(
            "Why caches missed",
            "reqps",
            vec![(
                sum(
                    "cache_refresh_reason",
                    &rate("mockidp_cache_misses_total", ""),
                ),
                "{{cache_refresh_reason}}",
            )],
            "What the clients' telemetry says of it; `not_said` by those that send none.",
        )
        .width(8),
        heatmap(
            "Herds",
            "short",
            buckets("mockidp_herd_size"),
            "Identical token requests open at a time: 1 where a client asks once.",
        )
        .width(8),
        lines(
            "Size of tokens issued",
            "bytes",
            vec![(
                quantile(0.5, "mockidp_issued_token_size_bytes", "kind", ""),
                "{{kind}}",
            )],
            "Median by kind: what a cache has to hold of each.",
        )
        .width(12),
        lines(
            "Bytes per request",
            "bytes",
            vec![
                (
                    per_request("mockidp_request_body_bytes_total"),
                    "received {{endpoint}}",
                ),
                (
                    per_request("mockidp_response_body_bytes_total"),
                    "sent {{endpoint}}",
                ),
            ],
            "Bodies alone, by endpoint.",
        )
        .log()
        .width(12),
    ]
}

fn trouble() -> Vec<Panel> {
    vec![
        stacked(
            "Throttled",
            "reqps",
            vec![(
                sum("policy", &rate("mockidp_throttled_requests_total", "")),
                "{{policy}}",
            )],
            "Requests refused with 429, by the kind of limit.",
        ),
        stacked(
            "Faults",
            "reqps",
            vec![(
                sum("fault", &rate("mockidp_faults_injected_total", "")),
                "{{fault}}",
            )],
            "Faults injected, by kind.",
        ),
    ]
}
