//! The same run under MSAL.NET's own names, units and buckets, so that the
//! alerts a team has on a production MSAL.NET can be rehearsed as they are.
//!
//! The client says what MSAL.NET's meter would be told
//! ([`token_client::msal_metrics`]); here it is kept as OpenTelemetry's Prometheus
//! exporter for .NET shows it. A series appears with its first measurement, as
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use telemetry::catalogue as metric;
use telemetry::{Family, Histogram, Kind, Metric, Values, errors};
use token_client::msal_metrics::{Instrument, METER, Meter, Tag};

/// Every measurement so far. Only runs that are asked for it pay for it.
#[derive(Debug, Default)]
pub struct MsalDotnet(RwLock<BTreeMap<Series, Arc<Kept>>>);

/// A family's name, and the values of its labels.
type Series = (&'static str, Vec<String>);

#[derive(Debug)]
enum Kept {
    Count(AtomicU64),
    Distribution(Histogram),
}

impl Meter for MsalDotnet {
    fn record(&self, instrument: Instrument, value: u64, tags: &[Tag]) {
        let Some(metric) = family(instrument) else {
            return;
        };
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| label_value(label, tags))
            .collect();
        match &*self.kept(metric, labels) {
            Kept::Count(count) => {
                count.fetch_add(value, Ordering::Relaxed);
            }
            Kept::Distribution(histogram) => histogram.record_whole(value),
        }
    }
}

impl MsalDotnet {
    fn kept(&self, metric: &'static Metric, labels: Vec<String>) -> Arc<Kept> {
        let series = (metric.name, labels);
        if let Some(kept) = self.0.read().get(&series) {
            return Arc::clone(kept);
        }
        let new = || {
            Arc::new(match metric.kind {
                Kind::Histogram(edges) => Kept::Distribution(Histogram::new(edges)),
                Kind::Counter | Kind::Gauge => Kept::Count(AtomicU64::new(0)),
            })
        };
        Arc::clone(self.0.write().entry(series).or_insert_with(new))
    }

    /// Everything under MSAL.NET's names.
    pub fn families(&self) -> Vec<Family> {
        let all = self.0.read();
        let families = metric::msal_dotnet_families().into_iter();
        families
            .map(|metric| {
                let series = all.iter().filter(|((name, _), _)| *name == metric.name);
                series.fold(Family::of(metric), |family, ((_, labels), kept)| {
                    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                    match &**kept {
                        Kept::Count(count) => family.count(&labels, count.load(Ordering::Relaxed)),
                        Kept::Distribution(histogram) => {
                            family.histogram(&labels, histogram.sample())
                        }
                    }
                })
            })
            .collect()
    }
}

/// The family that shows an instrument; `None` for those of the second
/// generation, which nobody turns on here.
fn family(instrument: Instrument) -> Option<&'static Metric> {
    match instrument {
        Instrument::Success => Some(&metric::MSAL_SUCCESS),
        Instrument::Failure => Some(&metric::MSAL_FAILURE),
        Instrument::TotalDuration => Some(&metric::MSAL_TOTAL_DURATION),
        Instrument::DurationInL1Cache => Some(&metric::MSAL_L1_DURATION),
        Instrument::DurationInL2Cache => Some(&metric::MSAL_L2_DURATION),
        Instrument::DurationInHttp => Some(&metric::MSAL_HTTP_DURATION),
        Instrument::DurationInExtension => Some(&metric::MSAL_EXTENSION_DURATION),
        Instrument::RemainingTokenLifetime => Some(&metric::MSAL_REMAINING_LIFETIME),
        Instrument::TotalDurationV2 | Instrument::DurationInHttpV2 => None,
    }
}

/// A tag's value as a label's. What a provider can make up, error codes and token
/// types, is one of a closed list here.
fn label_value(label: &telemetry::Label, tags: &[Tag]) -> String {
    if label.name == "otel_scope_name" {
        return METER.to_owned();
    }
    let tag = tags.iter().find(|(name, _)| *name == label.name);
    let value = tag.map_or("", |(_, value)| &**value);
    match (label.name, label.values) {
        ("ErrorCode", _) => error_code(errors::class(value)).to_owned(),
        ("TokenType", Values::Closed(known)) if !known.contains(&value) => "Extension".to_owned(),
        _ => value.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(of: &[(&'static str, &str)]) -> Vec<Tag> {
        let tag = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned().into());
        of.iter().map(tag).collect()
    }

    const HIT: [(&str, &str); 7] = [
        ("MsalVersion", "1"),
        ("Platform", "Rust"),
        ("ApiId", "AcquireTokenForClient"),
        ("TokenSource", "Cache"),
        ("CacheLevel", "L1Cache"),
        ("CacheRefreshReason", "NotApplicable"),
        ("TokenType", "Bearer"),
    ];

    #[test]
    fn measurements_are_shown_as_opentelemetry_for_dotnet_shows_them() {
        let kept = MsalDotnet::default();
        kept.record(Instrument::Success, 1, &tags(&HIT));
        kept.record(Instrument::Success, 1, &tags(&HIT));
        for microseconds in [7, 12_000] {
            kept.record(Instrument::DurationInL1Cache, microseconds, &tags(&HIT));
        }
        let text = telemetry::render(kept.families());
        for line in [
            "MsalSuccess_total{MsalVersion=\"1\",Platform=\"Rust\",ApiId=\"AcquireTokenForClient\",TokenSource=\"Cache\",CacheRefreshReason=\"NotApplicable\",CacheLevel=\"L1Cache\",TokenType=\"Bearer\",otel_scope_name=\"MicrosoftIdentityClient_Common_Meter\"} 2",
            "otel_scope_name=\"MicrosoftIdentityClient_Common_Meter\",le=\"10\"} 1",
            "otel_scope_name=\"MicrosoftIdentityClient_Common_Meter\",le=\"10000\"} 1",
            "otel_scope_name=\"MicrosoftIdentityClient_Common_Meter\",le=\"+Inf\"} 2",
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(!text.contains("MsalFailure"), "nobody has failed: {text}");
    }

    #[test]
    fn what_a_provider_makes_up_is_one_of_a_closed_list() {
        let kept = MsalDotnet::default();
        for code in ["invalid_grant", "made_up", "made_up_too"] {
            let tags = tags(&[("ErrorCode", code), ("TokenType", "weird")]);
            let all = [tags, self::tags(&HIT[..6])].concat();
            kept.record(Instrument::Failure, 1, &all);
        }
        let text = telemetry::render(kept.families());
        let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(series.len(), 2, "{text}");
        assert!(series[0].contains("ErrorCode=\"invalid_grant\"") && series[0].ends_with(" 1"));
        assert!(series[1].contains("ErrorCode=\"unknown_error\"") && series[1].ends_with(" 2"));
        assert!(series[1].contains("TokenType=\"Extension\""), "{text}");
    }
}
