//! How long each scenario takes, in both sizes: measured by running them, one
//! after the other, and kept in a file beside them that the index is made with.

use std::fmt::Write as _;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::gate::runner::Runner;
use crate::report::model::{Mode, Verdict};

/// The file beside the scenarios.
pub const FILE: &str = "times.csv";

const HEAD: &str = "scenario,size,calls,seconds,megabytes";

/// Which size of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// What CI runs.
    Ci,
    /// With `--full`.
    Full,
}

impl Size {
    const ALL: [Self; 2] = [Self::Ci, Self::Full];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Full => "full",
        }
    }
}

/// What one run took.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The scenario's name.
    pub scenario: String,
    /// In which size.
    pub size: Size,
    /// Calls that were offered.
    pub calls: u64,
    /// Seconds of processor time, which is what one core takes.
    pub seconds: f64,
    /// The most memory it had, in MB.
    pub megabytes: u64,
}

/// Measures those of `entries` that `names` names, or all when it is empty; for
/// the others `known` is kept. One at a time: two beside each other would share
/// the machine's caches.
///
/// # Errors
///
/// A [`Failure`] when a scenario cannot run or does not pass.
pub fn measure(
    entries: &[Entry],
    names: &[String],
    known: &[Taken],
) -> Result<Vec<Taken>, Failure> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !entries.iter().any(|entry| entry.plan.name == **name))
    {
        return Err(Failure::usage(
            format!("no scenario is called `{unknown}`"),
            "name one of the directory's, without `.yaml`",
        ));
    }
    let program = Runner::this_program()?;
    let mut all = Vec::new();
    for entry in entries {
        for size in Size::ALL {
            if size == Size::Full && entry.full.is_none() {
                continue;
            }
            let kept = known
                .iter()
                .find(|taken| taken.scenario == entry.plan.name && taken.size == size);
            let is_asked = names.is_empty() || names.contains(&entry.plan.name);
            match kept {
                Some(taken) if !is_asked => all.push(taken.clone()),
                _ => {
                    let taken = one(entry, size, &program)?;
                    tracing::info!(
                        "{} ({}): {} calls, {:.1} s, {} MB",
                        taken.scenario,
                        size.as_str(),
                        taken.calls,
                        taken.seconds,
                        taken.megabytes
                    );
                    all.push(taken);
                }
            }
        }
    }
    Ok(all)
}

fn one(entry: &Entry, size: Size, program: &std::path::Path) -> Result<Taken, Failure> {
    let runner = Runner {
        program: program.to_owned(),
        scenario: entry.path.clone(),
        set: Vec::new(),
        mode: Mode::Virtual,
        full: size == Size::Full,
    };
    let (report, used) = runner.run_watched()?;
    if report.verdict != Verdict::Pass {
        return Err(Failure {
            exit: Exit::GateFailed,
            message: format!(
                "{} ({}) does not pass: {}",
                entry.plan.name,
                size.as_str(),
                report.reasons.join("; ")
            ),
            hint: None,
        });
    }
    Ok(Taken {
        scenario: entry.plan.name.clone(),
        size,
        calls: report.load.offered,
        seconds: used.seconds,
        megabytes: used.megabytes,
    })
}

/// The text of [`FILE`].
pub fn write(times: &[Taken]) -> String {
    let mut out = format!("{HEAD}\n");
    for taken in times {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{},{},{},{:.1},{}",
            taken.scenario,
            taken.size.as_str(),
            taken.calls,
            taken.seconds,
            taken.megabytes
        );
    }
    out
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// Which line is none of it.
pub fn parse(text: &str) -> Result<Vec<Taken>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(format!("{FILE}:1: the columns are not `{HEAD}`"));
    }
    lines
        .zip(2..)
        .map(|(line, number)| row(line).ok_or_else(|| format!("{FILE}:{number}: `{line}`")))
        .collect()
}

fn row(line: &str) -> Option<Taken> {
    let fields: Vec<&str> = line.split(',').collect();
    let [scenario, size, calls, seconds, megabytes] = fields.as_slice() else {
        return None;
    };
    Some(Taken {
        scenario: (*scenario).to_owned(),
        size: Size::ALL.into_iter().find(|one| one.as_str() == *size)?,
        calls: calls.parse().ok()?,
        seconds: seconds.parse().ok().filter(|time: &f64| time.is_finite())?,
        megabytes: megabytes.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let times = vec![
            Taken {
                scenario: "web-app".to_owned(),
                size: Size::Ci,
                calls: 12_345,
                seconds: 0.5,
                megabytes: 40,
            },
            Taken {
                scenario: "web-app".to_owned(),
                size: Size::Full,
                calls: 1,
                seconds: 61.0,
                megabytes: 900,
            },
        ];
        assert_eq!(parse(&write(&times)), Ok(times));
        for (text, said) in [
            ("", "times.csv:1"),
            ("a,b\n", "times.csv:1"),
            (
                "scenario,size,calls,seconds,megabytes\nx,ci,1,NaN,1\n",
                "times.csv:2",
            ),
            (
                "scenario,size,calls,seconds,megabytes\nx,huge,1,1,1\n",
                "times.csv:2",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
