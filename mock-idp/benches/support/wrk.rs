//! The loader: wrk, from Debian, and what it takes of the cores that it shares with the server.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

/// Ticks of a second in which Linux counts processor time for programs.
const TICKS: f64 = 100.0;

/// What a round of load showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests a second, all of them answered well.
    pub(crate) rate: f64,
    /// Cores that the loader was busy on.
    pub(crate) cores: f64,
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
        let (before, started) = (processor_time_of_children()?, Instant::now());
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
        let cores = (processor_time_of_children()? - before) / started.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("wrk {url}: {text}").into());
        }
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        let rate = rate.ok_or("wrk printed no rate")?.trim().parse()?;
        Ok(Load { rate, cores })
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.script);
    }
}

/// Seconds that the children of this process that have ended were busy for.
fn processor_time_of_children() -> Result<f64, super::Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may hold anything; after it the fields count from the third.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat")?;
    let times = fields.split_whitespace().skip(13).take(2);
    let ticks = times.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
