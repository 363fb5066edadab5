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
use telemetry::{Family, HistogramSample};

use crate::behavior::fault::FaultKind;
use crate::behavior::throttle::ThrottleKind;
use crate::endpoint::Endpoint;
use crate::ledger::LedgerSnapshot;

const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Counts of requests to all endpoints, and the times of token requests.
#[derive(Default)]
pub(crate) struct Metrics {
    in_flight: AtomicI64,
    requests: [[AtomicU64; STATUS_CLASSES.len()]; Endpoint::ALL.len()],
    /// By the first bucket edge at or above the time; the last is for what is above all edges.
    token_durations: [AtomicU64; DURATION_BUCKETS.len() + 1],
    token_microseconds: AtomicU64,
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
        if endpoint == Endpoint::Token {
            let seconds = took.as_secs_f64();
            let bucket = DURATION_BUCKETS.partition_point(|edge| *edge < seconds);
            self.token_durations[bucket].fetch_add(1, Ordering::Relaxed);
            let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.token_microseconds
                .fetch_add(microseconds, Ordering::Relaxed);
        }
    }

    /// Everything in Prometheus' text format 0.0.4.
    pub(crate) fn render(&self, ledger: &LedgerSnapshot) -> String {
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
        telemetry::render([
            requests,
            by_grant,
            Family::of(&MOCKIDP_REQUEST_DURATION).histogram(&[], &self.token_durations()),
            Family::of(&MOCKIDP_REDUNDANT_TOKEN_REQUESTS)
                .count(&[], ledger.redundant_token_requests),
            Family::of(&MOCKIDP_TOKENS_ISSUED).count(&[], ledger.tokens_issued),
            throttled,
            faults,
            Family::of(&MOCKIDP_IN_FLIGHT)
                .value(&[], self.in_flight.load(Ordering::Relaxed) as f64),
            Family::of(&MOCKIDP_BUILD_INFO).value(&[env!("CARGO_PKG_VERSION")], 1.0),
        ])
    }

    fn token_durations(&self) -> HistogramSample {
        let mut count = 0;
        let mut cumulative: Vec<u64> = self
            .token_durations
            .iter()
            .map(|bucket| {
                count += bucket.load(Ordering::Relaxed);
                count
            })
            .collect();
        cumulative.pop();
        let sum = self.token_microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        HistogramSample {
            cumulative,
            count,
            sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_folded_at_their_edges() {
        let metrics = Metrics::default();
        for millis in [1, 1_000, 1_001, 60_000] {
            metrics.begun();
            metrics.ended(
                Endpoint::Token,
                Some(StatusCode::OK),
                Duration::from_millis(millis),
            );
        }
        let folded = metrics.token_durations();
        let at = |seconds: f64| {
            let edge = DURATION_BUCKETS
                .iter()
                .position(|edge| *edge >= seconds)
                .unwrap();
            folded.cumulative[edge]
        };
        assert_eq!(
            (at(0.0005), at(0.001), at(1.0), at(2.5), at(30.0)),
            (0, 1, 2, 3, 3)
        );
        assert_eq!(folded.count, 4);
        assert!((folded.sum - 62.002).abs() < 1e-9, "{}", folded.sum);
    }

    #[test]
    fn a_request_whose_client_left_is_no_longer_in_flight() {
        let metrics = Metrics::default();
        metrics.begun();
        metrics.ended(Endpoint::Jwks, None, Duration::ZERO);
        let text = metrics.render(&LedgerSnapshot::default());
        assert!(text.contains("mockidp_in_flight_requests 0\n"), "{text}");
        assert!(text.contains(r#"{endpoint="jwks",code="4xx"} 1"#), "{text}");
    }
}
