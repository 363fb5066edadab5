//! Every panel shows something while a run goes on.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::idp::MockIdp;
use crate::page;
use crate::program::{Lab, Running};
use crate::prometheus::Prometheus;

/// Hits in both levels, misses for several reasons, errors, refreshes of
/// entries, users, an application that asks for itself; for as long as it takes.
/// The tenants are many, so that misses go on.
pub(crate) fn scenario(idp: &MockIdp) -> String {
    format!(
        "version: 1\nname: live\nduration: 1h\n{}\n\
         cache: {{ preset: msal_net, l2: {{ store: memory, latency: 1ms }} }}\n\
         fleet: {{ instances: 3, affinity: none }}\n\
         population: {{ tenants: {{ count: 4000, popularity: {{ zipf: 0.9 }} }}, users: 60 }}\n\
         traffic:\n\
         \x20 - {{ name: api, flow: client_credentials, rate: 60/s, stages: [{{ hold: 1h }}] }}\n\
         \x20 - {{ name: visits, flow: authorization_code, rate: 10/s }}\n",
        idp.section()
    )
}

/// Starts a run with metrics, and says where they are.
pub(crate) fn start<'a>(
    lab: &'a Lab,
    file: &str,
    scenario: &str,
    port: u16,
) -> (Running<'a>, String) {
    lab.write(file, scenario);
    let running = lab.start(&[
        "run",
        file,
        "--metrics-addr",
        &format!("127.0.0.1:{port}"),
        "--metrics-compat",
        "msal-dotnet",
        "--log",
        "info",
    ]);
    let line = running.wait_for("serving metrics");
    let (_, rest) = line.split_once("http://").unwrap();
    let (address, _) = rest.split_once("/metrics").unwrap();
    (running, address.to_owned())
}

/// A panel of a checked-in dashboard.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) board: String,
    /// The board's name in files.
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) kind: String,
    /// Drawn as areas, one upon the other.
    pub(crate) is_stacked: bool,
    /// Expressions as Grafana would send them, and legends.
    pub(crate) targets: Vec<(String, String)>,
}

/// The panels of every dashboard that is checked in.
pub(crate) fn panels(jobs: &str) -> Vec<Panel> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut panels = Vec::new();
    for path in files {
        let board: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for panel in board["panels"].as_array().unwrap() {
            let Some(targets) = panel["targets"].as_array() else {
                continue;
            };
            let jobs = if board["uid"] == "msal-dotnet" {
                "msal-dotnet"
            } else {
                jobs
            };
            let targets = targets.iter().map(|target| {
                let expr = text(&target["expr"])
                    .replace("$__rate_interval", "10s")
                    .replace("$__range", "30s")
                    .replace("$job", jobs)
                    .replace("$instance", ".+");
                (expr, text(&target["legendFormat"]))
            });
            panels.push(Panel {
                board: text(&board["title"]),
                uid: text(&board["uid"]),
                title: text(&panel["title"]),
                unit: text(&panel["fieldConfig"]["defaults"]["unit"]),
                kind: text(&panel["type"]),
                is_stacked: panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"]
                    == "normal",
                targets: targets.collect(),
            });
        }
    }
    assert!(panels.len() > 50, "{} panels", panels.len());
    panels
}

/// What is wrong with a panel's numbers now, if anything is.
fn trouble(prometheus: &Prometheus, panel: &Panel) -> Vec<String> {
    let mut found = Vec::new();
    for (expr, _) in &panel.targets {
        let values = prometheus.query(expr);
        let what = if values.is_empty() {
            "empty"
        } else if values.iter().any(|(_, value)| !value.is_finite()) {
            "no number"
        } else {
            continue;
        };
        found.push(format!("{} / {}: {what}: {expr}", panel.board, panel.title));
    }
    found
}

#[test]
fn every_panel_of_every_dashboard_shows_something() {
    let lab = Lab::new();
    let idp = MockIdp::serve(&lab.path(""));
    let (running, address) = start(&lab, "live.yaml", &scenario(&idp), 0);
    let targets = [
        ("loadgen", address.as_str(), "/metrics"),
        ("mock-idp", idp.http.as_str(), "/metrics"),
        ("msal-dotnet", address.as_str(), "/metrics/msal"),
    ];
    let prometheus = Prometheus::scraping(&lab.path(""), &targets, ".");
    // A little trouble, so that there are errors and faults to see.
    idp.fault(
        r#"{ "name": "now-and-then", "match": { "grant": "client_credentials" },
             "trigger": { "when": { "probability": 0.05 } },
             "fault": { "kind": "status", "status": 503 } }"#,
    );
    let panels = panels("loadgen|mock-idp");
    // Rates need two scrapes, recorded names a rate, ranges their while.
    let mut found = Vec::new();
    for _ in 0..60 {
        found = panels
            .iter()
            .flat_map(|panel| trouble(&prometheus, panel))
            .collect();
        if found.is_empty() {
            break;
        }
        thread::sleep(Duration::from_secs(1));
    }
    assert!(found.is_empty(), "panels without numbers: {found:#?}");
    // A misspelt metric would be noticed.
    let misspelt = Panel {
        board: "none".to_owned(),
        uid: "none".to_owned(),
        title: "misspelt".to_owned(),
        unit: "short".to_owned(),
        kind: "stat".to_owned(),
        is_stacked: false,
        targets: vec![("tokencache_acquisition_total".to_owned(), String::new())],
    };
    assert_eq!(trouble(&prometheus, &misspelt).len(), 1);
    if let Some(path) = std::env::var_os("RENDER") {
        // Some history to draw.
        thread::sleep(Duration::from_secs(60));
        fs::create_dir_all(&path).unwrap();
        for board in panels.chunk_by(|one, next| one.uid == next.uid) {
            let file = Path::new(&path).join(format!("{}.html", board[0].uid));
            fs::write(file, page::render(&prometheus, board)).unwrap();
        }
    }
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
}

/// The scrape that comes last has every request of the run, and the hit ratio
/// that Prometheus computes from it is the report's.
#[test]
fn the_hit_ratio_in_prometheus_is_the_report_s_to_the_last_request() {
    let lab = Lab::new();
    lab.write(
        "short.yaml",
        "version: 1\nname: short\nduration: 5s\n\
         idp: { latency: { token: 5ms } }\n\
         population: { tenants: 100 }\n\
         traffic:\n  - { flow: client_credentials, rate: 100/s }\n",
    );
    let running = lab.start(&[
        "run",
        "short.yaml",
        "--metrics-addr",
        "127.0.0.1:0",
        "--linger",
        "60s",
        "--log",
        "info",
        "--format",
        "json",
        "--out",
        "out",
    ]);
    let line = running.wait_for("serving metrics");
    let (_, rest) = line.split_once("http://").unwrap();
    let (address, _) = rest.split_once("/metrics").unwrap();
    let prometheus = Prometheus::scraping(&lab.path(""), &[("loadgen", address, "/metrics")], ".");
    // It ends when it has been scraped after its end.
    let ended = running.end();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let reported = report["totals"]["hit_ratio"].as_f64().unwrap();
    let last = |expr: &str| {
        let values = prometheus.query(&format!("sum(last_over_time({expr}[1m]))"));
        values[0].1
    };
    prometheus.wait_until(20, "the last scrape", |_| {
        last("loadgen_run_end_timestamp_seconds") > 0.0
    });
    let hits = last(r#"tokencache_acquisitions_total{outcome="success",token_source="cache"}"#);
    let all = last(r#"tokencache_acquisitions_total{outcome="success"}"#);
    assert!(all > 100.0, "{all}");
    assert!(
        (hits / all - reported).abs() < 1e-12,
        "{hits}/{all} is not {reported}"
    );
    // So is the snapshot that is left in a file.
    let snapshot = fs::read_to_string(lab.path("out/metrics.prom")).unwrap();
    let of_file = |needle: &str| -> f64 {
        let lines = snapshot.lines().filter(|line| {
            line.starts_with("tokencache_acquisitions_total{") && line.contains(needle)
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    assert!((of_file("token_source=\"cache\"") - hits).abs() < 1e-9);
    assert!((of_file("outcome=\"success\"") - all).abs() < 1e-9);
}

/// A machine without Prometheus: this test program, run again with nothing to be
/// found, fails and says what to install.
#[test]
fn without_prometheus_these_tests_fail_and_say_what_is_missing() {
    let this = std::env::current_exe().unwrap();
    let name = "panels::the_hit_ratio_in_prometheus_is_the_report_s_to_the_last_request";
    let output = std::process::Command::new(this)
        .args(["--exact", name, "--nocapture"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let advice = "prometheus is needed: apt-get install prometheus, or scripts/test";
    assert!(said.contains(advice), "{said}");
}
