//! The same run under MSAL.NET's own names, units and buckets, so that the
//! alerts a team has on a production MSAL.NET can be rehearsed as they are.

use std::collections::BTreeMap;

use telemetry::catalogue as metric;
use telemetry::{Family, HistogramSample, Kind, Metric};

use super::Scrape;
use crate::record::flow::FlowRecord;
use crate::record::histogram::Times;
use crate::record::ways::How;
use crate::scenario::plan::Flow;

/// Values of the tags that say which library runs: the versions imitated.
const LIBRARY: [&str; 3] = ["4.85.1.0", "net8.0", "MicrosoftIdentityClient_Common_Meter"];

impl Scrape<'_> {
    /// Everything under MSAL.NET's names.
    ///
    /// MSAL.NET gives its histograms more tags (`ApiId`, `CacheLevel`,
    /// `CacheRefreshReason`); here they are summed over them.
    pub fn msal_dotnet(&self) -> Vec<Family> {
        let mut success = Family::of(&metric::MSAL_SUCCESS);
        let mut failure = Family::of(&metric::MSAL_FAILURE);
        let mut all = FlowRecord::default();
        // Two ways of ours can be one of MSAL's: sums by its words.
        let mut counts = BTreeMap::<[&str; 4], u64>::new();
        let mut codes = BTreeMap::<[&str; 2], u64>::new();
        for of_flow in self.by_flow() {
            for (how, count) in of_flow.ways() {
                *counts.entry(tags(of_flow.flow, &how)).or_default() += count;
            }
            // MSAL.NET counts a proactive refresh twice: the caller above, from
            // the cache, and here the fetch behind it.
            let behind = [
                api_of_cached(of_flow.flow),
                "IdentityProvider",
                "None",
                "ProactivelyRefreshed",
            ];
            *counts.entry(behind).or_default() += of_flow.record.refreshes.succeeded;
            for (class, count) in of_flow.errors {
                let tags = [api_of_cached(of_flow.flow), error_code(class)];
                *codes.entry(tags).or_default() += count;
            }
            all.add(&of_flow.record);
        }
        for (tags, count) in counts {
            success = success.count(&with_library(&tags), count);
        }
        for (tags, count) in codes {
            failure = failure.count(&with_library(&tags), count);
        }
        let by_source = |metric: &'static Metric, samples: &[(&str, &Times)]| {
            samples
                .iter()
                .fold(Family::of(metric), |family, (source, times)| {
                    family.histogram(&with_library(&[source]), milliseconds(metric, times))
                })
        };
        vec![
            success,
            failure,
            by_source(
                &metric::MSAL_TOTAL_DURATION,
                &[
                    ("Cache", &all.from_cache.total),
                    ("IdentityProvider", &all.from_provider.total),
                ],
            ),
            by_source(
                &metric::MSAL_HTTP_DURATION,
                &[("IdentityProvider", &all.from_provider.http)],
            ),
            by_source(&metric::MSAL_L2_DURATION, &[("Cache", &all.from_l2)]),
        ]
    }
}

fn with_library<'a>(tags: &[&'a str]) -> Vec<&'a str> {
    tags.iter().copied().chain(LIBRARY).collect()
}

/// `ApiId`, `TokenSource`, `CacheLevel` and `CacheRefreshReason`.
fn tags(flow: Flow, (source, level, reason): &How) -> [&'static str; 4] {
    // Only redeeming a code passes over the cache without being asked to.
    let redeems = *source == "identity_provider" && *reason == "not_applicable";
    let api = match flow {
        Flow::AuthorizationCode if redeems => "AcquireTokenByAuthorizationCode",
        _ => api_of_cached(flow),
    };
    let source = match *source {
        "identity_provider" => "IdentityProvider",
        _ => "Cache",
    };
    let level = match *level {
        "none" => "None",
        "l1" => "L1Cache",
        "l2" => "L2Cache",
        _ => "Unknown",
    };
    let reason = match *reason {
        "no_cached_access_token" => "NoCachedAccessToken",
        "expired" => "Expired",
        "force_refresh_or_claims" => "ForceRefreshOrClaims",
        "proactively_refreshed" => "ProactivelyRefreshed",
        "cache_disabled" => "CacheDisabled",
        _ => "NotApplicable",
    };
    [api, source, level, reason]
}

/// The call of MSAL.NET that can be served from its cache, by flow.
fn api_of_cached(flow: Flow) -> &'static str {
    match flow {
        Flow::ClientCredentials => "AcquireTokenForClient",
        Flow::AuthorizationCode | Flow::Silent => "AcquireTokenSilent",
        Flow::OnBehalfOf => "AcquireTokenOnBehalfOf",
        Flow::LongRunningObo => "AcquireTokenInLongRunningObo",
        Flow::RefreshToken => "AcquireTokenByRefreshToken",
        Flow::ManagedIdentity => "AcquireTokenForSystemAssignedManagedIdentity",
    }
}

/// MSAL.NET's `ErrorCode` for a class of errors.
fn error_code(class: &str) -> &'static str {
    match class {
        "throttled" => "throttled",
        "server_error" => "server_error",
        "timeout" => "request_timeout",
        "connection" => "http_request_failed",
        "invalid_grant" => "invalid_grant",
        "invalid_client" => "invalid_client",
        "interaction_required" => "interaction_required",
        "cache" => "json_parse_failed",
        _ => "unknown_error",
    }
}

/// Folded at MSAL.NET's edges. The truth is in nanoseconds, so a time is in the
/// bucket of its exact length; MSAL.NET itself rounds down to milliseconds.
fn milliseconds(metric: &Metric, times: &Times) -> HistogramSample {
    let Kind::Histogram(edges) = metric.kind else {
        return HistogramSample::default();
    };
    let seconds: Vec<f64> = edges.iter().map(|edge| edge / 1_000.0).collect();
    let folded = times.fold(&seconds);
    HistogramSample {
        cumulative: folded.cumulative,
        count: folded.count,
        sum: folded.sum * 1_000.0,
        ..HistogramSample::default()
    }
}
