//! A baseline: the counts of accepted runs, in a small file that is reviewed as
//! code is. Only what is the same on every machine is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::metric::Unit;
use super::subject::{Subject, Window};
use crate::exit::Failure;
use crate::report::model::{Mode, Outcomes, Report, ScenarioId};

/// Version of the layout below.
pub const BASELINE_VERSION: u64 = 1;

/// Longer outcomes are left out: the file is to be read.
const MOST_OUTCOME_BYTES: usize = 40_000;

/// Most bytes of a baseline file.
const MAX_FILE_SIZE: u64 = 4 << 20;

/// What runs are held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`BASELINE_VERSION`] of the writer.
    pub baseline_version: u64,
    /// The scenario they ran.
    pub scenario: Identity,
    /// The clock they ran on.
    pub mode: Mode,
    /// How much worse a number may get, by its name: `"2%"` or `"5"`. Everything
    /// not named here must not get worse at all. Written by people and kept.
    #[serde(default)]
    pub budgets: BTreeMap<String, Budget>,
    /// The accepted runs, one a seed.
    pub runs: Vec<Run>,
    /// Instructions and allocations of an acquisition, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<super::cost::Costs>,
}

/// Which scenario a baseline is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub hash: String,
    /// Each `--set` laid over it.
    pub overrides: Vec<String>,
}

impl From<&ScenarioId> for Identity {
    fn from(id: &ScenarioId) -> Self {
        Self {
            name: id.name.clone(),
            hash: id.hash.clone(),
            overrides: id.overrides.clone(),
        }
    }
}

/// The counts of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Each number that is the same on every machine, by its name.
    pub numbers: BTreeMap<String, f64>,
    /// How each arrival ended, where that is short enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,
}

/// How much worse a number may get.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Budget {
    /// By this much, in its own unit.
    Absolute(f64),
    /// By this share of the baseline's number; of nothing, nothing.
    Relative(f64),
}

impl Budget {
    /// How far from `base` that lets a number go.
    pub fn allowance(self, base: f64) -> f64 {
        match self {
            Self::Absolute(most) => most,
            Self::Relative(share) => base.abs() * share,
        }
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, relative) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text.as_str(), false),
        };
        let number: f64 = number
            .trim()
            .parse()
            .map_err(|_| format!("`{text}` is not a budget: write `2%` or `5`"))?;
        if !number.is_finite() || number < 0.0 {
            return Err(format!("`{text}` is not a budget: it is zero or more"));
        }
        Ok(if relative {
            Self::Relative(number / 100.0)
        } else {
            Self::Absolute(number)
        })
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        match budget {
            Budget::Absolute(most) => most.to_string(),
            Budget::Relative(share) => format!("{}%", (share * 1e8).round() / 1e6),
        }
    }
}

/// The numbers of a report that are the same on every machine.
pub fn numbers(report: &Report) -> BTreeMap<String, f64> {
    Subject::all(report)
        .into_iter()
        .filter(|subject| subject.metric.unit != Unit::Microseconds)
        .filter_map(|subject| {
            let value = subject.measure(report, Window::default())?;
            Some((subject.to_string(), value))
        })
        .collect()
}

impl Baseline {
    /// What `reports`, one a seed, would be accepted as; `None` without a report.
    pub fn of(reports: &[Report], budgets: BTreeMap<String, Budget>) -> Option<Self> {
        let first = reports.first()?;
        Some(Self {
            baseline_version: BASELINE_VERSION,
            scenario: Identity::from(&first.scenario),
            mode: first.mode,
            budgets,
            runs: reports
                .iter()
                .map(|report| Run {
                    seed: report.seed,
                    numbers: numbers(report),
                    outcomes: report
                        .outcomes
                        .clone()
                        .filter(|outcomes| outcomes.letters.len() <= MOST_OUTCOME_BYTES),
                })
                .collect(),
            costs: None,
        })
    }

    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 2 for a file that cannot be relied on, or 4
    /// for one that cannot be read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let unusable = |message: String, hint: &str| {
            Failure::usage(
                format!("baseline `{shown}` cannot be used: {message}"),
                hint,
            )
        };
        let size = fs::metadata(path)
            .map(|meta| meta.len())
            .unwrap_or_default();
        if size > MAX_FILE_SIZE {
            return Err(unusable(
                format!("it has {size} bytes"),
                "no baseline of loadgen is as large",
            ));
        }
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::environment(
                format!("baseline `{shown}` cannot be read: {error}"),
                "write one with --bless, and commit it",
            )
        })?;
        Self::parse(&text).map_err(|message| {
            unusable(
                message,
                "write it anew with --bless, and review the difference",
            )
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            baseline_version: Option<u64>,
        }
        let broken = |error: serde_json::Error| {
            if error.is_eof() {
                "it ends in the middle".to_owned()
            } else {
                error.to_string()
            }
        };
        let head: Head = serde_json::from_str(text).map_err(broken)?;
        match head.baseline_version {
            Some(BASELINE_VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "it is of version {version}, and this loadgen knows version {BASELINE_VERSION}"
                ));
            }
            None => return Err("it is no baseline: it has no `baseline_version`".to_owned()),
        }
        let baseline: Self = serde_json::from_str(text).map_err(broken)?;
        if baseline.runs.is_empty() {
            return Err("it holds no run".to_owned());
        }
        for run in &baseline.runs {
            if run.numbers.is_empty() {
                return Err(format!("the run of seed {} has no numbers", run.seed));
            }
            if let Some(Err(wrong)) = run.outcomes.as_ref().map(Outcomes::unpack) {
                return Err(format!("`outcomes` of seed {}: {wrong}", run.seed));
            }
        }
        let known = |name: &String| {
            baseline
                .runs
                .iter()
                .any(|run| run.numbers.contains_key(name))
        };
        if let Some(name) = baseline.budgets.keys().find(|name| !known(name)) {
            return Err(format!(
                "the budget for `{name}` is for a number it does not have"
            ));
        }
        Ok(baseline)
    }

    /// The text of the file: stable, a line a number.
    pub fn render(&self) -> String {
        // Plain maps and finite numbers always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What keeps `report` from being held against this, if anything.
    pub fn mismatch(&self, report: &Report) -> Option<String> {
        let id = Identity::from(&report.scenario);
        let named = |what: &str, here: &str, there: &str| {
            Some(format!(
                "the baseline is for {what} {there}, and this is {here}"
            ))
        };
        if self.scenario.name != id.name {
            return named("scenario", &id.name, &self.scenario.name);
        }
        if self.mode != report.mode {
            return named("mode", report.mode.as_str(), self.mode.as_str());
        }
        if self.scenario.overrides != id.overrides {
            return named(
                "--set",
                &id.overrides.join(" "),
                &self.scenario.overrides.join(" "),
            );
        }
        if self.scenario.hash != id.hash {
            return Some(
                "the scenario's file has changed since the baseline was accepted".to_owned(),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn baseline() -> Baseline {
        let budgets = BTreeMap::from([("l1_bytes".to_owned(), Budget::Relative(0.02))]);
        Baseline::of(&[sample::clean_report()], budgets).unwrap()
    }

    #[test]
    fn a_baseline_reads_back_and_has_no_times_in_it() {
        let text = baseline().render();
        assert_eq!(Baseline::parse(&text), Ok(baseline()));
        assert_eq!(baseline().render(), text);
        assert!(
            !text.contains("acquire_cache") && !text.contains("p99"),
            "{text}"
        );
        assert!(text.contains("\"l1_bytes\": \"2%\""), "{text}");
        assert!(
            text.contains("\"l2_operations{operation=get}\": 11.0"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_is_no_baseline_of_ours_is_refused() {
        let good = baseline().render();
        let cases = [
            (good[..good.len() / 2].to_owned(), "ends in the middle"),
            (String::new(), "ends in the middle"),
            ("{}".to_owned(), "it is no baseline"),
            (
                good.replace("\"baseline_version\": 1", "\"baseline_version\": 2"),
                "version 2",
            ),
            (
                good.replace("\"seed\": 7", "\"sead\": 7"),
                "unknown field `sead`",
            ),
            (good.replace("\"2%\"", "\"lots\""), "`lots` is not a budget"),
            (good.replace("\"2%\"", "\"-2%\""), "zero or more"),
            (
                good.replace("\"l1_bytes\": \"2%\"", "\"l9\": \"2%\""),
                "the budget for `l9`",
            ),
        ];
        for (text, expected) in cases {
            let said = Baseline::parse(&text).expect_err(&text);
            assert!(said.contains(expected), "{said}");
        }
        let mut empty = baseline();
        empty.runs.clear();
        assert!(Baseline::parse(&empty.render()).is_err());
        let mut blind = baseline();
        blind.runs[0].numbers.clear();
        blind.budgets.clear();
        assert!(Baseline::parse(&blind.render()).is_err());
    }

    #[test]
    fn a_run_of_something_else_is_not_held_against_it() {
        type Change = fn(&mut Report);
        let changes: [(Change, &str); 3] = [
            (
                |report| report.scenario.name.push('x'),
                "for scenario sample",
            ),
            (|report| report.scenario.hash.push('0'), "has changed since"),
            (
                |report| report.scenario.overrides.push("a=1".to_owned()),
                "for --set",
            ),
        ];
        assert_eq!(baseline().mismatch(&sample::clean_report()), None);
        for (change, expected) in changes {
            let mut report = sample::clean_report();
            change(&mut report);
            let said = baseline().mismatch(&report).unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_share_of_nothing_allows_nothing() {
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(close(Budget::Relative(0.5).allowance(0.0), 0.0));
        assert!(close(Budget::Relative(0.5).allowance(8.0), 4.0));
        assert!(close(Budget::Absolute(5.0).allowance(0.0), 5.0));
    }
}
