//! `loadgen gate --prove`: each scenario must pass, and its twin, the same with a
//! known-bad cache, must fail on the threshold it names. A gate that cannot fail
//! is no gate.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::plan;
use crate::exit::{Exit, Failure};
use crate::gate::runner::Runner;
use crate::library::side_by_side::side_by_side;
use crate::report::model::{Mode, Report, ThresholdVerdict, Verdict};

/// What is wrong with a proof, if anything.
struct Proof {
    scenario: String,
    good: String,
    twin: String,
    wrong: Option<String>,
}

pub(super) fn prove(path: &Path, set: &[String]) -> Result<(String, Exit), Failure> {
    let files = scenarios(path)?;
    let proofs = side_by_side(&files, |file| of(file, set));
    let mut proofs = proofs.into_iter().collect::<Result<Vec<_>, _>>()?;
    let failed = proofs.iter().filter(|proof| proof.wrong.is_some()).count();
    let mut out = format!(
        "{}  {} of {} scenarios prove that they can fail\n\n  {:<26}{:<10}{}\n",
        if failed == 0 { "PASS" } else { "FAIL" },
        proofs.len() - failed,
        proofs.len(),
        "SCENARIO",
        "GOOD",
        "TWIN"
    );
    // What is wrong first.
    proofs.sort_by_key(|proof| proof.wrong.is_none());
    for proof in &proofs {
        let sign = if proof.wrong.is_some() { 'x' } else { '.' };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{sign} {:<26}{:<10}{}",
            proof.scenario, proof.good, proof.twin
        );
        if let Some(wrong) = &proof.wrong {
            let _ = writeln!(out, "    {wrong}");
        }
    }
    let exit = if failed == 0 {
        Exit::Pass
    } else {
        Exit::GateFailed
    };
    Ok((out, exit))
}

fn scenarios(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| {
        Failure::environment(
            format!("`{}` cannot be read: {error}", path.display()),
            "name a scenario or a directory of them",
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(
            format!("`{}` holds no scenario", path.display()),
            "scenarios end in .yaml",
        ));
    }
    Ok(files)
}

fn of(file: &Path, set: &[String]) -> Result<Proof, Failure> {
    let plan = plan(file, set)?;
    let runner = Runner {
        program: Runner::this_program()?,
        scenario: file.to_owned(),
        set: set.to_vec(),
        mode: Mode::Virtual,
        full: false,
    };
    let good = runner.run(None, false)?;
    let breaks = plan
        .twin
        .as_ref()
        .map(|twin| twin.breaks.clone())
        .unwrap_or_default();
    let (twin, wrong_twin) = match runner.run(None, true) {
        Ok(twin) => (failed_on(&twin), wrong(&good, &twin, &breaks)),
        // A scenario without a twin proves nothing, and the others still can.
        Err(failure) if failure.exit == Exit::Usage => (
            "-".to_owned(),
            Some(format!("the twin cannot run: {}", failure.message)),
        ),
        Err(failure) => return Err(failure),
    };
    Ok(Proof {
        scenario: plan.name.clone(),
        good: good.verdict.word().to_lowercase(),
        twin,
        wrong: wrong_twin,
    })
}

fn failed_on(twin: &Report) -> String {
    let failed = twin
        .thresholds
        .iter()
        .filter(|threshold| threshold.verdict == ThresholdVerdict::Fail)
        .map(|threshold| threshold.expression.as_str())
        .collect::<Vec<_>>();
    match failed.as_slice() {
        [] => twin.verdict.word().to_lowercase(),
        [first] => format!("fails on {first}"),
        [first, rest @ ..] => format!("fails on {first} and {} more", rest.len()),
    }
}

fn wrong(good: &Report, twin: &Report, breaks: &[String]) -> Option<String> {
    if good.verdict != Verdict::Pass {
        return Some(format!(
            "the scenario itself does not pass: {}",
            good.reasons.join("; ")
        ));
    }
    if twin.verdict != Verdict::Fail {
        return Some(format!(
            "the twin does not fail: it is {}",
            twin.verdict.word().to_lowercase()
        ));
    }
    if breaks.is_empty() {
        return Some("the twin does not say which threshold it must break".to_owned());
    }
    let is_broken = |expression: &String| {
        twin.thresholds.iter().any(|threshold| {
            threshold.expression == *expression && threshold.verdict == ThresholdVerdict::Fail
        })
    };
    let held = breaks.iter().find(|expression| !is_broken(expression))?;
    Some(format!(
        "the twin fails, but not on `{held}`: {}",
        twin.reasons.join("; ")
    ))
}
