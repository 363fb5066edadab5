//! Native histograms and OTLP, read by programs that are not ours: Debian's
//! Prometheus, and Python's protobuf library with OpenTelemetry's messages.
//!
//! ```sh
//! cargo test -p telemetry --features native-histograms,otlp --test exporters
//! ```
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../../loadgen/tests/live/http.rs"]
mod http;
#[path = "../../loadgen/tests/live/prometheus.rs"]
#[expect(dead_code, reason = "other tests ask more")]
mod prometheus;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use prometheus::Prometheus;
use serde_json::Value;
use telemetry::catalogue::{
    DURATION_BUCKETS, LOADGEN_ARRIVALS, LOADGEN_RESPONSE_DURATION, LOADGEN_SCHEDULE_LAG,
};
use telemetry::otlp::{Exporter, Span};
use telemetry::serve::{MetricsServer, Pages};
use telemetry::{Family, HistogramSample};

/// The collector, ended with the test, also when it failed.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory of this test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("exporters-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ninety-eight responses of 10 ms, two of 3 s, in both kinds of buckets.
fn responses() -> HistogramSample {
    let cumulative = DURATION_BUCKETS.iter().map(|edge| match *edge {
        edge if edge >= 3.0 => 100,
        edge if edge >= 0.01 => 98,
        _ => 0,
    });
    let mut folded = HistogramSample {
        cumulative: cumulative.collect(),
        count: 100,
        sum: 6.98,
        ..HistogramSample::default()
    };
    folded.exponential.record(0.01, 98);
    folded.exponential.record(3.0, 2);
    folded
}

fn families() -> Vec<Family> {
    let coarse = HistogramSample {
        exponential: telemetry::Exponential::default(),
        ..responses()
    };
    vec![
        Family::of(&LOADGEN_ARRIVALS)
            .count(&["started"], 100)
            .count(&["dropped"], 1),
        Family::of(&LOADGEN_RESPONSE_DURATION).histogram(&["client_credentials"], responses()),
        Family::of(&LOADGEN_SCHEDULE_LAG).histogram(&[], coarse),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_native_histograms_where_they_are_known_and_classic_ones_elsewhere() {
    let pages = Pages::default().page("/metrics", families);
    let server = MetricsServer::start(([127, 0, 0, 1], 0).into(), pages).unwrap();
    let target = server.address().to_string();
    tokio::task::spawn_blocking(move || scraped_by_prometheus(&target))
        .await
        .unwrap();
}

fn scraped_by_prometheus(target: &str) {
    let directory = Directory::new("native");
    fs::write(
        directory.0.join("prometheus.yml"),
        format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  \
             - {{ job_name: loadgen, static_configs: [{{ targets: ['{target}'] }}] }}\n"
        ),
    )
    .unwrap();
    let data = directory.0.join("data");
    let prometheus = Prometheus::start(&directory.0, &data, "native-histograms");
    let found = |expr: &str| {
        for _ in 0..300 {
            if let Some((_, value)) = prometheus.query(expr).first() {
                return *value;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("nothing for {expr}");
    };
    let count = found("histogram_count(loadgen_response_duration_seconds)");
    assert!((count - 100.0).abs() < f64::EPSILON, "{count}");
    let sum = found("histogram_sum(loadgen_response_duration_seconds)");
    assert!((sum - 6.98).abs() < 1e-9, "{sum}");
    // A bucket is 1.09 wide, so a quantile is within that.
    for (quantile, seconds) in [(0.5, 0.01), (0.99, 3.0)] {
        let measured = found(&format!(
            "histogram_quantile({quantile}, loadgen_response_duration_seconds)"
        ));
        let ratio = measured / seconds;
        assert!((0.915..=1.095).contains(&ratio), "{quantile}: {measured}");
    }
    // Known in the catalogue's buckets only: classic, as ever.
    let at_most = found("loadgen_schedule_lag_seconds_bucket{le=~\"1(\\\\.0)?\"}");
    assert!((at_most - 98.0).abs() < f64::EPSILON, "{at_most}");
    let arrivals = found("sum(loadgen_arrivals_total)");
    assert!((arrivals - 101.0).abs() < f64::EPSILON, "{arrivals}");
}

/// Takes one push, and prints what OpenTelemetry's messages say it is.
const COLLECTOR: &str = r#"
import http.server, json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = ExportMetricsServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        print(json.dumps({"path": self.path, "push": MessageToDict(request)}), flush=True)
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.handle_request()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn opentelemetry_s_own_messages_hold_what_was_pushed() {
    let python = std::env::var_os("TOKEN_CACHE_LAB_PYTHON").expect(
        "TOKEN_CACHE_LAB_PYTHON is needed: a Python with opentelemetry-proto, or scripts/test",
    );
    let mut collector = Program(
        Command::new(python)
            .args(["-c", COLLECTOR])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(collector.0.stdout.take().unwrap()).lines();
    let port = lines
        .next()
        .expect("the Python of TOKEN_CACHE_LAB_PYTHON lacks opentelemetry-proto")
        .unwrap();
    let exporter = Exporter::start(
        format!("http://127.0.0.1:{port}").parse().unwrap(),
        Duration::from_hours(1),
        "loadgen",
        Arc::new(|| {
            let span = Span {
                from: 1_000_000_000,
                to: 2_000_000_000,
            };
            (families(), span)
        }),
    );
    exporter.finish().await.unwrap();
    let seen: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(seen["path"], "/v1/metrics");
    let of = &seen["push"]["resourceMetrics"][0];
    assert_eq!(
        of["resource"]["attributes"][0]["value"]["stringValue"],
        "loadgen"
    );
    let metrics = of["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let named = |name: &str| {
        let found = metrics.iter().find(|metric| metric["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let arrivals = &named("loadgen_arrivals_total")["sum"];
    assert_eq!(arrivals["isMonotonic"], true);
    assert_eq!(arrivals["dataPoints"][0]["asDouble"], 100.0);
    let response =
        &named("loadgen_response_duration_seconds")["exponentialHistogram"]["dataPoints"][0];
    // Protobuf's JSON has 64-bit numbers as strings.
    assert_eq!(response["count"], "100");
    assert_eq!(response["scale"], 3);
    let buckets = &response["positive"]["bucketCounts"];
    let buckets = buckets.as_array().unwrap();
    assert_eq!(buckets.first().unwrap(), "98");
    assert_eq!(buckets.last().unwrap(), "2");
    let lag = &named("loadgen_schedule_lag_seconds")["histogram"]["dataPoints"][0];
    assert_eq!(lag["count"], "100");
    assert_eq!(
        lag["bucketCounts"].as_array().unwrap().len(),
        DURATION_BUCKETS.len() + 1
    );
    let unit = &named("loadgen_schedule_lag_seconds")["unit"];
    assert_eq!(unit, "s");
}
