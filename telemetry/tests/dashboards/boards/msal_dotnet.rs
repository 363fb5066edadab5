//! MSAL.NET in production: the recorded names of the token cache board, made
//! from MSAL.NET's own meter.

use crate::board::Board;
use crate::panel::{lines, stacked, stat};

fn recorded(name: &str) -> String {
    format!("{name}{{job=~\"$job\"}}")
}

pub(crate) fn board() -> Board {
    let total = "job:tokencache_acquire_duration_seconds";
    let hit_ratio = recorded("job:tokencache_cache_acquisitions_per_acquisitions:ratio_rate5m");
    let errors = recorded("job:tokencache_acquisition_errors_per_acquisitions:ratio_rate5m");
    let slow = recorded("job:tokencache_acquisitions_slow:ratio_rate5m");
    let all = recorded("job:tokencache_acquisitions:rate5m");
    let behind = recorded("job:tokencache_background_refreshes:rate5m");
    let by_source = recorded("job_token_source:tokencache_acquisitions:rate5m");
    Board {
        uid: "msal-dotnet",
        title: "MSAL.NET in production",
        description: "A service with MSAL.NET, through dashboards/prometheus/msal-dotnet.rules.yml. Works for every job with the recorded names.",
        chosen_by: "job:tokencache_acquisitions:rate5m",
        by_instance: false,
        rows: vec![
            (
                "Overview",
                vec![
                    stat("Hit ratio", "percentunit", hit_ratio.clone(), "Tokens from the cache, of all tokens callers waited for. A proactive refresh counts once.").red_below(0.9),
                    stat("Acquisition p50", "s", recorded(&format!("{total}:p50_rate5m")), "Half of all acquisitions take no longer. MSAL.NET's buckets begin at 5 ms."),
                    stat("Acquisition p99", "s", recorded(&format!("{total}:p99_rate5m")), "All but one in a hundred acquisitions take no longer.").red_from(1.0),
                    stat("Acquisitions", "ops", all, "Acquisitions a second, failed ones included."),
                    stat("Error ratio", "percentunit", errors.clone(), "Acquisitions without a token, of all.").red_from(0.001),
                    stat("Background refreshes", "ops", behind.clone(), "Fetches behind served tokens, which MSAL.NET counts as successes of the provider."),
                ],
            ),
            (
                "Where tokens come from",
                vec![
                    stacked("Acquisitions by source", "ops", vec![(by_source, "{{token_source}}")], "From the cache, from the identity provider."),
                    stacked(
                        "Misses by reason",
                        "ops",
                        vec![(recorded("job_cache_refresh_reason:tokencache_acquisitions:rate5m"), "{{cache_refresh_reason}}")],
                        "Why the identity provider was asked.",
                    ),
                    lines("Hit ratio", "percentunit", vec![(hit_ratio, "{{job}}")], "Over time.").red_below(0.9),
                    lines("Background refreshes", "ops", vec![(behind, "{{job}}")], "Over time."),
                ],
            ),
            (
                "How long it takes",
                vec![
                    lines(
                        "Acquisition time and its parts",
                        "s",
                        vec![
                            (recorded(&format!("{total}:p50_rate5m")), "total p50"),
                            (recorded(&format!("{total}:p99_rate5m")), "total p99"),
                            (recorded("job:tokencache_acquire_l1_duration_seconds:p99_rate5m"), "served by L1 p99"),
                            (recorded("job:tokencache_acquire_cache_duration_seconds:p99_rate5m"), "in L2 p99"),
                            (recorded("job:tokencache_acquire_http_duration_seconds:p99_rate5m"), "in HTTP p99"),
                        ],
                        "DurationTotalInMs, DurationInCacheInMs and DurationInHttpInMs; and the whole of acquisitions that L1 served, which MSAL.NET counts in microseconds.",
                    )
                    .log(),
                    lines("Slower than a second", "percentunit", vec![(slow, "{{job}}")], "Exact on an unmodified MSAL.NET: 1000 ms is one of OpenTelemetry's default edges.").red_from(0.01),
                    lines(
                        "Budget burn",
                        "percentunit",
                        vec![
                            (recorded("job:tokencache_acquisitions_bad:ratio_rate5m"), "5m"),
                            (recorded("job:tokencache_acquisitions_bad:ratio_rate30m"), "30m"),
                            (recorded("job:tokencache_acquisitions_bad:ratio_rate1h"), "1h"),
                            (recorded("job:tokencache_acquisitions_bad:ratio_rate6h"), "6h"),
                        ],
                        "Share of acquisitions that failed or took over a second, by window.",
                    )
                    .red_from(0.001),
                    lines("Lifetime left, p10", "s", vec![(recorded("job:tokencache_token_remaining_lifetime_seconds:p10_rate5m"), "{{job}}")], "Nine in ten tokens given out live at least this long."),
                    lines("In extensions p99", "s", vec![(recorded("job:tokencache_acquire_extension_duration_seconds:p99_rate5m"), "{{job}}")], "Formatting tokens that are not bearer tokens."),
                    lines("Errors", "percentunit", vec![(errors, "{{job}}")], "Acquisitions without a token, of all."),
                ],
            ),
        ],
        marks: &[],
    }
}
