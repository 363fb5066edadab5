//! Scenario by defect: each wrong behaviour of the catalogue must be caught by
//! the gate of a scenario at least, and the right build by none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use token_cache::defects::{Defect, VARIABLE};

use super::side_by_side::side_by_side;
use super::{Entry, inputs};
use crate::exit::Failure;
use crate::gate::runner::Runner;
use crate::report::model::{Mode, Report, ThresholdVerdict, Verdict};
use crate::report::number::amount;

/// What the gates of the library said of each defect.
#[derive(Debug)]
pub struct Matrix {
    scenarios: Vec<String>,
    made_from: String,
    /// By defect, `None` being the right build: by scenario, why it failed.
    rows: Vec<(Option<Defect>, Vec<Option<String>>)>,
}

/// Runs every scenario with every defect, and without any.
///
/// # Errors
///
/// A [`Failure`] when a scenario cannot run at all.
pub fn matrix(entries: &[Entry]) -> Result<Matrix, Failure> {
    let entries = super::against_defects(entries);
    let program = Runner::this_program()?;
    let defects: Vec<Option<Defect>> = std::iter::once(None)
        .chain(Defect::ALL.iter().copied().map(Some))
        .collect();
    let runs: Vec<(Option<Defect>, &Entry)> = defects
        .iter()
        .flat_map(|defect| entries.iter().map(|entry| (*defect, *entry)))
        .collect();
    let done = AtomicUsize::new(0);
    let verdicts = side_by_side(&runs, |(defect, entry)| {
        let runner = Runner {
            program: program.clone(),
            scenario: PathBuf::from(&entry.path),
            set: Vec::new(),
            mode: Mode::Virtual,
            full: false,
        };
        let environment = defect.map(|defect| (VARIABLE, defect.as_str()));
        let ended = runner.run_with(None, false, environment.as_slice());
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(entries.len()) {
            tracing::info!("{done} of {} runs", runs.len());
        }
        match ended {
            Ok(report) => Ok(why(&report)),
            // A defect may upset a run so much that it contradicts itself.
            Err(failure) if defect.is_some() => {
                let first = failure
                    .message
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                Ok(Some(first))
            }
            Err(failure) => Err(failure),
        }
    });
    let mut verdicts = verdicts
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let rows = defects
        .into_iter()
        .map(|defect| (defect, verdicts.by_ref().take(entries.len()).collect()))
        .collect();
    Ok(Matrix {
        made_from: inputs::line(&entries).map_err(Failure::internal)?,
        scenarios: entries
            .iter()
            .map(|entry| entry.plan.name.clone())
            .collect(),
        rows,
    })
}

/// Why a run failed, in a line; `None` for one that passed.
pub fn why(report: &Report) -> Option<String> {
    let mut broken = report
        .thresholds
        .iter()
        .filter(|threshold| threshold.verdict == ThresholdVerdict::Fail);
    (report.verdict != Verdict::Pass).then(|| match broken.next() {
        Some(threshold) => format!(
            "`{}` is {}",
            threshold.expression,
            threshold.measured.map_or_else(
                || "unknown".to_owned(),
                |measured| amount(threshold.unit, measured)
            )
        ),
        None => report.reasons.join("; "),
    })
}

impl Matrix {
    /// What is wrong with it: defects that nobody caught, and scenarios that the
    /// right build fails.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (defect, verdicts) in &self.rows {
            match defect {
                None => {
                    for (name, why) in self.scenarios.iter().zip(verdicts) {
                        if let Some(why) = why {
                            problems.push(format!("the right build fails {name}: {why}"));
                        }
                    }
                }
                Some(defect) if verdicts.iter().all(Option::is_none) => {
                    problems.push(format!(
                        "nothing catches {}: {}",
                        defect.as_str(),
                        defect.what()
                    ));
                }
                Some(_) => {}
            }
        }
        problems
    }

    /// The scenarios that caught a defect, and why each did.
    fn caught<'a>(
        &'a self,
        verdicts: &'a [Option<String>],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.scenarios.iter().zip(verdicts);
        pairs.filter_map(|(name, why)| Some((name.as_str(), why.as_deref()?)))
    }

    /// How many defects each scenario caught.
    fn catches(&self) -> BTreeMap<&str, usize> {
        let mut catches = BTreeMap::new();
        for (defect, verdicts) in &self.rows {
            if defect.is_some() {
                for (name, _) in self.caught(verdicts) {
                    *catches.entry(name).or_default() += 1;
                }
            }
        }
        catches
    }

    /// The page `docs/defects.md`.
    pub fn page(&self) -> String {
        let mut out = HEAD.to_owned();
        let catches = self.catches();
        for (defect, verdicts) in &self.rows {
            let Some(defect) = defect else { continue };
            let caught: Vec<(&str, &str)> = self.caught(verdicts).collect();
            let names: Vec<&str> = caught.iter().map(|(name, _)| *name).collect();
            // Whoever is not upset by everything says most.
            let why = caught
                .iter()
                .min_by_key(|(name, _)| catches.get(name))
                .map_or_else(
                    || "nothing catches it".to_owned(),
                    |(name, why)| format!("{name}: {why}"),
                );
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "| {} | `{}` | {} | {} | {} | {} |",
                defect.area(),
                defect.as_str(),
                defect.what(),
                names.len(),
                names.join(", "),
                why.replace('|', "\\|"),
            );
        }
        out.push_str("\n## What each scenario catches\n\n| scenario | defects |\n|---|---:|\n");
        for name in &self.scenarios {
            let count = catches.get(name.as_str()).copied().unwrap_or_default();
            let _ = writeln!(out, "| {name} | {count} |");
        }
        out.push_str(&self.made_from);
        out
    }
}

const HEAD: &str = "\
# Defects, and which scenarios catch them

Each row is a wrong behaviour that a test build of `token-cache` and `token-client` can switch on,
alone. A defect that no scenario's gate catches would be a hole in the library. Made by
`scripts/defects`, which also fails on an uncaught row; a test holds the list of defects to
this page, and CI runs one of each area again. Fifteen of the scenarios take part: the others are slower, and
the catalogue needs them not.

| area | defect | what goes wrong | caught by | scenarios | why, where it shows best |
|---|---|---|---:|---|---|
";
