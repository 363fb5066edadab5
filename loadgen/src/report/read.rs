//! `report.json` read back: whole, ours, of a version we know, and at one with
//! itself. What cannot be trusted is an error and never a report.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::conserve::contradiction;
use super::hdr;
use super::model::{Acquisitions, Distribution, Report, SCHEMA_VERSION, ThresholdVerdict, Verdict};
use super::series::MOST_INTERVALS;
use crate::exit::{Exit, Failure};
use crate::gate;
use crate::gate::threshold::{Context, parse};

/// Most bytes of a report. A day of a large run takes a few million.
pub const MAX_FILE_SIZE: u64 = 256 << 20;

/// Reads the report at `path`: the file, or the directory that `--out` named.
///
/// # Errors
///
/// A [`Failure`] with exit code 2 that says what is wrong with the file, or 4
/// when it cannot be read at all.
pub fn read(path: &Path) -> Result<Report, Failure> {
    let path = if path.is_dir() {
        path.join("report.json")
    } else {
        path.to_owned()
    };
    let bytes = bytes_of(&path)?;
    parse_report(&bytes).map_err(|(message, hint)| unusable(&path, &message, hint))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(Failure::environment(
            format!("`{}` cannot be read: {error}", path.display()),
            "name a report.json, or the directory that --out named",
        ));
    }
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(unusable(
            path,
            &format!("it is larger than {} MiB", MAX_FILE_SIZE >> 20),
            "no report of loadgen is as large",
        ));
    }
    Ok(bytes)
}

fn unusable(path: &Path, message: &str, hint: &str) -> Failure {
    Failure::usage(
        format!("`{}` cannot be used: {message}", path.display()),
        hint,
    )
}

/// What is wrong, and what to do about it.
type Wrong = (String, &'static str);

const AGAIN: &str = "run the scenario again";

/// What every version of a report has.
#[derive(Deserialize)]
struct Head {
    schema_version: Option<u64>,
}

/// [`read`] for bytes that are at hand.
///
/// # Errors
///
/// What is wrong with them, and a hint.
pub fn parse_report(bytes: &[u8]) -> Result<Report, Wrong> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(("it is empty".to_owned(), AGAIN));
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| of_json(&error))?;
    let known = u64::from(SCHEMA_VERSION);
    match head.schema_version {
        None => return Err(foreign("it has no `schema_version`")),
        Some(0) => return Err(foreign("its `schema_version` is 0")),
        Some(version) if version > known => {
            return Err((
                format!("it is of version {version}, and this loadgen reads up to {known}"),
                "use the loadgen that wrote it, or a newer one",
            ));
        }
        Some(_) => {}
    }
    let report: Report = serde_json::from_slice(bytes).map_err(|error| of_json(&error))?;
    match disagreement(&report) {
        Some(disagreement) => Err((
            format!("it disagrees with itself: {disagreement}"),
            "it was edited or damaged; use the file as loadgen wrote it",
        )),
        None => Ok(report),
    }
}

fn foreign(message: &str) -> Wrong {
    (
        format!("it is no report of loadgen: {message}"),
        "name a report.json that `loadgen run --out` wrote",
    )
}

fn of_json(error: &serde_json::Error) -> Wrong {
    match error.classify() {
        serde_json::error::Category::Eof => (
            format!("it ends in the middle (line {})", error.line()),
            "it was cut off: copy it again, or run the scenario again",
        ),
        serde_json::error::Category::Data => foreign(&error.to_string()),
        _ => (format!("it is not JSON: {error}"), AGAIN),
    }
}

/// Where a report does not fit together: its counts, its histograms and what it
/// says of them, its thresholds and its verdict.
fn disagreement(report: &Report) -> Option<String> {
    contradiction(report)
        .filter(|_| report.exit_code != Exit::Internal.code())
        .or_else(|| of_ratios(report))
        .or_else(|| of_distributions(report))
        .or_else(|| of_series(report))
        .or_else(|| of_thresholds(report))
        .or_else(|| of_verdict(report))
}

fn scopes(report: &Report) -> impl Iterator<Item = (&str, &Acquisitions)> {
    let flows = report.flows.iter();
    std::iter::once(("totals", &report.totals))
        .chain(flows.map(|flow| (flow.name.as_str(), &flow.acquisitions)))
}

fn of_ratios(report: &Report) -> Option<String> {
    scopes(report).find_map(|(scope, of)| {
        let source = of.token_source;
        let ok = source.cache.saturating_add(source.identity_provider);
        let counted = (ok > 0).then(|| source.cache as f64 / ok as f64);
        let agree = match (of.hit_ratio, counted) {
            (Some(said), Some(counted)) => (said - counted).abs() < 1e-9,
            (said, counted) => said == counted,
        };
        (!agree).then(|| format!("`hit_ratio` of {scope} is not what its `token_source` gives"))
    })
}

fn of_distributions(report: &Report) -> Option<String> {
    let load = &report.load;
    let of_load = [
        ("load.lag", &load.lag),
        ("load.response", &load.response),
        ("load.service", &load.service),
    ];
    let of_load = of_load
        .into_iter()
        .map(|(name, times)| (name.to_owned(), times));
    let of_scopes = scopes(report).flat_map(|(scope, of)| {
        let times = &of.durations;
        [
            ("total", &times.total),
            ("cache", &times.cache),
            ("http", &times.http),
            ("by_source.cache", &times.by_source.cache),
            (
                "by_source.identity_provider",
                &times.by_source.identity_provider,
            ),
        ]
        .map(|(part, times)| (format!("durations.{part} of {scope}"), times))
    });
    of_load
        .chain(of_scopes)
        .find_map(|(name, times)| of_distribution(times).map(|wrong| format!("{name}: {wrong}")))
}

/// The numbers of a distribution are those of its histogram.
fn of_distribution(said: &Distribution) -> Option<String> {
    if *said == Distribution::default() {
        return None;
    }
    let times = match hdr::decode(&said.hdr) {
        Ok(times) => times,
        Err(reason) => return Some(reason),
    };
    let held = hdr::distribution(&times);
    if said.count != held.count {
        return Some(format!("{} samples, not {}", held.count, said.count));
    }
    let pairs = [
        ("mean_us", said.mean_us, held.mean_us),
        ("p50_us", said.p50_us, held.p50_us),
        ("p90_us", said.p90_us, held.p90_us),
        ("p99_us", said.p99_us, held.p99_us),
        ("p999_us", said.p999_us, held.p999_us),
        ("max_us", said.max_us, held.max_us),
    ];
    let near = |said: f64, held: f64| (said - held).abs() <= held.abs() * 1e-6 + 1e-9;
    pairs
        .into_iter()
        .find(|(_, said, held)| !near(*said, *held))
        .map(|(name, said, held)| format!("`{name}` is {said}, and its histogram says {held}"))
}

fn of_series(report: &Report) -> Option<String> {
    let series = &report.series;
    let count = series.intervals.len();
    if count > MOST_INTERVALS {
        return Some(format!("{count} intervals, of {MOST_INTERVALS} at most"));
    }
    if count > 0 && !(series.interval_s.is_finite() && series.interval_s > 0.0) {
        return Some(format!("intervals of {} seconds", series.interval_s));
    }
    let unreadable = series.intervals.iter().enumerate().find_map(|(index, of)| {
        let wrong = (!of.acquire.is_empty()).then(|| hdr::decode(&of.acquire).err())??;
        Some(format!("interval {index}: {wrong}"))
    });
    let outcomes = || {
        let outcomes = report.outcomes.as_ref()?;
        match outcomes.unpack() {
            Err(wrong) => Some(format!("`outcomes`: {wrong}")),
            Ok(letters) if letters.len() as u64 != report.load.offered => Some(format!(
                "{} outcomes of {} arrivals",
                letters.len(),
                report.load.offered
            )),
            Ok(_) => None,
        }
    };
    unreadable.or_else(outcomes)
}

/// Each threshold, judged again, says the same.
fn of_thresholds(report: &Report) -> Option<String> {
    report.thresholds.iter().find_map(|said| {
        let expression = &said.expression;
        let threshold = match parse(expression, said.line, 1, &Context::default()) {
            Ok(threshold) => threshold,
            Err(error) => return Some(format!("threshold `{expression}`: {error}")),
        };
        let held = gate::judge(&threshold, report);
        let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() <= other.abs() * 1e-9,
            (one, other) => one == other,
        };
        let same = said.verdict == held.verdict
            && near(said.measured, held.measured)
            && near(said.limit, held.limit);
        (!same).then(|| format!("threshold `{expression}` is not judged as its numbers say"))
    })
}

fn of_verdict(report: &Report) -> Option<String> {
    let verdict = report.verdict;
    let code = Exit::from(verdict).code();
    let internal = verdict == Verdict::Invalid && report.exit_code == Exit::Internal.code();
    if report.exit_code != code && !internal {
        return Some(format!(
            "verdict {} with exit code {}",
            verdict.word(),
            report.exit_code
        ));
    }
    let held = report
        .thresholds
        .iter()
        .all(|threshold| threshold.verdict == ThresholdVerdict::Pass);
    let oracle = report.oracle;
    let wrong = oracle.violations();
    if verdict == Verdict::Pass && !(held && wrong == 0 && report.ledger.balanced) {
        return Some("it passes, although not everything in it holds".to_owned());
    }
    None
}

/// Where the reports of a set are: each path a file or a run's directory.
///
/// # Errors
///
/// As [`read`], for the first that cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Report>, Failure> {
    paths.iter().map(|path| read(path)).collect()
}

#[cfg(test)]
mod tests;
