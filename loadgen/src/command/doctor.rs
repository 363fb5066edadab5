//! `loadgen doctor`: whether this machine can measure, and what it has.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use crate::exit::Failure;

/// Programs that scenarios, checks and dashboards may use.
const PROGRAMS: [&str; 8] = [
    "redis-server",
    "postgres",
    "memcached",
    "promtool",
    "prometheus",
    "grafana-server",
    "valgrind",
    "chromium",
];

/// Naps of a millisecond, to see how late timers are.
const NAPS: usize = 200;

/// Rounds of the same work, to see how evenly the machine does it.
const ROUNDS: usize = 60;

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    cores: usize,
    load: Option<f64>,
    steal: Option<f64>,
    open_files: Option<u64>,
    clock: Option<String>,
    /// How late a timer of a millisecond is, sorted.
    late: Vec<Duration>,
    /// How long the same work took each time, sorted.
    work: Vec<Duration>,
    programs: Vec<&'static str>,
}

/// Looks around.
///
/// # Errors
///
/// A [`Failure`] when not even a timer can be had.
pub fn doctor() -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| {
            Failure::environment(
                format!("the runtime could not be started: {error}"),
                "the system may be out of threads or file descriptors",
            )
        })?;
    let steal_before = steal();
    let late = runtime.block_on(naps());
    let work = rounds();
    Ok(render(&Found {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        steal: steal_before.zip(steal()).and_then(|(before, after)| {
            let all = after.1.checked_sub(before.1).filter(|all| *all > 0)?;
            Some(after.0.saturating_sub(before.0) as f64 / all as f64)
        }),
        open_files: read("/proc/self/limits").and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("Max open files"))?;
            line.split_whitespace().nth(3)?.parse().ok()
        }),
        clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .map(|text| text.trim().to_owned()),
        late,
        work,
        programs: PROGRAMS.into_iter().filter(|name| is_there(name)).collect(),
    }))
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Ticks stolen by other machines on this host, of all ticks.
fn steal() -> Option<(u64, u64)> {
    let text = read("/proc/stat")?;
    let ticks: Vec<u64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    Some((*ticks.get(7)?, ticks.iter().take(8).sum()))
}

async fn naps() -> Vec<Duration> {
    const NAP: Duration = Duration::from_millis(1);
    let mut late = Vec::with_capacity(NAPS);
    for _ in 0..NAPS {
        let began = Instant::now();
        tokio::time::sleep(NAP).await;
        late.push(began.elapsed().saturating_sub(NAP));
    }
    late.sort_unstable();
    late
}

fn rounds() -> Vec<Duration> {
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let began = Instant::now();
            let mut value = round as u64;
            for step in 0..400_000_u64 {
                value = value
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(step);
            }
            std::hint::black_box(value);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took
}

/// Whether a program is on the path, or where Debian keeps it off the path.
fn is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    on_path
        || (name == "postgres"
            && versions
                .into_iter()
                .any(|version| version.path().join("bin/postgres").is_file()))
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len().saturating_sub(1)) * percent / 100;
    sorted.get(place).map_or(0.0, Duration::as_secs_f64)
}

/// How uneven the machine is: the share by which nine of ten rounds of the same
/// work were longer than the shortest.
fn noise(found: &Found) -> f64 {
    let fastest = at(&found.work, 0);
    if fastest > 0.0 {
        at(&found.work, 90) / fastest - 1.0
    } else {
        0.0
    }
}

fn render(found: &Found) -> String {
    let mut rows: Vec<(bool, String)> = Vec::new();
    rows.push((
        found.cores >= 2,
        format!(
            "cores             {} (two or more keep generator and cache apart)",
            found.cores
        ),
    ));
    if let Some(load) = found.load {
        rows.push((
            load < found.cores as f64 * 0.5,
            format!(
                "load              {load:.2} (others compete from {:.1} on)",
                found.cores as f64 * 0.5
            ),
        ));
    }
    if let Some(steal) = found.steal {
        rows.push((
            steal < 0.01,
            format!("steal             {:.1} % (below 1 %)", steal * 100.0),
        ));
    }
    rows.push((
        at(&found.late, 99) < 0.005,
        format!(
            "timers            {:.2} ms late at the median, {:.2} ms at p99 (below 5 ms)",
            at(&found.late, 50) * 1e3,
            at(&found.late, 99) * 1e3
        ),
    ));
    if let Some(files) = found.open_files {
        rows.push((
            files >= 4_096,
            format!("open files        {files} (4096 or more)"),
        ));
    }
    if let Some(clock) = &found.clock {
        let quick = [
            "tsc",
            "kvm-clock",
            "arch_sys_counter",
            "hyperv_clocksource_tsc_page",
        ];
        rows.push((
            quick.contains(&clock.as_str()),
            format!("clock             {clock} (read without a system call)"),
        ));
    }
    let noise = noise(found);
    let word = match noise {
        noise if noise < 0.05 => "quiet: latencies can be compared by pairs",
        noise if noise < 0.20 => "restless: compare latencies by many pairs",
        _ => "noisy: trust counts in virtual time, and no latency",
    };
    rows.push((
        noise < 0.20,
        format!(
            "noise             {:.0} of 100, {word}",
            (noise * 100.0).min(100.0)
        ),
    ));
    let bad = rows.iter().filter(|(good, _)| !good).count();
    let mut out = match bad {
        0 => "good: this machine can measure\n".to_owned(),
        1 => "beware: one thing spoils measurements here\n".to_owned(),
        bad => format!("beware: {bad} things spoil measurements here\n"),
    };
    for (good, row) in &rows {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{} {row}", if *good { '.' } else { 'x' });
    }
    let missing = PROGRAMS
        .into_iter()
        .filter(|name| !found.programs.contains(name));
    let _ = writeln!(
        out,
        "\n  found             {}",
        listed(found.programs.iter().copied())
    );
    let _ = writeln!(out, "  not found         {}", listed(missing));
    out
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = fn(&mut Found);

    fn quiet() -> Found {
        Found {
            cores: 4,
            load: Some(0.1),
            steal: Some(0.0),
            open_files: Some(65_536),
            clock: Some("tsc".to_owned()),
            late: vec![Duration::from_micros(200); 10],
            work: vec![Duration::from_millis(1); 10],
            programs: vec!["redis-server"],
        }
    }

    #[test]
    fn a_quiet_machine_is_good_and_each_trouble_is_marked() {
        assert!(
            render(&quiet()).starts_with("good: "),
            "{}",
            render(&quiet())
        );
        let spoils: [(Spoil, &str); 6] = [
            (|found| found.cores = 1, "x cores"),
            (|found| found.load = Some(9.0), "x load"),
            (|found| found.steal = Some(0.2), "x steal"),
            (
                |found| found.late = vec![Duration::from_millis(9); 10],
                "x timers",
            ),
            (|found| found.open_files = Some(256), "x open files"),
            (
                |found| found.work[5..].fill(Duration::from_millis(3)),
                "x noise             100 of 100, noisy",
            ),
        ];
        for (spoil, expected) in spoils {
            let mut found = quiet();
            spoil(&mut found);
            let said = render(&found);
            assert!(
                said.starts_with("beware: one thing") || expected == "x cores",
                "{said}"
            );
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn it_runs_here() {
        let said = doctor().unwrap();
        assert!(said.contains("noise") && said.contains("timers"), "{said}");
        assert!(
            said.lines().all(|line| line.chars().count() <= 100),
            "{said}"
        );
    }
}
