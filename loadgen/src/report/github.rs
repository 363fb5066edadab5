//! GitHub workflow commands: annotations on the lines of the scenario that
//! declare what did not hold.

use std::fmt::Write as _;

use super::escape::{github_message, github_property};
use super::model::{Report, ThresholdVerdict, Verdict};
use crate::gate::threshold::show;

/// GitHub shows ten of a level for each step; two are left for others.
const MOST: usize = 8;

/// Renders `report`; nothing for one that passed.
pub fn render(report: &Report) -> String {
    let name = &report.scenario.name;
    let failed: Vec<_> = report
        .thresholds
        .iter()
        .filter(|threshold| threshold.verdict != ThresholdVerdict::Pass)
        .collect();
    let mut out = String::new();
    // What no line of the scenario declares: wrong tokens, ledgers, validity.
    let others: Vec<_> = report
        .reasons
        .iter()
        .filter(|reason| !reason.starts_with("threshold `"))
        .collect();
    if !others.is_empty() {
        let level = match report.verdict {
            Verdict::Pass => "notice",
            _ => "error",
        };
        let told: Vec<&str> = others.iter().map(|reason| reason.as_str()).collect();
        let _ = writeln!(
            out,
            "::{level} file={},line=1,title={}::{}",
            github_property(&report.scenario.file),
            github_property(&format!("{}: {name}", report.verdict.word())),
            github_message(&told.join("\n"))
        );
    }
    let room = MOST - usize::from(!others.is_empty());
    for (index, threshold) in failed.iter().enumerate() {
        let left = failed.len() - index;
        let is_last = index + 1 == room && left > 1;
        let shown = |value: Option<f64>| {
            value.map_or_else(|| "nothing".to_owned(), |value| show(threshold.unit, value))
        };
        let mut message = format!(
            "{} does not hold: measured {}, limit {}",
            threshold.expression,
            shown(threshold.measured),
            shown(threshold.limit)
        );
        if threshold.verdict == ThresholdVerdict::NoData {
            message = format!(
                "{} has nothing, or too little, to judge by",
                threshold.expression
            );
        }
        if is_last {
            let _ = write!(message, "\nand {} more thresholds", left - 1);
        }
        let _ = writeln!(
            out,
            "::error file={},line={},title={}::{}",
            github_property(&threshold.file),
            threshold.line,
            github_property(&format!("threshold of {name}")),
            github_message(&message)
        );
        if is_last {
            break;
        }
    }
    out
}
