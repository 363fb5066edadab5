//! A server is stopped, and killed, while a run goes on.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use loadgen::report::model::Report;
use loadgen::scenario::plan::Mode;

use super::lab::{plan, report};
use super::memcached_server::memcached;
use super::redis_server::redis;
use super::server::{Server, free_port};
use super::tds::{Endpoint, PASSWORD, USER};

/// Tokens that serve for three seconds, so that L2 is asked all the time.
pub(crate) fn scenario(l2: &str, faults: &str) -> String {
    format!(
        "version: 1\nduration: 9s\nidp: {{ expires_in: 303s, latency: {{ token: 20ms }} }}\n\
         cache:\n  policy: {{ l2_guard: {{ timeout: 200ms, failures: 3, rest: 500ms }} }}\n  l2: {l2}\n\
         fleet: {{ instances: 2 }}\npopulation: {{ tenants: 20 }}\n\
         traffic: [{{ flow: client_credentials, rate: 100/s }}]\n{faults}"
    )
}

fn real(url: &str, kind: &str, breaking: impl FnOnce() + Send + 'static) -> Report {
    let l2 = format!("{{ store: {kind}, url: '{url}' }}");
    let plan = plan(&scenario(&l2, ""), 7, &[]);
    let breaking = thread::spawn(breaking);
    let report = report(&plan, Mode::Real);
    breaking.join().unwrap();
    report
}

fn virtually(faults: &str) -> Report {
    let l2 = "{ store: memory, latency: 1ms }";
    report(&plan(&scenario(l2, faults), 7, &[]), Mode::Virtual)
}

/// A run that the machine left alone: where it did not, the generator itself was
/// late, and what was measured is no news of a store. Three runs at most.
pub(crate) fn undisturbed(run: impl Fn() -> Report) -> Report {
    const MOST_LAG_US: f64 = 25_000.0;
    let runs = std::iter::repeat_with(run).take(3);
    let mut lags = Vec::new();
    for report in runs {
        if report.load.lag.p99_us <= MOST_LAG_US {
            return report;
        }
        lags.push(report.load.lag.p99_us);
    }
    panic!("this machine is too busy to judge stores by: lag {lags:?} us at p99");
}

/// The stated intervals of a run with a fault: L2 [serves], and again after it; no call
/// waits for more than two time limits and a fetch; hits are within three points.
fn agrees(real: &Report, virtual_: &Report) {
    serves(real, virtual_);
    let longest = real.totals.durations.total.max_us / 1e6;
    assert!(longest < 1.5, "{longest} s");
    let hits = |report: &Report| report.totals.hit_ratio.unwrap();
    let apart = (hits(real) - hits(virtual_)).abs();
    assert!(apart < 0.03, "{} and {}", hits(real), hits(virtual_));
    assert!(real.cache.l2.errors > 0, "the fault was not felt");
}

/// L2 serves a run as it does in virtual time: no call fails, as many go to the provider,
/// a third more or less, and what one instance fetched is found by the other.
pub(crate) fn serves(real: &Report, virtual_: &Report) {
    assert_eq!(real.totals.errors, 0, "{:?}", real.totals.errors_by_kind);
    assert_eq!(virtual_.totals.errors, 0);
    let ratio = real.idp.token_requests as f64 / virtual_.idp.token_requests as f64;
    assert!((0.66..1.34).contains(&ratio), "{ratio}");
    assert!(
        real.totals.cache_level.l2 > 10,
        "{:?}",
        real.totals.cache_level
    );
}

/// What is fetched is written, too.
pub(crate) fn writes(real: &Report) {
    assert!(real.cache.l2.operations.set > 10, "{:?}", real.cache.l2);
}

fn signal(ids: &[String], signal: &str) {
    let status = Command::new("kill").arg(signal).args(ids).status().unwrap();
    assert!(status.success());
}

/// Stops a server for some seconds of a run, as a machine that swaps would.
pub(crate) fn stalled(server: &Server, seconds: u64) -> impl FnOnce() + Send + 'static {
    let ids = server.ids();
    move || {
        thread::sleep(Duration::from_secs(3));
        signal(&ids, "-STOP");
        thread::sleep(Duration::from_secs(seconds));
        signal(&ids, "-CONT");
    }
}

const HANGS: &str = "faults: [{ at: 3s, for: 2s, l2: { is: hang } }]\n";

#[test]
fn memcached_that_is_stopped_for_two_seconds_costs_what_a_hanging_l2_does() {
    let _alone = crate::alone();
    let measured = undisturbed(|| {
        let server = memcached(free_port(), &[]);
        let url = format!("memcached://127.0.0.1:{}", server.port);
        real(&url, "memcached", stalled(&server, 2))
    });
    agrees(&measured, &virtually(HANGS));
}

#[test]
fn redis_that_is_stopped_for_two_seconds_costs_what_a_hanging_l2_does() {
    let _alone = crate::alone();
    let measured = undisturbed(|| {
        let server = redis(free_port(), &[]);
        let url = format!("redis://127.0.0.1:{}", server.port);
        real(&url, "redis", stalled(&server, 2))
    });
    agrees(&measured, &virtually(HANGS));
}

#[test]
fn redis_that_is_killed_and_started_again_costs_what_a_refusing_l2_does() {
    let _alone = crate::alone();
    let measured = undisturbed(|| {
        let server = redis(free_port(), &[]);
        let port = server.port;
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let breaking = thread::spawn(move || {
            thread::sleep(Duration::from_secs(3));
            drop(server);
            thread::sleep(Duration::from_secs(2));
            let again = redis(port, &[]);
            // It runs until the test is over.
            let _ = wait.recv();
            drop(again);
        });
        let measured = real(&format!("redis://127.0.0.1:{port}"), "redis", || ());
        drop(done);
        breaking.join().unwrap();
        measured
    });
    let faults =
        "faults: [{ at: 3s, for: 2s, l2: { is: refuse } }, { at: 5s, l2: { is: wipe } }]\n";
    agrees(&measured, &virtually(faults));
}

#[test]
fn sql_server_s_wire_serves_a_run_as_a_store_that_is_well_does() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let endpoint = runtime.block_on(Endpoint::start());
    let url = format!(
        "sqlserver:Server=tcp:127.0.0.1,{};User Id={USER};Password={PASSWORD};\
         Encrypt=DANGER_PLAINTEXT",
        endpoint.port
    );
    let measured = undisturbed(|| real(&url, "sql_server", || ()));
    assert_eq!(measured.cache.l2.errors, 0);
    serves(&measured, &virtually(""));
    writes(&measured);
}

/// A Postgres of the test's own.
pub(crate) struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    server: Option<Server>,
}

impl Cluster {
    pub(crate) fn start(name: &str) -> Self {
        let id = |of: &str, user: &str| -> Option<u32> {
            let output = Command::new("id").args([of, user]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        let who = id("-u", "postgres").zip(id("-g", "postgres"));
        let (user, group) = who.expect("Debian's `postgresql` makes the user `postgres`");
        let programs = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .map(|version| version.unwrap().path().join("bin"))
            .find(|bin| bin.join("initdb").is_file())
            .expect("Debian's `postgresql` is installed; `scripts/test` does that");
        let name = format!("loadgen-postgres-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        std::os::unix::fs::chown(&directory, Some(user), Some(group)).unwrap();
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(&directory).uid(user).gid(group);
            command
        };
        let mut init = program("initdb");
        init.arg("-D").arg(directory.join("data"));
        init.args(["-U", "tester", "--auth", "trust", "--no-sync"]);
        assert!(init.output().unwrap().status.success());
        let port = free_port();
        let mut command = program("postgres");
        command.arg("-D").arg(directory.join("data"));
        command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"]);
        command.arg("-k").arg(&directory);
        Self {
            server: Some(Server::start(port, command)),
            directory: directory.clone(),
            programs: programs.clone(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.as_ref().unwrap().port
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://tester@127.0.0.1:{}/postgres", self.port())
    }

    /// A client of its own, ready for `-c`.
    pub(crate) fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-h", "127.0.0.1", "-p", &self.port().to_string()]);
        command.args(["-U", "tester", "postgres", "-q"]);
        command.stdout(std::process::Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server = None;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn postgres_that_is_stopped_for_two_seconds_costs_what_a_hanging_l2_does() {
    let _alone = crate::alone();
    let cluster = Cluster::start("stopped");
    let measured = undisturbed(|| {
        let id = cluster.server.as_ref().unwrap().ids().pop().unwrap();
        // Its processes are looked up when the time has come: sessions come and go.
        let breaking = move || {
            thread::sleep(Duration::from_secs(3));
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            let mut ids: Vec<String> = children
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            ids.push(id);
            signal(&ids, "-STOP");
            thread::sleep(Duration::from_secs(2));
            signal(&ids, "-CONT");
        };
        real(&cluster.url(), "postgres", breaking)
    });
    agrees(&measured, &virtually(HANGS));
}

#[test]
fn a_run_leaves_nothing_in_the_store() {
    let _alone = crate::alone();
    let server = redis(free_port(), &[]);
    let url = format!("redis://127.0.0.1:{}", server.port);
    let report = real(&url, "redis", || ());
    assert!(
        report.cache.l2.contents.access_tokens > 0,
        "{:?}",
        report.cache.l2
    );
    let output = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "dbsize"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}
