//! The server's numbers, kept as atomics on the way of a request and turned into Prometheus text
//! when scraped.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use telemetry::catalogue::{
    DURATION_BUCKETS, MOCKIDP_BUILD_INFO, MOCKIDP_FAULTS_INJECTED, MOCKIDP_IN_FLIGHT,
    MOCKIDP_REDUNDANT_TOKEN_REQUESTS, MOCKIDP_REQUEST_DURATION, MOCKIDP_REQUESTS,
    MOCKIDP_THROTTLED_REQUESTS, MOCKIDP_TOKEN_REQUESTS, MOCKIDP_TOKENS_ISSUED,
};
use telemetry::{Family, Histogram};

use crate::behavior::fault::FaultKind;
use crate::behavior::throttle::ThrottleKind;
use crate::endpoint::Endpoint;
use crate::ledger::LedgerSnapshot;

const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Counts and times of requests, by endpoint.
pub(crate) struct Metrics {
    in_flight: AtomicI64,
    requests: [[AtomicU64; STATUS_CLASSES.len()]; Endpoint::ALL.len()],
    durations: [Histogram; Endpoint::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            in_flight: AtomicI64::default(),
            requests: Default::default(),
            durations: Endpoint::ALL.map(|_| Histogram::new(DURATION_BUCKETS)),
        }
    }
}

impl Metrics {
    pub(crate) fn begun(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request ended; `None` when its client went away, which counts as its mistake.
    pub(crate) fn ended(&self, endpoint: Endpoint, status: Option<StatusCode>, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let class = match status.map(|status| status.as_u16()) {
            Some(..300) => 0,
            Some(300..400) => 1,
            Some(400..500) | None => 2,
            Some(500..) => 3,
        };
        self.requests[endpoint as usize][class].fetch_add(1, Ordering::Relaxed);
        self.durations[endpoint as usize].record(took);
    }

    /// Everything, for a scrape.
    pub(crate) fn families(&self, ledger: &LedgerSnapshot) -> Vec<Family> {
        let mut requests = Family::of(&MOCKIDP_REQUESTS);
        for endpoint in Endpoint::ALL {
            for (class, count) in STATUS_CLASSES.iter().zip(&self.requests[endpoint as usize]) {
                requests =
                    requests.count(&[endpoint.as_str(), class], count.load(Ordering::Relaxed));
            }
        }
        let mut by_grant = Family::of(&MOCKIDP_TOKEN_REQUESTS);
        for grant in crate::ledger::GrantType::ALL {
            let count = ledger.by_grant.get(&grant).copied().unwrap_or_default();
            by_grant = by_grant.count(&[grant.as_str()], count);
        }
        let mut faults = Family::of(&MOCKIDP_FAULTS_INJECTED);
        for kind in FaultKind::ALL {
            let count = ledger.by_fault.get(&kind).copied().unwrap_or_default();
            faults = faults.count(&[kind.as_str()], count);
        }
        let mut throttled = Family::of(&MOCKIDP_THROTTLED_REQUESTS);
        for kind in ThrottleKind::ALL {
            let count = ledger.throttled.get(&kind).copied().unwrap_or_default();
            throttled = throttled.count(&[kind.as_str()], count);
        }
        let mut durations = Family::of(&MOCKIDP_REQUEST_DURATION);
        for endpoint in Endpoint::ALL {
            let of_endpoint = self.durations[endpoint as usize].sample();
            durations = durations.histogram(&[endpoint.as_str()], of_endpoint);
        }
        let mut families = vec![
            requests,
            by_grant,
            durations,
            Family::of(&MOCKIDP_REDUNDANT_TOKEN_REQUESTS)
                .count(&[], ledger.redundant_token_requests),
            Family::of(&MOCKIDP_TOKENS_ISSUED).count(&[], ledger.tokens_issued),
            throttled,
            faults,
            Family::of(&MOCKIDP_IN_FLIGHT)
                .value(&[], self.in_flight.load(Ordering::Relaxed) as f64),
            Family::of(&MOCKIDP_BUILD_INFO).value(&[env!("CARGO_PKG_VERSION")], 1.0),
        ];
        families.extend(telemetry::process::families());
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(metrics: &Metrics) -> String {
        let families = metrics.families(&LedgerSnapshot::default());
        telemetry::render(families)
    }

    #[test]
    fn a_second_is_an_edge_of_every_endpoint_s_durations() {
        let metrics = Metrics::default();
        for millis in [1, 1_000, 1_001] {
            metrics.begun();
            metrics.ended(
                Endpoint::Token,
                Some(StatusCode::OK),
                Duration::from_millis(millis),
            );
        }
        let text = render(&metrics);
        for line in [
            r#"mockidp_request_duration_seconds_bucket{endpoint="token",le="1"} 2"#,
            r#"mockidp_request_duration_seconds_count{endpoint="token"} 3"#,
            r#"mockidp_request_duration_seconds_count{endpoint="jwks"} 0"#,
        ] {
            assert!(text.contains(line), "no {line}: {text}");
        }
    }

    #[test]
    fn every_family_of_the_catalogue_is_there_and_the_series_are_bounded() {
        let families = Metrics::default().families(&LedgerSnapshot::default());
        for metric in telemetry::catalogue::all() {
            if metric.name.starts_with("mockidp_") {
                let family = families.iter().find(|family| family.metric() == metric);
                assert_eq!(
                    family.map(Family::series),
                    Some(metric.most_series()),
                    "{}",
                    metric.name
                );
            }
        }
        let series: usize = families.iter().map(Family::series).sum();
        assert!(series < 300, "{series} series");
    }

    #[test]
    fn a_request_whose_client_left_is_no_longer_in_flight() {
        let metrics = Metrics::default();
        metrics.begun();
        metrics.ended(Endpoint::Jwks, None, Duration::ZERO);
        let text = render(&metrics);
        assert!(text.contains("mockidp_in_flight_requests 0\n"), "{text}");
        assert!(text.contains(r#"{endpoint="jwks",code="4xx"} 1"#), "{text}");
    }
}
