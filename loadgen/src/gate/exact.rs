//! The first tier: counts of runs in virtual time, held against a baseline.
//! Equal or within a declared budget, or it is red; no statistics.

use super::baseline::{Baseline, Run, numbers};
use super::discordance::{Discordance, discordance};
use super::metric::{Better, Metric};
use crate::report::model::Report;

/// One number beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name, as thresholds write it.
    pub name: String,
    /// The run's seed.
    pub seed: u64,
    /// The baseline's; `None` for a number the baseline does not know.
    pub base: Option<f64>,
    /// This run's; `None` for one that is gone.
    pub head: Option<f64>,
    /// How much worse it may be.
    pub allowance: f64,
    /// What that comes to.
    pub change: Change,
}

/// How a number stands to its baseline, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The baseline has it, and this run does not.
    Gone,
    /// Worse, by more than its budget.
    Regressed,
    /// The load is not the one of the baseline.
    OtherLoad,
    /// This run has it, and the baseline does not.
    New,
    /// Another number, of which neither is better.
    Changed,
    /// Worse, within its budget.
    WithinBudget,
    /// Better.
    Improved,
    /// The same.
    Same,
}

impl Change {
    /// Whether it makes the gate red.
    pub fn is_red(self) -> bool {
        matches!(
            self,
            Self::Gone | Self::Regressed | Self::OtherLoad | Self::New
        )
    }

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Regressed => "regressed",
            Self::OtherLoad => "other load",
            Self::New => "new",
            Self::Changed => "changed",
            Self::WithinBudget => "within budget",
            Self::Improved => "improved",
            Self::Same => "same",
        }
    }
}

/// A run beside the baseline's of the same seed.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The seed of both.
    pub seed: u64,
    /// Every number of either, worst first.
    pub checks: Vec<Check>,
    /// Which arrivals ended otherwise; `None` where either did not keep that.
    pub discordance: Option<Discordance>,
}

impl Beside {
    /// Whether anything in it is red.
    pub fn is_red(&self) -> bool {
        self.checks.iter().any(|check| check.change.is_red())
    }
}

/// Holds `report` against the baseline's run of the same seed; `None` when the
/// baseline has none of that seed.
pub fn hold(report: &Report, baseline: &Baseline) -> Option<Beside> {
    let base = baseline.runs.iter().find(|run| run.seed == report.seed)?;
    Some(Beside {
        seed: report.seed,
        checks: checks(report, base, baseline),
        discordance: discordance(base.outcomes.as_ref(), report.outcomes.as_ref()),
    })
}

fn checks(report: &Report, base: &Run, baseline: &Baseline) -> Vec<Check> {
    let head = numbers(report);
    let mut names: Vec<&String> = base.numbers.keys().chain(head.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut checks: Vec<Check> = names
        .into_iter()
        .map(|name| {
            let (base, head) = (base.numbers.get(name).copied(), head.get(name).copied());
            let allowance = baseline
                .budgets
                .get(name)
                .zip(base)
                .map_or(0.0, |(budget, base)| budget.allowance(base));
            Check {
                name: name.clone(),
                seed: report.seed,
                base,
                head,
                allowance,
                change: change(name, base, head, allowance),
            }
        })
        .collect();
    checks.sort_by(|one, other| {
        let size = |check: &Check| relative(check).abs();
        one.change
            .cmp(&other.change)
            .then(size(other).total_cmp(&size(one)))
            .then(one.name.cmp(&other.name))
    });
    checks
}

/// The change as a share of the baseline's number; of nothing, without bound.
pub fn relative(check: &Check) -> f64 {
    match (check.base, check.head) {
        (Some(base), Some(head)) if (head - base).abs() <= rounding(base) => 0.0,
        (Some(0.0), Some(head)) => f64::INFINITY.copysign(head),
        (Some(base), Some(head)) => (head - base) / base.abs(),
        _ => 0.0,
    }
}

/// Ratios are divisions, and their last digit is no news.
fn rounding(base: f64) -> f64 {
    base.abs() * 1e-12
}

fn change(name: &str, base: Option<f64>, head: Option<f64>, allowance: f64) -> Change {
    let (base, head) = match (base, head) {
        (Some(base), Some(head)) => (base, head),
        (Some(_), None) => return Change::Gone,
        (None, _) => return Change::New,
    };
    let more = head - base;
    // What is no number is not the same.
    if more.abs() <= rounding(base) {
        return Change::Same;
    }
    let worse = match better(name) {
        Better::Lower => more,
        Better::Higher => -more,
        Better::Neither if is_load(name) => return Change::OtherLoad,
        Better::Neither => return Change::Changed,
    };
    if worse <= 0.0 {
        Change::Improved
    } else if worse <= allowance {
        Change::WithinBudget
    } else {
        Change::Regressed
    }
}

/// What is offered does not depend on the cache.
fn is_load(name: &str) -> bool {
    let metric = name.split('{').next().unwrap_or(name);
    ["offered", "started", "acquisitions"].contains(&metric)
}

fn better(name: &str) -> Better {
    let (metric, labels) = name.split_once('{').unwrap_or((name, ""));
    let Some(metric) = Metric::named(metric) else {
        // A number nobody knows the meaning of must not change.
        return Better::Lower;
    };
    let own = labels
        .trim_end_matches('}')
        .split(',')
        .filter_map(|label| label.split_once('='))
        .find(|(label, _)| *label != "flow")
        .map(|(_, value)| value);
    metric.better(own)
}

#[cfg(test)]
mod tests;
