//! Scenario by defect: each wrong behaviour of the catalogue must be caught by
//! the gate of a scenario at least, and the right build by none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use token_cache::defects::{Defect, VARIABLE};

use super::Entry;
use super::side_by_side::side_by_side;
use crate::exit::Failure;
use crate::gate::runner::Runner;
use crate::report::model::{Mode, Report, Verdict};

/// The scenarios of the matrix: those that are quick, and that together are about
/// every area of the catalogue. The others would only make it longer.
pub const TAKE_PART: [&str; 15] = [
    "claims-storm",
    "cold-stampede",
    "expiry-cliff",
    "farm-stale-l1",
    "fat-partition",
    "key-hygiene",
    "key-ring-swap",
    "l1-cap-sweep",
    "l2-blackhole",
    "l2-ttl-mismatch",
    "no-shared-cache",
    "refresh-token-race",
    "rolling-deploy",
    "throttle-convoy",
    "unbounded-growth",
];

/// What the gates of the library said of each defect.
#[derive(Debug)]
pub struct Matrix {
    scenarios: Vec<String>,
    /// By defect, `None` being the right build: by scenario, why it failed.
    rows: Vec<(Option<Defect>, Vec<Option<String>>)>,
}

/// Runs every scenario with every defect, and without any.
///
/// # Errors
///
/// A [`Failure`] when a scenario cannot run at all.
pub fn matrix(entries: &[Entry]) -> Result<Matrix, Failure> {
    let entries: Vec<&Entry> = entries
        .iter()
        .filter(|entry| TAKE_PART.contains(&entry.plan.name.as_str()))
        .collect();
    let program = Runner::this_program()?;
    let defects: Vec<Option<Defect>> = std::iter::once(None)
        .chain(Defect::ALL.iter().copied().map(Some))
        .collect();
    let runs: Vec<(Option<Defect>, &Entry)> = defects
        .iter()
        .flat_map(|defect| entries.iter().map(|entry| (*defect, *entry)))
        .collect();
    let verdicts = side_by_side(&runs, |(defect, entry)| {
        let runner = Runner {
            program: program.clone(),
            scenario: PathBuf::from(&entry.path),
            set: Vec::new(),
            mode: Mode::Virtual,
        };
        let environment = defect.map(|defect| (VARIABLE, defect.as_str()));
        match runner.run_with(None, false, environment.as_slice()) {
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
        scenarios: entries
            .iter()
            .map(|entry| entry.plan.name.clone())
            .collect(),
        rows,
    })
}

/// Why a run failed, in a line; `None` for one that passed.
fn why(report: &Report) -> Option<String> {
    (report.verdict != Verdict::Pass).then(|| {
        let mut reasons = report.reasons.iter();
        reasons
            .next()
            .cloned()
            .unwrap_or_else(|| "no reason".to_owned())
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

    /// The page `docs/defects.md`.
    pub fn page(&self) -> String {
        let mut out = HEAD.to_owned();
        let mut catches: BTreeMap<&str, usize> = BTreeMap::new();
        for (defect, verdicts) in &self.rows {
            let Some(defect) = defect else { continue };
            let caught: Vec<(&String, &String)> = self
                .scenarios
                .iter()
                .zip(verdicts)
                .filter_map(|(name, why)| Some((name, why.as_ref()?)))
                .collect();
            for (name, _) in &caught {
                *catches.entry(name).or_default() += 1;
            }
            let names: Vec<&str> = caught.iter().map(|(name, _)| name.as_str()).collect();
            let why = caught
                .first()
                .map_or("nothing catches it", |(_, why)| why.as_str());
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
        out
    }
}

const HEAD: &str = "\
# Defects, and which scenarios catch them

Each row is a wrong behaviour that a test build of `token-cache` and `token-client` can switch on,
alone. A defect that no scenario's gate catches would be a hole in the library. Made by
`scripts/defects`, which also fails on an uncaught row; a test holds the list of defects to
this page. Fifteen of the scenarios take part: the others are slower, and the catalogue needs them not.

| area | defect | what goes wrong | caught by | scenarios | why, in the first of them |
|---|---|---|---:|---|---|
";
