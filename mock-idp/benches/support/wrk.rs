//! The loader: wrk, from Debian, and what its requests cost, on its side and on the server's.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::processor::ProcessorTime;

/// What a round of load showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests a second, all of them answered well.
    pub(crate) rate: f64,
    /// Microseconds of processor time a request: the server's, which is this process.
    pub(crate) server_us: f64,
    /// The loader's.
    pub(crate) loader_us: f64,
}

/// The loader, with a script that posts a form.
pub(crate) struct Wrk {
    script: PathBuf,
}

impl Wrk {
    /// Posts this form.
    pub(crate) fn posting(form: &str) -> std::io::Result<Self> {
        let script =
            std::env::temp_dir().join(format!("mock-idp-bench-{}.lua", std::process::id()));
        let lua = format!(
            "wrk.method = \"POST\"\nwrk.body = \"{form}\"\n\
             wrk.headers[\"content-type\"] = \"application/x-www-form-urlencoded\"\n"
        );
        std::fs::write(&script, lua)?;
        Ok(Self { script })
    }

    /// Requests a second; any that did not succeed is an error.
    pub(crate) fn rate(
        &self,
        url: &str,
        connections: usize,
        time: Duration,
    ) -> Result<f64, super::Failure> {
        self.load(url, connections, time).map(|load| load.rate)
    }

    /// Loads the server for a time; any request that did not succeed is an error.
    pub(crate) fn load(
        &self,
        url: &str,
        connections: usize,
        time: Duration,
    ) -> Result<Load, super::Failure> {
        let before = ProcessorTime::now()?;
        let output = Command::new("wrk")
            .args(["--threads", "1", "--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", time.as_secs().max(1))])
            // The slowest of the mocks takes seconds for an answer.
            .args(["--timeout", "30s"])
            .arg("--script")
            .arg(&self.script)
            .arg(url)
            .output()
            .map_err(|error| format!("wrk: {error} (install it: apt-get install wrk)"))?;
        let taken = ProcessorTime::now()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("wrk {url}: {text}").into());
        }
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        let rate = rate.ok_or("wrk printed no rate")?.trim().parse()?;
        let requests = text
            .lines()
            .find_map(|line| line.split_once(" requests in "));
        let (requests, _) = requests.ok_or("wrk printed no number of requests")?;
        let requests: f64 = requests.trim().parse()?;
        Ok(Load {
            rate,
            server_us: taken.own * 1e6 / requests,
            loader_us: taken.children * 1e6 / requests,
        })
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.script);
    }
}
