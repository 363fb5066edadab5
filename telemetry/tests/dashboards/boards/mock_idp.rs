//! Mock IdP: what the provider saw, which no client can embellish.

use super::{of, process, quantile, rate, sum};
use crate::board::Board;
use crate::panel::{Panel, lines, stacked, stat, table};

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
            ("Trouble made on purpose", trouble()),
            ("Process", process()),
        ],
        marks: None,
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
        table("Versions", of("mockidp_build_info", ""), "What runs.").width(8),
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
            "Class of HTTP status. A client that went away counts as 4xx.",
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
                sum("", &rate("mockidp_redundant_token_requests_total", "")),
                "redundant",
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
                sum("", &rate("mockidp_tokens_issued_total", "")),
                "access tokens",
            )],
            "Access tokens signed.",
        )
        .width(8),
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
