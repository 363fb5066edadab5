//! What a gate found, in 80 columns, Markdown or JSON; and the difference that a
//! bless makes.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::Gated;
use crate::exit::{Exit, Failure};
use crate::gate::baseline::Baseline;
use crate::gate::cost::Costs;
use crate::gate::exact::{Change, Check, hold, relative};
use crate::gate::metric::{Metric, Unit};
use crate::gate::why::why;
use crate::report::escape::{comment_word, markdown};
use crate::report::model::Report;
use crate::report::number::amount;

/// How the result of a gate is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// For people, 80 columns.
    Text,
    /// For pull requests: a bot finds its earlier comment by the hidden marker.
    Markdown,
    /// For programs.
    Json,
}

/// No Markdown has more rows.
const MOST_ROWS: usize = 60;

pub(super) fn render(gated: &Gated, shape: Shape, all: bool) -> String {
    match shape {
        Shape::Text => text(gated, all),
        Shape::Markdown => page(gated),
        Shape::Json => data(gated),
    }
}

fn word(exit: Exit) -> &'static str {
    if exit == Exit::Pass { "PASS" } else { "FAIL" }
}

fn checks(gated: &Gated) -> Vec<&Check> {
    let mut checks: Vec<&Check> = gated
        .seeds
        .iter()
        .flat_map(|beside| &beside.checks)
        .collect();
    // Each seed's are worst first; all of them are to be.
    checks.sort_by_key(|check| check.change);
    checks
}

fn red(gated: &Gated) -> usize {
    let checks = checks(gated);
    checks.iter().filter(|check| check.change.is_red()).count() + gated.others.len()
}

fn reasons(gated: &Gated) -> Vec<String> {
    let counts = gated.seeds.iter().find_map(why);
    counts
        .into_iter()
        .chain(gated.others.first().cloned())
        .collect()
}

fn value(name: &str, value: Option<f64>) -> String {
    let metric = name.split('{').next().and_then(Metric::named);
    let unit = metric.map_or(Unit::Count, |metric| metric.unit);
    value.map_or_else(|| "-".to_owned(), |value| amount(unit, value))
}

fn change(check: &Check) -> String {
    let share = relative(check);
    match (check.base, check.head) {
        (Some(_), Some(_)) if check.change == Change::Same => "0".to_owned(),
        (Some(_), Some(_)) if share.is_finite() => format!("{:+.2} %", share * 100.0),
        (Some(base), Some(head)) => format!("{:+}", head - base),
        (None, _) => "new".to_owned(),
        (_, None) => "gone".to_owned(),
    }
}

fn text(gated: &Gated, all: bool) -> String {
    let mut out = String::new();
    let checks = checks(gated);
    let seeds: Vec<String> = gated
        .seeds
        .iter()
        .map(|beside| beside.seed.to_string())
        .collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{}  {} (virtual time, seed{} {})",
        word(gated.exit),
        gated.scenario,
        if seeds.len() == 1 { "" } else { "s" },
        seeds.join(", ")
    );
    for reason in reasons(gated) {
        let _ = writeln!(out, "  why: {reason}");
    }
    let _ = writeln!(
        out,
        "  {} of {} checks are red",
        red(gated),
        checks.len() + gated.others.len()
    );
    for other in &gated.others {
        let _ = writeln!(out, "  x {other}");
    }
    let shown: Vec<&&Check> = checks
        .iter()
        .filter(|check| all || check.change != Change::Same)
        .collect();
    if !shown.is_empty() {
        let _ = writeln!(
            out,
            "\n  {:<36}{:>10}{:>10}{:>9} VERDICT",
            "CHECK", "BASE", "HEAD", "CHANGE"
        );
    }
    for check in &shown {
        let name = if seeds.len() > 1 {
            format!("{} #{}", check.name, check.seed)
        } else {
            check.name.clone()
        };
        if name.chars().count() > 35 {
            let _ = writeln!(out, "{} {name}", sign(check.change));
        } else {
            let _ = write!(out, "{} {name:<36}", sign(check.change));
        }
        let indent = if name.chars().count() > 35 { 38 } else { 0 };
        let _ = writeln!(
            out,
            "{:indent$}{:>10}{:>10}{:>9} {}",
            "",
            value(&check.name, check.base),
            value(&check.name, check.head),
            change(check),
            check.change.word()
        );
    }
    let same = checks.len() - shown.len();
    if same > 0 {
        let _ = writeln!(
            out,
            "  {same} numbers are the same{}",
            if all { "" } else { " (--all)" }
        );
    }
    for beside in &gated.seeds {
        if let Some(found) = &beside.discordance
            && found.lost + found.gained + found.broken > 0
        {
            let _ = writeln!(
                out,
                "  seed {}: {} of {} arrivals turned from hit to miss, {} from miss to hit, {} broke",
                beside.seed, found.lost, found.arrivals, found.gained, found.broken
            );
        }
    }
    if let Some((base, head)) = &gated.costs {
        let _ = writeln!(out, "{}", costs(*base, *head));
    }
    if gated.exit == Exit::Pass && checks.iter().any(|check| check.change == Change::Improved) {
        let _ = writeln!(out, "  better than the baseline: accept it with --bless");
    }
    let _ = writeln!(out, "  again: {}", gated.again);
    out
}

fn costs(base: Option<Costs>, head: Costs) -> String {
    let before = base.map_or_else(
        || "no baseline".to_owned(),
        |base| {
            format!(
                "{:.0} and {:.2} before",
                base.instructions, base.allocations
            )
        },
    );
    format!(
        "  an acquisition takes {:.0} instructions and {:.2} allocations ({before})",
        head.instructions, head.allocations
    )
}

fn sign(change: Change) -> char {
    match change {
        change if change.is_red() => 'x',
        Change::Changed | Change::WithinBudget => '~',
        Change::Improved => '+',
        _ => '.',
    }
}

fn page(gated: &Gated) -> String {
    let mut out = format!("<!-- loadgen:gate:{} -->\n", comment_word(&gated.scenario));
    let symbol = if gated.exit == Exit::Pass {
        "✅"
    } else {
        "❌"
    };
    let _ = writeln!(
        out,
        "### {symbol} {}: {} against its baseline\n",
        word(gated.exit),
        markdown(&gated.scenario)
    );
    for reason in reasons(gated) {
        let _ = writeln!(out, "**Why:** {}\n", markdown(&reason));
    }
    for other in gated.others.iter().take(10) {
        let _ = writeln!(out, "- {}", markdown(other));
    }
    let checks = checks(gated);
    let changed: Vec<&&Check> = checks
        .iter()
        .filter(|check| check.change != Change::Same)
        .collect();
    if !changed.is_empty() {
        out.push_str(
            "\n| | check | seed | base | head | change |\n|---|---|---:|---:|---:|---:|\n",
        );
    }
    for check in changed.iter().take(MOST_ROWS) {
        let _ = writeln!(
            out,
            "| {} | <code>{}</code> | {} | {} | {} | {} |",
            check.change.word(),
            markdown(&check.name),
            check.seed,
            markdown(&value(&check.name, check.base)),
            markdown(&value(&check.name, check.head)),
            change(check)
        );
    }
    if changed.len() > MOST_ROWS {
        let _ = writeln!(out, "| | and {} more | | | | |", changed.len() - MOST_ROWS);
    }
    let _ = writeln!(
        out,
        "\n{} of {} numbers are the same. Again: <code>{}</code>",
        checks.len() - changed.len(),
        checks.len(),
        markdown(&gated.again)
    );
    out
}

fn data(gated: &Gated) -> String {
    let checks: Vec<_> = checks(gated)
        .into_iter()
        .map(|check| {
            json!({
                "name": check.name, "seed": check.seed, "base": check.base, "head": check.head,
                "allowance": check.allowance, "verdict": check.change.word(),
                "red": check.change.is_red()
            })
        })
        .collect();
    let parted: Vec<_> = gated
        .seeds
        .iter()
        .filter_map(|beside| {
            let found = beside.discordance.as_ref()?;
            Some(json!({
                "seed": beside.seed, "arrivals": found.arrivals, "lost": found.lost,
                "gained": found.gained, "broken": found.broken
            }))
        })
        .collect();
    let whole = json!({
        "scenario": gated.scenario, "verdict": word(gated.exit).to_lowercase(),
        "exit_code": gated.exit.code(), "why": reasons(gated), "others": gated.others,
        "checks": checks, "discordance": parted,
        "costs": gated.costs.map(|(base, head)| json!({ "base": base, "head": head }))
    });
    format!("{whole:#}\n")
}

/// Writes the baseline anew and says what that changes. Budgets stay.
pub(super) fn bless(
    path: &Path,
    reports: &[Report],
    costs: Option<Costs>,
) -> Result<(String, Exit), Failure> {
    if let Some(report) = reports.iter().find(|report| report.exit_code != 0) {
        return Err(Failure {
            exit: Exit::from(report.verdict),
            message: format!(
                "nothing is accepted: the run of seed {} did not pass: {}",
                report.seed,
                report.reasons.join("; ")
            ),
            hint: Some("a baseline is made of runs that pass".to_owned()),
        });
    }
    // One that cannot be read is replaced; that is what a bless is for.
    let before = Baseline::read(path).ok();
    let mut budgets = before
        .as_ref()
        .map(|before| before.budgets.clone())
        .unwrap_or_default();
    let known = reports
        .first()
        .map(crate::gate::baseline::numbers)
        .unwrap_or_default();
    budgets.retain(|name, _| known.contains_key(name));
    let Some(mut after) = Baseline::of(reports, budgets) else {
        return Err(Failure::internal("there is no run to accept"));
    };
    after.costs = costs.or_else(|| before.as_ref().and_then(|before| before.costs));
    std::fs::write(path, after.render()).map_err(|error| {
        Failure::environment(
            format!("`{}` cannot be written: {error}", path.display()),
            "name another --baseline",
        )
    })?;
    let mut out = format!("blessed  {}\n", path.display());
    let Some(before) = before else {
        let _ = writeln!(
            out,
            "  a new baseline of {} runs, {} numbers each",
            after.runs.len(),
            known.len()
        );
        return Ok((out, Exit::Pass));
    };
    let mut differences = 0;
    for report in reports {
        let Some(beside) = hold(report, &before) else {
            let _ = writeln!(out, "  seed {} is new", report.seed);
            continue;
        };
        for check in beside
            .checks
            .iter()
            .filter(|check| check.change != Change::Same)
        {
            differences += 1;
            let _ = writeln!(
                out,
                "  seed {}: {} {} → {} ({})",
                check.seed,
                check.name,
                value(&check.name, check.base),
                value(&check.name, check.head),
                check.change.word()
            );
        }
    }
    if before.scenario != after.scenario {
        out.push_str("  the scenario's file or its --set changed\n");
    }
    let _ = writeln!(out, "  {differences} numbers changed");
    Ok((out, Exit::Pass))
}
