//! Metrics with time stamps: a run nobody scraped, loaded into Prometheus.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::program::Lab;
use crate::prometheus::Prometheus;

/// What a run in the lab leaves: its report, and its metrics with time stamps, as text
/// and in a Prometheus of their own.
struct Loaded {
    report: Value,
    text: String,
    prometheus: Prometheus,
}

impl Loaded {
    fn run(lab: &Lab, scenario: &str) -> Self {
        lab.write("run.yaml", scenario);
        let out = ["--format", "json", "--openmetrics-out", "run.om"];
        let ended = lab.start(&[&["run", "run.yaml"], &out[..]].concat()).end();
        let text = fs::read_to_string(lab.path("run.om")).unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        let blocks = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([lab.path("run.om"), lab.path("blocks")])
            .output()
            .expect("promtool is needed: apt-get install prometheus, or scripts/test");
        assert!(blocks.status.success(), "{blocks:?}");
        lab.write("prometheus.yml", "global: { scrape_interval: 1h }\n");
        Self {
            report: serde_json::from_str(&ended.stdout).unwrap(),
            text,
            prometheus: Prometheus::start(&lab.path(""), &lab.path("blocks"), "exemplar-storage"),
        }
    }

    /// The one value of `expr` at this moment.
    fn one(&self, expr: &str, at: f64) -> f64 {
        let values = self.prometheus.query_at(expr, at);
        assert_eq!(values.len(), 1, "{expr} at {at}: {values:?}");
        values[0]
    }

    /// The last moment in the file, which is the run's end.
    fn last_moment(&self) -> f64 {
        let mut lines = self.text.lines();
        let last = lines.rfind(|line| line.starts_with("loadgen_run_end_timestamp_seconds "));
        last.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[track_caller]
    fn has_the_report_s_hit_ratio(&self) {
        const SUCCESS: &str = r#"sum(tokencache_acquisitions_total{outcome="success"})"#;
        const HITS: &str =
            r#"sum(tokencache_acquisitions_total{outcome="success",token_source="cache"})"#;
        let ratio = self.one(&format!("{HITS} / {SUCCESS}"), self.last_moment());
        let reported = self.report["totals"]["hit_ratio"].as_f64().unwrap();
        assert!(
            (ratio - reported).abs() < 1e-12,
            "{ratio} is not {reported}"
        );
    }
}

#[test]
fn a_run_that_nobody_scraped_loads_into_prometheus_with_its_times() {
    let lab = Lab::new();
    let loaded = Loaded::run(
        &lab,
        "version: 1\nname: unseen\nduration: 6s\n\
         idp: { latency: { token: 5ms } }\n\
         population: { tenants: 50 }\n\
         traffic:\n  - { flow: client_credentials, rate: 100/s }\n",
    );
    let at = loaded.last_moment();
    loaded.has_the_report_s_hit_ratio();
    let offered = r#"sum(rate(loadgen_arrivals_total{fate="started"}[5s]))"#;
    let rate = loaded.one(offered, at);
    assert!(
        (rate - 100.0).abs() < 40.0,
        "100/s were offered, not {rate}"
    );
}

/// Six hours that take a second, in which the provider fails for one: Prometheus
/// shows them as if they had just passed, by the rules and at the times of the run.
#[test]
fn a_run_in_virtual_time_loads_into_prometheus_and_its_outage_is_where_it_was() {
    let lab = Lab::new();
    let loaded = Loaded::run(
        &lab,
        "version: 1\nname: simulated\nduration: 6h\nmode: virtual\n\
         idp: { latency: { token: 50ms } }\n\
         population: { tenants: 400 }\n\
         traffic:\n  - { name: api, flow: client_credentials, rate: 1/s,\n      \
         stages: [{ hold: 3h }, { to: 2/s, over: 0s }, { hold: 3h }] }\n\
         faults:\n  - { at: 2h, for: 1h, idp: { status: 503 } }\n",
    );
    let at = loaded.last_moment();
    loaded.has_the_report_s_hit_ratio();
    assert!(
        (loaded.prometheus.now() - at).abs() < 600.0,
        "it ends now: {at}"
    );
    let begin = loaded.one("loadgen_run_start_timestamp_seconds", at);
    let hour = 3_600.0;
    assert!((at - begin - 6.0 * hour).abs() < 60.0, "{begin} to {at}");
    let rate = r#"sum(rate(loadgen_arrivals_total{fate="started"}[30m]))"#;
    for (hours, expected) in [(2.0, 1.0), (5.0, 2.0)] {
        let rate = loaded.one(rate, begin + hours * hour);
        assert!((rate - expected).abs() < 0.2, "{rate}/s after {hours} h");
    }
    let errors = "sum(rate(tokencache_acquisition_errors_total[30m]))";
    for (hours, is_out) in [(1.5, false), (2.75, true), (4.0, false)] {
        let errors = loaded.one(errors, begin + hours * hour);
        assert_eq!(errors > 0.0, is_out, "{errors}/s after {hours} h");
    }
    let stage = "sum by (stage) (loadgen_stage_active) == 1";
    for hours in [1.0, 5.0] {
        // Which of the two is known by its label; that only one is, by `one`.
        loaded.one(stage, begin + hours * hour);
    }
    assert!(
        !loaded.text.contains("process_"),
        "a process lives in real time"
    );
}

/// Whoever watches changes nothing.
#[test]
fn a_run_in_virtual_time_is_the_same_with_and_without_its_metrics_taken() {
    let lab = Lab::new();
    lab.write(
        "run.yaml",
        "version: 1\nduration: 2h\nmode: virtual\n\
         idp: { latency: { token: 50ms } }\n\
         cache: { l2: { store: memory, latency: 1ms } }\n\
         fleet: { instances: 3, affinity: none }\n\
         population: { tenants: 300, users: 50 }\n\
         traffic:\n  - { flow: client_credentials, rate: 2/s }\n  \
         - { name: loop, flow: on_behalf_of, users: { count: 5, think: 30s } }\n",
    );
    let report = |more: &[&str]| {
        let ended = lab
            .start(&[&["run", "run.yaml", "--format", "json"], more].concat())
            .end();
        let mut report: Value = serde_json::from_str(&ended.stdout).unwrap();
        for wall in ["wall_s", "started_at"] {
            report[wall] = Value::Null;
        }
        report
    };
    let alone = report(&[]);
    assert!(alone["totals"]["acquisitions"].as_u64() > Some(10_000));
    assert_eq!(alone, report(&["--openmetrics-out", "run.om"]));
    lab.write(
        "model.yaml",
        "version: 1\nduration: 1s\ntraffic:\n  - { flow: client_credentials, rate: 1/s }\n",
    );
    let refused = lab
        .start(&[
            "run",
            "model.yaml",
            "--mode",
            "model",
            "--openmetrics-out",
            "x",
        ])
        .end();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("run with --mode virtual"),
        "{refused:?}"
    );
}
