//! A collector gets every sample; one that is away or refuses is an error.

use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::catalogue::{
    DURATION_BUCKETS, LOADGEN_ARRIVALS, LOADGEN_IN_FLIGHT, LOADGEN_RESPONSE_DURATION,
    LOADGEN_SCHEDULE_LAG,
};
use crate::exposition::HistogramSample;

fn families() -> Vec<Family> {
    let coarse = HistogramSample {
        cumulative: (0..DURATION_BUCKETS.len() as u64).collect(),
        count: 30,
        sum: 1.5,
        ..HistogramSample::default()
    };
    let mut fine = HistogramSample {
        cumulative: vec![7; DURATION_BUCKETS.len()],
        count: 7,
        sum: 9.0,
        ..HistogramSample::default()
    };
    fine.exponential.record(1.0, 3);
    fine.exponential.record(2.0, 4);
    vec![
        Family::of(&LOADGEN_ARRIVALS)
            .count(&["started"], 3)
            .count(&["dropped"], 1),
        Family::of(&LOADGEN_IN_FLIGHT).value(&[], 2.0),
        Family::of(&LOADGEN_SCHEDULE_LAG).histogram(&[], coarse),
        Family::of(&LOADGEN_RESPONSE_DURATION).histogram(&["client_credentials"], fine),
    ]
}

fn source() -> Source {
    Arc::new(|| (families(), Span { from: 5, to: 9 }))
}

/// Answers each request with `status`, and keeps the bodies.
async fn collector(status: &'static str) -> (Endpoint, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut chunk = [0; 4096];
            let (head, length) = loop {
                let read = stream.read(&mut chunk).await.unwrap();
                assert!(read > 0, "cut off");
                bytes.extend_from_slice(&chunk[..read]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse::<usize>().unwrap())
                });
                if bytes.len() >= end + 4 + length.unwrap() {
                    break (head, end + 4);
                }
            };
            assert!(head.starts_with("POST /v1/metrics HTTP/1.1"), "{head}");
            assert!(head.contains("application/x-protobuf"), "{head}");
            kept.lock().unwrap().push(bytes[length..].to_vec());
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}").parse().unwrap(), bodies)
}

#[tokio::test]
async fn a_collector_gets_every_sample() {
    let (endpoint, bodies) = collector("200 OK").await;
    let exporter = Exporter::start(endpoint, Duration::from_hours(1), "loadgen", source());
    exporter.finish().await.unwrap();
    let body = bodies.lock().unwrap().pop().unwrap();
    let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "loadgen_arrivals_total",
            "loadgen_in_flight_operations",
            "loadgen_schedule_lag_seconds",
            "loadgen_response_duration_seconds"
        ]
    );
    let Some(Data::Sum(arrivals)) = &metrics[0].data else {
        panic!("{:?}", metrics[0]);
    };
    assert!(arrivals.is_monotonic && arrivals.data_points.len() == 2);
    assert_eq!(arrivals.data_points[0].start_time_unix_nano, 5);
    assert_eq!(arrivals.data_points[0].time_unix_nano, 9);
    let Some(Data::Histogram(lag)) = &metrics[2].data else {
        panic!("{:?}", metrics[2]);
    };
    let lag = &lag.data_points[0];
    assert_eq!(lag.bucket_counts.len(), lag.explicit_bounds.len() + 1);
    assert_eq!(lag.bucket_counts.iter().sum::<u64>(), lag.count);
    let Some(Data::ExponentialHistogram(response)) = &metrics[3].data else {
        panic!("{:?}", metrics[3]);
    };
    let response = &response.data_points[0];
    let buckets = response.positive.as_ref().unwrap();
    // 1 is the upper edge of the bucket above 2^(-1/8), 2 of the eighth above it.
    assert_eq!(buckets.offset, -1);
    assert_eq!(buckets.bucket_counts, [3, 0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!((response.count, response.scale), (7, 3));
}

#[tokio::test]
async fn a_collector_that_refuses_or_is_away_is_an_error() {
    let (endpoint, _) = collector("503 Service Unavailable").await;
    let exporter = Exporter::start(endpoint, Duration::from_hours(1), "loadgen", source());
    let refused = exporter.finish().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the collector answered 503 Service Unavailable"
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let exporter = Exporter::start(
        endpoint.parse().unwrap(),
        Duration::from_hours(1),
        "loadgen",
        source(),
    );
    let away = exporter.finish().await.unwrap_err().to_string();
    assert!(
        away.starts_with("the collector cannot be reached"),
        "{away}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let exporter = Exporter::start(
        endpoint.parse().unwrap(),
        Duration::from_hours(1),
        "loadgen",
        source(),
    );
    assert!(matches!(exporter.finish().await, Err(PushError::Slow)));
}

#[test]
fn an_endpoint_is_a_plain_url_with_otlp_s_path_by_default() {
    let endpoint = |text: &str| {
        text.parse::<Endpoint>()
            .map(|endpoint| endpoint.0.to_string())
    };
    for text in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"] {
        assert_eq!(
            endpoint(text).as_deref(),
            Ok("http://127.0.0.1:4318/v1/metrics")
        );
    }
    assert_eq!(
        endpoint("http://localhost:9090/api/v1/otlp/v1/metrics").as_deref(),
        Ok("http://localhost:9090/api/v1/otlp/v1/metrics")
    );
    for wrong in [
        "",
        "localhost",
        "https://collector:4318",
        "/v1/metrics",
        "http://",
    ] {
        assert!(endpoint(wrong).is_err(), "{wrong}");
    }
}
