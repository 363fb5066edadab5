//! A real Prometheus, for as long as a test runs.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::http::{encoded, get};

/// What to scrape: a job, `host:port`, a path.
pub(crate) type Target<'a> = (&'a str, &'a str, &'a str);

pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: String,
}

/// The repository's rules.
fn rules(directory: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/prometheus");
    ["recording", "msal-dotnet", "alerts"]
        .iter()
        .map(|name| root.join(directory).join(format!("{name}.rules.yml")))
        .collect()
}

impl Prometheus {
    /// Starts one that scrapes `targets` every second and evaluates the rules
    /// for production (`.`) or `rehearsal`.
    pub(crate) fn scraping(directory: &Path, targets: &[Target<'_>], rule_set: &str) -> Self {
        let mut config = String::from(
            "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\nrule_files:\n",
        );
        for path in rules(rule_set) {
            let path = path.canonicalize().unwrap();
            writeln!(config, "  - {}", path.display()).unwrap();
        }
        config.push_str("scrape_configs:\n");
        for (job, address, path) in targets {
            writeln!(
                config,
                "  - {{ job_name: {job}, metrics_path: {path}, static_configs: [{{ targets: ['{address}'] }}] }}"
            )
            .unwrap();
        }
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        Self::start(directory, &directory.join("data"), "exemplar-storage")
    }

    /// Starts one over `data`, by the configuration in `directory`, with a feature
    /// of its own switched on.
    pub(crate) fn start(directory: &Path, data: &Path, feature: &str) -> Self {
        // Freed at once for Prometheus, which cannot be given a socket.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let child = Command::new("prometheus")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!(
                "--config.file={}",
                directory.join("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg("--storage.tsdb.retention.time=10y")
            .arg(format!("--enable-feature={feature}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("prometheus.log")).unwrap())
            .spawn()
            .expect("prometheus is needed: apt-get install prometheus, or scripts/test");
        let server = Self { child, address };
        for _ in 0..600 {
            if get(&server.address, "/-/ready").is_some() {
                return server;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(directory.join("prometheus.log")).unwrap();
        panic!("prometheus does not get ready: {log}");
    }

    /// What an expression evaluates to now: labels and value.
    pub(crate) fn query(&self, expr: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?query={}", encoded(expr));
        self.results(&path, expr)
            .into_iter()
            .map(|one| {
                let value = one["value"][1].as_str().unwrap().parse().unwrap();
                (one["metric"].clone(), value)
            })
            .collect()
    }

    /// The same at a Unix time.
    pub(crate) fn query_at(&self, expr: &str, at: f64) -> Vec<f64> {
        let path = format!("/api/v1/query?query={}&time={at}", encoded(expr));
        self.results(&path, expr)
            .into_iter()
            .map(|one| one["value"][1].as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// An expression over the last seconds: labels, and times with values.
    pub(crate) fn range(&self, expr: &str, from: f64, to: f64) -> Vec<(Value, Vec<(f64, f64)>)> {
        let path = format!(
            "/api/v1/query_range?query={}&start={from}&end={to}&step=1",
            encoded(expr)
        );
        let point = |point: &Value| {
            let value: f64 = point[1].as_str().unwrap().parse().unwrap();
            (point[0].as_f64().unwrap(), value)
        };
        self.results(&path, expr)
            .into_iter()
            .map(|one| {
                let points = one["values"].as_array().unwrap().iter().map(point);
                (one["metric"].clone(), points.collect())
            })
            .collect()
    }

    fn results(&self, path: &str, expr: &str) -> Vec<Value> {
        let answer = get(&self.address, path).unwrap_or_else(|| panic!("no answer to {expr}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{expr}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// Its time, in seconds since 1970.
    pub(crate) fn now(&self) -> f64 {
        self.query("vector(time())")[0].1
    }

    /// Alerts that fire now, as `name/job`.
    pub(crate) fn firing(&self) -> Vec<String> {
        self.alerts("ALERTS{alertstate=\"firing\"}")
    }

    /// Alerts that fired at some time since then, as `name/job`.
    pub(crate) fn fired_since(&self, since: f64) -> Vec<String> {
        let seconds = (self.now() - since).ceil().max(1.0);
        self.alerts(&format!(
            "count_over_time(ALERTS{{alertstate=\"firing\"}}[{seconds}s])"
        ))
    }

    fn alerts(&self, expr: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |(labels, _): (Value, f64)| {
            format!("{}/{}", text(&labels["alertname"]), text(&labels["job"]))
        };
        self.query(expr).into_iter().map(of).collect()
    }

    /// Waits until `holds`, at most this many seconds.
    pub(crate) fn wait_until(&self, seconds: u32, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..seconds * 2 {
            if holds(self) {
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
        panic!(
            "{what}: not within {seconds} s; firing: {:?}",
            self.firing()
        );
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Also when the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
