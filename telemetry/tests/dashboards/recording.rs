//! Recorded names over the project's own metrics: what alerts and the top rows
//! of dashboards read, whichever library they come from.

use crate::rule::{Group, Rule, Windows, record};

/// One second, as text formats and as OpenMetrics spell an edge.
pub(crate) const ONE_SECOND: &str = r#"le=~"1(\\.0)?""#;

/// The windows that budget burn is computed over, each once.
pub(crate) fn burn_windows(windows: &Windows) -> Vec<&'static str> {
    let (fast, slow) = (windows.fast_burn, windows.slow_burn);
    let mut all = vec![fast.0, fast.1, slow.0, slow.1];
    all.sort_unstable();
    all.dedup();
    all
}

pub(crate) fn groups(windows: &Windows) -> Vec<Group> {
    let w = windows.rate;
    let acquisitions = "tokencache_acquisitions_total";
    let mut rules: Vec<Rule> = vec![
        record(
            format!("job:tokencache_acquisitions:rate{w}"),
            format!("sum by (job) (rate({acquisitions}[{w}]))"),
        ),
        record(
            format!("job_token_source:tokencache_acquisitions:rate{w}"),
            format!(
                "sum by (job, token_source) (rate({acquisitions}{{outcome=\"success\"}}[{w}]))"
            ),
        ),
        hit_ratio(w),
        record(
            format!("job_cache_refresh_reason:tokencache_acquisitions:rate{w}"),
            format!(
                "sum by (job, cache_refresh_reason) (\n  rate({acquisitions}{{outcome=\"success\",token_source=\"identity_provider\"}}[{w}])\n)"
            ),
        ),
        record(
            format!("job:tokencache_acquisition_errors_per_acquisitions:ratio_rate{w}"),
            format!(
                "  sum by (job) (rate({acquisitions}{{outcome=\"error\"}}[{w}]))\n/\n  (job:tokencache_acquisitions:rate{w} > 0)"
            ),
        ),
        record(
            format!("job:tokencache_background_refreshes:rate{w}"),
            format!("sum by (job) (rate(tokencache_background_refreshes_total[{w}]))"),
        ),
        record(
            format!("job:tokencache_acquisitions_slow:ratio_rate{w}"),
            share_beyond("tokencache_acquire_duration_seconds", "", ONE_SECOND, w),
        ),
    ];
    for window in burn_windows(windows) {
        rules.push(record(
            format!("job:tokencache_acquisitions_bad:ratio_rate{window}"),
            share_beyond(
                "tokencache_acquire_duration_seconds",
                "outcome=\"success\",",
                ONE_SECOND,
                window,
            ),
        ));
    }
    for (metric, quantile, name) in [
        ("tokencache_acquire_duration_seconds", 0.5, "p50"),
        ("tokencache_acquire_duration_seconds", 0.99, "p99"),
        ("tokencache_acquire_cache_duration_seconds", 0.99, "p99"),
        ("tokencache_acquire_http_duration_seconds", 0.99, "p99"),
    ] {
        rules.push(record(
            format!("job:{metric}:{name}_rate{w}"),
            // Without observations the quantile is no number, and not recorded.
            format!(
                "histogram_quantile({quantile}, sum by (job, le) (rate({metric}_bucket[{w}]))) >= 0"
            ),
        ));
    }
    vec![Group {
        name: "token-cache",
        rules,
    }]
}

/// The hit ratio, from what is recorded before it.
pub(crate) fn hit_ratio(w: &str) -> Rule {
    let by_source = format!("job_token_source:tokencache_acquisitions:rate{w}");
    record(
        format!("job:tokencache_cache_acquisitions_per_acquisitions:ratio_rate{w}"),
        format!(
            "  sum by (job) ({by_source}{{token_source=\"cache\"}})\n/\n  (sum by (job) ({by_source}) > 0)"
        ),
    )
}

/// The share of observations that are not both `good` and within an edge.
pub(crate) fn share_beyond(histogram: &str, good: &str, edge: &str, w: &str) -> String {
    format!(
        "1 -\n    sum by (job) (rate({histogram}_bucket{{{good}{edge}}}[{w}]))\n  /\n    (sum by (job) (rate({histogram}_count[{w}])) > 0)"
    )
}
