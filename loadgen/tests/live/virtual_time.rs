//! Metrics with time stamps: a run nobody scraped, loaded into Prometheus.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::program::Lab;
use crate::prometheus::Prometheus;

#[test]
fn a_run_that_nobody_scraped_loads_into_prometheus_with_its_times() {
    let lab = Lab::new();
    lab.write(
        "run.yaml",
        "version: 1\nname: unseen\nduration: 6s\n\
         idp: { latency: { token: 5ms } }\n\
         population: { tenants: 50 }\n\
         traffic:\n  - { flow: client_credentials, rate: 100/s }\n",
    );
    let ended = lab
        .start(&[
            "run",
            "run.yaml",
            "--format",
            "json",
            "--openmetrics-out",
            "run.om",
        ])
        .end();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = fs::read_to_string(lab.path("run.om")).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let blocks = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([lab.path("run.om"), lab.path("blocks")])
        .output()
        .expect("promtool is needed: apt-get install prometheus, or scripts/test");
    assert!(blocks.status.success(), "{blocks:?}");
    lab.write("prometheus.yml", "global: { scrape_interval: 1h }\n");
    let prometheus = Prometheus::start(&lab.path(""), &lab.path("blocks"), "exemplar-storage");
    // The last moment in the file is the run's end.
    let last = text
        .lines()
        .find(|line| line.starts_with("loadgen_run_end_timestamp_seconds "))
        .and(
            text.lines()
                .rfind(|line| line.starts_with("loadgen_run_end_timestamp_seconds ")),
        )
        .unwrap();
    let at: f64 = last.rsplit(' ').next().unwrap().parse().unwrap();
    let one = |expr: &str| {
        let values = prometheus.query_at(expr, at);
        assert_eq!(values.len(), 1, "{expr} at {at}: {values:?}");
        values[0]
    };
    let success = r#"sum(tokencache_acquisitions_total{outcome="success"})"#;
    let hits = r#"sum(tokencache_acquisitions_total{outcome="success",token_source="cache"})"#;
    let ratio = one(&format!("{hits} / {success}"));
    let reported = report["totals"]["hit_ratio"].as_f64().unwrap();
    assert!(
        (ratio - reported).abs() < 1e-12,
        "{ratio} is not {reported}"
    );
    let rate = one(r#"sum(rate(loadgen_arrivals_total{fate="started"}[5s]))"#);
    assert!(
        (rate - 100.0).abs() < 40.0,
        "100/s were offered, not {rate}"
    );
}
