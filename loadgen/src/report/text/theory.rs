//! Measured beside predicted, and where the gap comes from.

use std::fmt::{self, Write as _};

use super::{clip, list};
use crate::report::model::Report;
use crate::report::number::count;

/// Writes what theory says, if it says anything.
pub(super) fn write(out: &mut String, report: &Report) -> fmt::Result {
    // With one flow, that flow is the whole.
    let rows = match report.theory.as_slice() {
        [] => return Ok(()),
        [_, flow] => std::slice::from_ref(flow),
        rows => rows,
    };
    writeln!(out, "\nHIT RATIO, MEASURED AND PREDICTED")?;
    writeln!(
        out,
        "  {:<20}{:>9}{:>11}{:>11}{:>8}  by",
        "flow", "measured", "predicted", "gap", "z"
    )?;
    for row in rows {
        let scope = if row.scope == "totals" {
            "all"
        } else {
            &row.scope
        };
        line(
            out,
            clip(scope, 20).as_str(),
            row.measured_hit_ratio,
            (row.predicted_hit_ratio, row.z),
            match row.predicted_by.as_str() {
                "model" if report.load.closed_loops.is_empty() => "model, same arrivals",
                // They call when they have been answered.
                "model" => "model, same users",
                // A report of an earlier build does not say.
                "" => "-",
                by => by,
            },
        )?;
        if let Some(form) = row
            .closed_form
            .as_ref()
            .filter(|_| row.predicted_by == "model")
        {
            line(
                out,
                "",
                row.measured_hit_ratio,
                (form.hit_ratio, form.z),
                short(&form.formula),
            )?;
        }
    }
    let whole = &report.theory[0];
    list(
        out,
        "misses too many",
        whole
            .causes(report.totals.tokens())
            .into_iter()
            .map(|(cause, many)| {
                let sign = if many < 0 { "-" } else { "" };
                format!("{cause} {sign}{}", count(many.unsigned_abs()))
            }),
    )?;
    list(
        out,
        "not as assumed",
        whole
            .broken_assumptions
            .iter()
            .map(|what| format!("{what};")),
    )
}

fn line(
    out: &mut String,
    name: &str,
    measured: f64,
    (predicted, z): (f64, f64),
    by: &str,
) -> fmt::Result {
    writeln!(
        out,
        "  {name:<20}{measured:>9.4}{predicted:>11.4}{:>11}{:>8}  {by}",
        format!("{:+.4}", measured - predicted),
        format!("{z:+.1}"),
    )
}

/// `F12 over F4`, without what each of them is.
fn short(formula: &str) -> &str {
    formula.split(" (").next().unwrap_or(formula)
}
