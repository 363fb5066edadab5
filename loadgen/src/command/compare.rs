//! `loadgen compare BASE HEAD`: two runs, or two sets of runs, side by side.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::gate::baseline::Baseline;
use crate::gate::discordance::word;
use crate::gate::exact::{Change, hold};
use crate::gate::metric::Unit;
use crate::gate::why::why;
use crate::report::escape::markdown;
use crate::report::figure::{Figure, figures};
use crate::report::model::{CacheRefreshReasonCounts, Report};
use crate::report::number::amount;
use crate::report::{merge, read};

use super::gate::Shape;

/// What `loadgen compare` was asked.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A run: its directory or its report.json. Of a directory that holds
    /// directories of runs, all of them.
    base: PathBuf,
    /// The run, or the runs, to set beside it.
    head: PathBuf,
    /// How to print the result.
    #[arg(long, default_value = "text", value_enum)]
    format: Shape,
    /// Show every number, and not only those that differ.
    #[arg(long)]
    all: bool,
}

/// A number of both sides.
struct Row {
    name: String,
    unit: Unit,
    base: Option<Figure>,
    head: Option<Figure>,
}

impl Row {
    /// Whether the two are told apart: counts by being other numbers,
    /// distributions by intervals that do not overlap.
    fn differs(&self) -> bool {
        let (Some(base), Some(head)) = (&self.base, &self.head) else {
            return true;
        };
        match (base.interval, head.interval) {
            (Some(base), Some(head)) => base.1 < head.0 || head.1 < base.0,
            _ => (base.value - head.value).abs() > base.value.abs() * 1e-12,
        }
    }

    /// Whether it is of one flow, and so a part of another row.
    fn is_of_a_flow(&self) -> bool {
        let figure = self.head.as_ref().or(self.base.as_ref());
        figure.is_some_and(|figure| figure.subject.flow.is_some())
    }

    fn change(&self) -> Option<f64> {
        let (base, head) = (self.base.as_ref()?.value, self.head.as_ref()?.value);
        (base != 0.0).then(|| (head - base) / base.abs())
    }
}

impl CompareArgs {
    /// Sets the two beside each other; that they differ is told, and is no
    /// failure.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a report cannot be used, or the two are of different
    /// scenarios.
    pub fn execute(&self) -> Result<(String, Exit), Failure> {
        let (base, head) = (side(&self.base)?, side(&self.head)?);
        if base.scenario.name != head.scenario.name {
            return Err(Failure::usage(
                format!(
                    "the runs are of different scenarios: {} and {}",
                    base.scenario.name, head.scenario.name
                ),
                "compare runs of one scenario",
            ));
        }
        let rows = rows(&base, &head);
        let printed = match self.format {
            Shape::Text => text(&base, &head, &rows, self.all),
            Shape::Markdown => page(&base, &head, &rows),
            Shape::Json => data(&base, &head, &rows),
        };
        Ok((printed, Exit::Pass))
    }
}

/// The run at `path`, or the runs in it as one.
fn side(path: &Path) -> Result<Report, Failure> {
    if path.is_file() || path.join("report.json").is_file() {
        return read::read(path);
    }
    let mut runs: Vec<PathBuf> = std::fs::read_dir(path)
        .map(|entries| {
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths
                .filter(|path| path.join("report.json").is_file())
                .collect()
        })
        .unwrap_or_default();
    runs.sort();
    if runs.is_empty() {
        return read::read(path);
    }
    merge::merge(&read::read_all(&runs)?)
}

fn rows(base: &Report, head: &Report) -> Vec<Row> {
    let (before, mut now) = (figures(base), figures(head));
    let mut rows: Vec<Row> = before
        .into_iter()
        .map(|base| {
            let place = now.iter().position(|head| head.name == base.name);
            Row {
                name: base.name.clone(),
                unit: base.unit(),
                head: place.map(|place| now.remove(place)),
                base: Some(base),
            }
        })
        .collect();
    rows.extend(now.into_iter().map(|head| Row {
        name: head.name.clone(),
        unit: head.unit(),
        base: None,
        head: Some(head),
    }));
    rows
}

/// One line on why the two differ, computed from their refresh reasons and the
/// first arrival or second in which they part.
fn reason(base: &Report, head: &Report) -> String {
    let (before, now) = (base.totals.acquisitions, head.totals.acquisitions);
    if before.abs_diff(now) > before / 100 {
        return reason_by_rate(base, head);
    }
    let told = Baseline::of(
        std::slice::from_ref(base),
        std::collections::BTreeMap::new(),
    )
    .and_then(|baseline| {
        let mut other = head.clone();
        // Other seeds are other arrivals, and their counts can be compared.
        other.seed = base.seed;
        if head.seed != base.seed {
            other.outcomes = None;
        }
        let beside = hold(&other, &baseline)?;
        let worse = why(&beside);
        worse.or_else(|| {
            let better = beside
                .checks
                .iter()
                .find(|check| check.change == Change::Improved)?;
            Some(format!("nothing is worse; {} is better", better.name))
        })
    })
    .unwrap_or_else(|| "the counts are the same".to_owned());
    match first_apart(base, head) {
        Some(second) => format!("{told}; the hit ratios part at {second:.0} s"),
        None => told,
    }
}

/// Counts of runs of other lengths do not compare, rates do.
fn reason_by_rate(base: &Report, head: &Report) -> String {
    let (before, now) = (base.totals.acquisitions, head.totals.acquisitions);
    let rose = reasons(base)
        .into_iter()
        .zip(reasons(head))
        .filter(|((name, _), _)| *name != "not_applicable")
        .map(|((name, was), (_, is))| (name, was, is))
        .max_by(|one, other| (one.2 - one.1).total_cmp(&(other.2 - other.1)))
        .filter(|(_, was, is)| is - was > 0.005);
    match rose {
        Some((name, was, is)) => {
            format!("cache_refresh_reason={name} rose {was:.2} → {is:.2} per 1000 acquisitions")
        }
        None => format!(
            "no refresh reason rose; counts of {before} and {now} acquisitions do not compare"
        ),
    }
}

/// When the hit ratio of an interval first differs by more than one in a hundred.
fn first_apart(base: &Report, head: &Report) -> Option<f64> {
    let (base, head) = (&base.series, &head.series);
    if (base.interval_s - head.interval_s).abs() > 1e-9 {
        return None;
    }
    let ratio = |of: &crate::report::model::Interval| {
        let all = of.token_source.cache + of.token_source.identity_provider;
        (all > 0).then(|| of.token_source.cache as f64 / all as f64)
    };
    let place = base
        .intervals
        .iter()
        .zip(&head.intervals)
        .position(|(base, head)| match (ratio(base), ratio(head)) {
            (Some(base), Some(head)) => (base - head).abs() > 0.01,
            _ => false,
        })?;
    Some(place as f64 * base.interval_s)
}

/// Each refresh reason with its rate per thousand acquisitions.
fn reasons(report: &Report) -> [(&'static str, f64); 6] {
    let CacheRefreshReasonCounts {
        not_applicable,
        no_cached_access_token,
        expired,
        force_refresh_or_claims,
        proactively_refreshed,
        cache_disabled,
    } = report.totals.cache_refresh_reason;
    let all = report.totals.acquisitions.max(1) as f64;
    let rate = |count: u64| count as f64 * 1_000.0 / all;
    [
        ("no_cached_access_token", rate(no_cached_access_token)),
        ("expired", rate(expired)),
        ("force_refresh_or_claims", rate(force_refresh_or_claims)),
        ("proactively_refreshed", rate(proactively_refreshed)),
        ("cache_disabled", rate(cache_disabled)),
        ("not_applicable", rate(not_applicable)),
    ]
}

fn shown(row: &Row, figure: Option<&Figure>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| amount(row.unit, figure.value))
}

fn interval(row: &Row) -> String {
    let Some((low, high)) = row.head.as_ref().and_then(|head| head.interval) else {
        return String::new();
    };
    format!(
        "  head in {} to {}",
        amount(row.unit, low),
        amount(row.unit, high)
    )
}

fn change(row: &Row) -> String {
    match row.change() {
        Some(0.0) => "0".to_owned(),
        Some(change) if change > 9.0 => format!("x {:.0}", change + 1.0),
        Some(change) => format!("{:+.2} %", change * 100.0),
        None if row.base.is_none() => "new".to_owned(),
        None if row.head.is_none() => "gone".to_owned(),
        None => "from 0".to_owned(),
    }
}

fn text(base: &Report, head: &Report, rows: &[Row], all: bool) -> String {
    let mut out = format!(
        "compare  {}\n  base  {}, seed {}, {}\n  head  {}, seed {}, {}\n  why: {}\n",
        base.scenario.name,
        base.verdict.word(),
        base.seed,
        base.started_at,
        head.verdict.word(),
        head.seed,
        head.started_at,
        reason(base, head)
    );
    if base.scenario.hash != head.scenario.hash
        || base.scenario.overrides != head.scenario.overrides
    {
        out.push_str("  the scenario's file or its --set is not the same on both sides\n");
    }
    if base.mode != head.mode {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "  base ran in {} time, head in {}",
            base.mode.as_str(),
            head.mode.as_str()
        );
    }
    if base.seed == head.seed
        && let Some(found) =
            crate::gate::discordance::discordance(base.outcomes.as_ref(), head.outcomes.as_ref())
    {
        let _ = writeln!(
            out,
            "  of {} arrivals {} turned from hit to miss, {} from miss to hit, {} broke",
            found.arrivals, found.lost, found.gained, found.broken
        );
        for (arrival, became) in &found.first_lost {
            let _ = writeln!(out, "    arrival {arrival}: {}", word(*became));
        }
    }
    let _ = writeln!(
        out,
        "\n  {:<34}{:>12}{:>12}",
        "PER 1000 ACQUISITIONS", "BASE", "HEAD"
    );
    for ((name, before), (_, now)) in reasons(base).into_iter().zip(reasons(head)) {
        if before > 0.0 || now > 0.0 {
            let _ = writeln!(out, "  {name:<34}{before:>12.2}{now:>12.2}");
        }
    }
    let _ = writeln!(
        out,
        "\n  {:<36}{:>11}{:>11}{:>10}",
        "NUMBER", "BASE", "HEAD", "CHANGE"
    );
    let (mut same, mut of_flows) = (0, 0);
    let size = |row: &Row| row.change().map_or(f64::INFINITY, f64::abs);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by(|one, other| size(other).total_cmp(&size(one)));
    for row in sorted {
        if !all && !row.differs() {
            same += 1;
            continue;
        }
        if !all && row.is_of_a_flow() {
            of_flows += 1;
            continue;
        }
        let sign = if row.differs() { '*' } else { '.' };
        if row.name.chars().count() > 35 {
            let _ = write!(out, "{sign} {}\n{:38}", row.name, "");
        } else {
            let _ = write!(out, "{sign} {:<36}", row.name);
        }
        let _ = writeln!(
            out,
            "{:>11}{:>11}{:>10}{}",
            shown(row, row.base.as_ref()),
            shown(row, row.head.as_ref()),
            change(row),
            interval(row)
        );
    }
    if of_flows > 0 {
        let _ = writeln!(
            out,
            "  {of_flows} numbers of single flows differ too (--all)"
        );
    }
    if same > 0 {
        let _ = writeln!(
            out,
            "  {same} numbers are the same, or cannot be told apart (--all)"
        );
    }
    out
}

fn page(base: &Report, head: &Report, rows: &[Row]) -> String {
    let mut out = format!(
        "### {}: {} beside {}\n\n**Why:** {}\n\n| number | base | head | change |\n|---|---:|---:|---:|\n",
        markdown(&base.scenario.name),
        head.verdict.word(),
        base.verdict.word(),
        markdown(&reason(base, head))
    );
    for row in rows.iter().filter(|row| row.differs()).take(80) {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| <code>{}</code> | {} | {} | {} |",
            markdown(&row.name),
            markdown(&shown(row, row.base.as_ref())),
            markdown(&shown(row, row.head.as_ref())),
            change(row)
        );
    }
    out
}

fn data(base: &Report, head: &Report, rows: &[Row]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let side = |figure: Option<&Figure>| {
                figure.map(|figure| json!({ "value": figure.value, "interval": figure.interval }))
            };
            json!({
                "name": row.name, "base": side(row.base.as_ref()), "head": side(row.head.as_ref()),
                "differs": row.differs()
            })
        })
        .collect();
    let whole = json!({
        "scenario": base.scenario.name, "why": reason(base, head), "numbers": rows,
        "base": base.verdict, "head": head.verdict
    });
    format!("{whole:#}\n")
}
