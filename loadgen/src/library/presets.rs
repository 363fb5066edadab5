//! Every scenario under both presets: what MSAL.NET's defaults cost.

use std::fmt::Write as _;
use std::path::Path;

use super::side_by_side::side_by_side;
use super::{Bound, Entry, inputs};
use crate::exit::Failure;
use crate::gate::runner::Runner;
use crate::report::model::{Mode, Report, ThresholdVerdict};

/// What is compared.
const PRESETS: [&str; 2] = ["recommended", "msal_net"];

/// The table of `docs/presets.md`.
///
/// # Errors
///
/// A [`Failure`] when a scenario cannot run.
pub fn presets(entries: &[Entry]) -> Result<String, Failure> {
    let mut out = HEAD.to_owned();
    out.push_str(&rows(entries, &Runner::this_program()?)?);
    let entries: Vec<&Entry> = entries.iter().collect();
    out.push_str(&inputs::line(&entries).map_err(Failure::internal)?);
    Ok(out)
}

/// The rows of these scenarios, as `program` runs them.
///
/// # Errors
///
/// A [`Failure`] when a scenario cannot run.
pub fn rows(entries: &[Entry], program: &Path) -> Result<String, Failure> {
    let runs: Vec<(&Entry, &str)> = entries
        .iter()
        .flat_map(|entry| PRESETS.map(|preset| (entry, preset)))
        .collect();
    let reports = side_by_side(&runs, |(entry, preset)| {
        Runner {
            program: program.to_owned(),
            scenario: entry.path.clone(),
            set: vec![format!("cache.preset={preset}")],
            mode: Mode::Virtual,
            full: false,
        }
        .run(None, false)
    });
    let mut out = String::new();
    for ((entry, preset), report) in runs.iter().zip(reports) {
        row(&mut out, entry, preset, &report?);
    }
    Ok(out)
}

const HEAD: &str = "\
# What MSAL.NET's defaults cost

Every scenario of the library in virtual time, under the preset `recommended` and under
`msal_net`, which behaves as MSAL.NET with Microsoft.Identity.Web does. Made by
`loadgen scenarios presets scenarios > docs/presets.md`. *Ideal* thresholds are what a cache as
good as can be keeps; *msal-compatible* ones are those the scenario's advice keeps with MSAL.

| scenario | preset | hit ratio | token requests | of them redundant | errors | longest acquire | L2 operations per 1000 calls | thresholds broken |
|---|---|---:|---:|---:|---:|---:|---:|---|
";

fn row(out: &mut String, entry: &Entry, preset: &str, report: &Report) {
    let totals = &report.totals;
    let operations = report.cache.l2.operations;
    let asked = operations.get + operations.set + operations.refresh + operations.remove;
    let per_thousand = asked as f64 * 1e3 / totals.acquisitions.max(1) as f64;
    let broken = report
        .thresholds
        .iter()
        .filter(|threshold| threshold.verdict != ThresholdVerdict::Pass)
        .map(|threshold| {
            let marked = entry.thresholds.iter();
            let mark = marked
                .filter(|marked| marked.expression == threshold.expression)
                .find_map(|marked| marked.bound);
            let mark = match mark {
                Some(Bound::Ideal) => "ideal",
                Some(Bound::MsalCompatible) => "msal-compatible",
                None => "unmarked",
            };
            format!("`{}` ({mark})", threshold.expression)
        })
        .collect::<Vec<_>>();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "| {} | {preset} | {} | {} | {} | {} | {} | {per_thousand:.0} | {} |",
        entry.plan.name,
        totals
            .hit_ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0)),
        report.idp.token_requests,
        report.idp.redundant_token_requests,
        totals.errors,
        time(totals.durations.total.max_us),
        if broken.is_empty() {
            "-".to_owned()
        } else {
            broken.join(", ")
        }
    );
}

fn time(microseconds: f64) -> String {
    if microseconds >= 1e6 {
        format!("{:.1} s", microseconds / 1e6)
    } else {
        format!("{:.0} ms", microseconds / 1e3)
    }
}
