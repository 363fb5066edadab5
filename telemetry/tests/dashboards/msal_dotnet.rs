//! MSAL.NET's own meter under the same recorded names.
//!
//! MSAL.NET counts a proactive refresh twice: the caller, served from the cache,
//! and the fetch behind it, as a success of the identity provider. The latter is
//! no acquisition that anyone waited for and is taken out here.

use crate::recording::{burn_windows, hit_ratio};
use crate::rule::{Group, Rule, Windows, labelled, record};

/// The fetches behind served tokens.
const BEHIND: &str = r#"TokenSource="IdentityProvider",CacheRefreshReason="ProactivelyRefreshed""#;

/// One second in MSAL.NET's milliseconds, one of OpenTelemetry's default edges.
const ONE_SECOND: &str = r#"le=~"1000(\\.0)?""#;

pub(crate) fn groups(windows: &Windows) -> Vec<Group> {
    let w = windows.rate;
    let total = "MsalTotalDuration_1A_milliseconds";
    let failures = |w: &str| {
        // Nobody has failed yet: MSAL.NET has no such series then.
        format!(
            "(\n      sum by (job) (rate(MsalFailure_total[{w}]))\n    or\n      0 * sum by (job) (rate({total}_count[{w}]))\n  )"
        )
    };
    let foreground = format!(
        "sum by (job) (rate(MsalSuccess_total[{w}]) unless rate(MsalSuccess_total{{{BEHIND}}}[{w}]))"
    );
    let mut rules: Vec<Rule> = vec![
        record(
            format!("job:tokencache_acquisitions:rate{w}"),
            format!(
                "  {foreground}\n+\n  (\n      sum by (job) (rate(MsalFailure_total[{w}]))\n    or\n      0 * sum by (job) (rate(MsalSuccess_total[{w}]))\n  )"
            ),
        ),
        labelled(
            format!("job_token_source:tokencache_acquisitions:rate{w}"),
            format!("sum by (job) (rate(MsalSuccess_total{{TokenSource=\"Cache\"}}[{w}]))"),
            ("token_source", "cache"),
        ),
        labelled(
            format!("job_token_source:tokencache_acquisitions:rate{w}"),
            format!(
                "sum by (job) (\n    rate(MsalSuccess_total{{TokenSource=\"IdentityProvider\"}}[{w}])\n  unless\n    rate(MsalSuccess_total{{{BEHIND}}}[{w}])\n)"
            ),
            ("token_source", "identity_provider"),
        ),
        hit_ratio(w),
        record(
            format!("job:tokencache_background_refreshes:rate{w}"),
            // Nobody has been refreshed yet: MSAL.NET has no such series then.
            format!(
                "  sum by (job) (rate(MsalSuccess_total{{{BEHIND}}}[{w}]))\nor\n  0 * sum by (job) (rate(MsalSuccess_total[{w}]))"
            ),
        ),
        record(
            format!("job:tokencache_acquisition_errors_per_acquisitions:ratio_rate{w}"),
            format!(
                "  (\n      sum by (job) (rate(MsalFailure_total[{w}]))\n    or\n      0 * sum by (job) (rate(MsalSuccess_total[{w}]))\n  )\n/\n  (job:tokencache_acquisitions:rate{w} > 0)"
            ),
        ),
        record(
            format!("job:tokencache_acquisitions_slow:ratio_rate{w}"),
            format!(
                "1 -\n    sum by (job) (rate({total}_bucket{{{ONE_SECOND}}}[{w}]))\n  /\n    (sum by (job) (rate({total}_count[{w}])) > 0)"
            ),
        ),
    ];
    for (theirs, ours) in [
        ("NotApplicable", "not_applicable"),
        ("NoCachedAccessToken", "no_cached_access_token"),
        ("Expired", "expired"),
        ("ForceRefreshOrClaims", "force_refresh_or_claims"),
    ] {
        rules.push(labelled(
            format!("job_cache_refresh_reason:tokencache_acquisitions:rate{w}"),
            format!(
                "sum by (job) (rate(MsalSuccess_total{{TokenSource=\"IdentityProvider\",CacheRefreshReason=\"{theirs}\"}}[{w}]))"
            ),
            ("cache_refresh_reason", ours),
        ));
    }
    for window in burn_windows(windows) {
        rules.push(record(
            format!("job:tokencache_acquisitions_bad:ratio_rate{window}"),
            format!(
                "1 -\n    sum by (job) (rate({total}_bucket{{{ONE_SECOND}}}[{window}]))\n  /\n    ((sum by (job) (rate({total}_count[{window}])) + {}) > 0)",
                failures(window)
            ),
        ));
    }
    rules.extend(quantiles(w));
    vec![Group {
        name: "msal-dotnet",
        rules,
    }]
}

/// Times under our names and in our units.
fn quantiles(w: &str) -> Vec<Rule> {
    let total = "MsalTotalDuration_1A_milliseconds";
    // MSAL.NET's units, in parts of ours.
    let (seconds, milliseconds, microseconds) = ("", " / 1000", " / 1000000");
    [
        (total, milliseconds, "acquire_duration", 0.5, "p50"),
        (total, milliseconds, "acquire_duration", 0.99, "p99"),
        (
            "MsalDurationInL1CacheInUs_1B_microseconds",
            microseconds,
            "acquire_l1_duration",
            0.99,
            "p99",
        ),
        (
            "MsalDurationInL2Cache_1A_milliseconds",
            milliseconds,
            "acquire_cache_duration",
            0.99,
            "p99",
        ),
        (
            "MsalDurationInHttp_1A_milliseconds",
            milliseconds,
            "acquire_http_duration",
            0.99,
            "p99",
        ),
        (
            "MsalDurationInExtensionInMs_1B_microseconds",
            microseconds,
            "acquire_extension_duration",
            0.99,
            "p99",
        ),
        (
            "MsalRemainingTokenLifetime_1A_seconds",
            seconds,
            "token_remaining_lifetime",
            0.1,
            "p10",
        ),
    ]
    .map(|(metric, unit, ours, quantile, name)| {
        record(
            format!("job:tokencache_{ours}_seconds:{name}_rate{w}"),
            format!("histogram_quantile({quantile}, sum by (job, le) (rate({metric}_bucket[{w}]))){unit} >= 0"),
        )
    })
    .into()
}
