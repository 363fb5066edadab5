//! What the engine does in a second and takes in memory, beside the budgets of
//! the design.
//!
//! `cargo bench -p loadgen --bench engine` measures everything; a word after `--`
//! (`day`, `hits`, `flat`, `users`, `loop`, `lag`) measures that alone. Each figure is taken in a
//! process of its own, so that one's memory is not another's.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loadgen::command::run::{Options, run};
use loadgen::report::model::{Report, Verdict};
use loadgen::scenario::plan::Mode;
use loadgen::scenario::{Overrides, Plan, load::parse};

/// A day of a service with ten thousand tenants: 432 000 calls.
const DAY: &str = "
version: 1
duration: 24h
idp: { expires_in: 1h, latency: { token: 100ms } }
population: { tenants: { count: 10000, popularity: { zipf: 0.9 } } }
traffic: [{ flow: client_credentials, rate: 5/s }]
";

/// Calls enough that hits are nearly all there is.
const HITS: &str = "
version: 1
duration: 1000s
idp: { expires_in: 24h, latency: { token: 100ms } }
population: { tenants: { count: 1000, popularity: { zipf: 0.9 } } }
traffic: [{ flow: client_credentials, rate: 2000/s }]
";

/// A million users, of whom nearly nine in ten come at least once.
const USERS: &str = "
version: 1
duration: 1h
idp: { expires_in: 24h, latency: { token: 100ms } }
population: { tenants: 1000, users: 1000000 }
traffic: [{ flow: authorization_code, rate: 600/s }]
";

/// Two users who never think: all of one processor.
const LOOP: &str = "
version: 1
duration: 5s
idp: { expires_in: 24h }
population: { tenants: 100, users: 100 }
traffic: [{ flow: client_credentials, users: { count: 2, think: 0s } }]
";

/// Hits at a steady rate in real time.
const LAG: &str = "
version: 1
duration: 5s
idp: { expires_in: 24h }
population: { tenants: 100 }
traffic: [{ flow: client_credentials, arrivals: constant, rate: 20000/s }]
";

fn plan(scenario: &str, mode: Mode, set: &[&str]) -> Plan {
    let overrides = Overrides {
        mode: Some(mode),
        set: set.iter().map(|&change| change.to_owned()).collect(),
        ..Overrides::default()
    };
    let plan = parse(Path::new("bench.yaml"), scenario.as_bytes(), &overrides);
    plan.unwrap_or_else(|error| panic!("{error}"))
}

fn report(scenario: &str, mode: Mode, workers: usize) -> Report {
    report_of(plan(scenario, mode, &[]), workers)
}

fn report_of(plan: Plan, workers: usize) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime");
    let options = Options::quiet(plan);
    let finished = runtime.block_on(run(options)).expect("a report");
    let report: Report = serde_json::from_str(&finished.printed).expect("a report");
    // What was cut short is no figure: it would look smaller, or faster, than it is.
    assert_ne!(
        report.verdict,
        Verdict::Interrupted,
        "stopped before its end"
    );
    report
}

/// The most memory this process has had, in bytes.
fn most_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        * 1_024.0
}

fn said(what: &str, figure: &str, budget: &str, kept: bool) {
    let verdict = if kept { "kept" } else { "MISSED" };
    println!("{what:<58}{figure:>16}   {budget}: {verdict}");
}

fn beside(what: &str, figure: &str) {
    println!("{what:<58}{figure:>16}");
}

fn day() {
    let ideal = report(DAY, Mode::Model, 1);
    let day = report(DAY, Mode::Virtual, 1);
    let calls = day.load.ok as f64;
    said(
        "24 h, 10 000 tenants by Zipf, 432 k calls, virtual",
        &format!("{:.2} s", day.wall_s),
        "budget 1 s",
        day.wall_s <= 1.0,
    );
    beside("  the model of the same", &format!("{:.2} s", ideal.wall_s));
    beside(
        "  acquisitions a second, with one miss in so many",
        &format!(
            "{:.0} /s, {:.1}",
            calls / day.wall_s,
            calls / day.totals.token_source.identity_provider as f64
        ),
    );
    assert_eq!(ideal.totals.token_source, day.totals.token_source);
}

fn hits() {
    let run = report(HITS, Mode::Virtual, 1);
    let rate = run.load.ok as f64 / run.wall_s;
    said(
        "acquisitions a second of real cache code, virtual, hits",
        &format!("{:.0} k/s", rate / 1e3),
        "budget 500 k/s",
        rate >= 500e3,
    );
    assert!(run.totals.hit_ratio.unwrap_or_default() > 0.99);
}

/// A run of hits of this length, alone in its process. Even the short one has more calls than
/// a report keeps the endings of, and more seconds than its course has intervals.
fn hits_lasting(duration: &str) {
    let set = format!("duration={duration}");
    let set = [&*set, "traffic[0].rate=200/s"];
    let run = report_of(plan(HITS, Mode::Virtual, &set), 1);
    println!("{} {}", run.load.ok, most_memory());
}

/// What a run takes in memory, and the same when it is ten times as long.
fn flat() {
    let this = std::env::current_exe().expect("this program");
    let [short, long] = ["6000s", "60000s"].map(|duration| {
        let ended = Command::new(&this).args(["lasting", duration]).output();
        let printed = String::from_utf8(ended.expect("this program").stdout).expect("text");
        let mut words = printed.split_whitespace().map(str::parse::<f64>);
        let mut next = || words.next().expect("two numbers").expect("a number");
        (next(), next())
    });
    let ratio = long.1 / short.1;
    said(
        "memory of a run ten times as long",
        &format!("{ratio:.2} times"),
        "budget 1.1 times",
        ratio <= 1.1,
    );
    let runs = [short, long]
        .map(|(calls, memory)| format!("{:.1} MB for {:.1} M calls", memory / 1e6, calls / 1e6));
    beside("  the two", &runs.join(", "));
}

/// With the limits that a scenario has which names none.
fn users() {
    let run = report(USERS, Mode::Virtual, 1);
    let memory = most_memory() / 1e9;
    said(
        "a million users, memory of the whole process, virtual",
        &format!("{memory:.2} GB"),
        "budget 4 GB",
        memory <= 4.0,
    );
    about_users(&run);
}

/// With an L1 that has room for all of them, which is most of what it takes.
fn users_held() {
    let held = plan(USERS, Mode::Virtual, &["cache.l1.size_limit=16GB"]);
    let run = report_of(held, 1);
    beside(
        "  with all of them in L1, and of that L1",
        &format!(
            "{:.2} GB, {:.2} GB",
            most_memory() / 1e9,
            run.cache.l1.bytes as f64 / 1e9
        ),
    );
    about_users(&run);
}

fn about_users(run: &Report) {
    let groups = &run.load.popularity;
    let users = groups.iter().find(|group| group.group == "users");
    beside(
        "  users who came, calls, in L1 at the end, seconds",
        &format!(
            "{}, {}, {}, {:.0}",
            users.map_or(0, |users| users.drawn),
            run.load.ok,
            run.cache.l1.entries,
            run.wall_s
        ),
    );
}

fn closed_loop() {
    let run = report(LOOP, Mode::Real, 1);
    let rate = run.load.ok as f64 / run.duration_s;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    let used = run.load.generator.cpu_share.unwrap_or(f64::NAN) * cores;
    said(
        "closed loop on L1 hits, real time, one worker",
        &format!("{:.0} k/s", rate / 1e3),
        "budget 1 000 k/s",
        rate >= 1e6,
    );
    beside("  processors used", &format!("{used:.2}"));
}

fn lag() {
    let run = report(LAG, Mode::Real, 2);
    let lag = &run.load.lag;
    said(
        "lag at 20 k/s in real time, p50",
        &format!("{:.3} ms", lag.p50_us / 1e3),
        "budget 0.2 ms",
        lag.p50_us <= 200.0,
    );
    beside(
        "  p99, dropped of offered",
        &format!(
            "{:.3} ms, {} of {}",
            lag.p99_us / 1e3,
            run.load.dropped,
            run.load.offered
        ),
    );
    beside(
        "  a Tokio timer alone, p50",
        &format!("{:.3} ms", timer_lag_ms()),
    );
}

/// How late Tokio's timer wakes somebody who sleeps for two milliseconds.
fn timer_lag_ms() -> f64 {
    let sleep = Duration::from_millis(2);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut late: Vec<Duration> = runtime.block_on(async {
        let mut late = Vec::new();
        for _ in 0..501 {
            let due = tokio::time::Instant::now() + sleep;
            tokio::time::sleep_until(due).await;
            late.push(due.elapsed());
        }
        late
    });
    late.sort_unstable();
    late[late.len() / 2].as_secs_f64() * 1e3
}

const MEASURES: [(&str, fn()); 7] = [
    ("day", day),
    ("hits", hits),
    ("flat", flat),
    ("users", users),
    ("held", users_held),
    ("loop", closed_loop),
    ("lag", lag),
];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if let [first, duration] = wanted.as_slice()
        && first == "lasting"
    {
        return hits_lasting(duration);
    }
    if let [one] = wanted.as_slice()
        && let Some((_, measure)) = MEASURES.iter().find(|(name, _)| name == one)
    {
        return measure();
    }
    let this = std::env::current_exe().expect("this program");
    for (name, _) in MEASURES {
        let ended = Command::new(&this)
            .arg(name)
            .status()
            .expect("this program");
        assert!(ended.success(), "{name}");
    }
}
