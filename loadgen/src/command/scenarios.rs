//! `loadgen scenarios`: the library of scenarios as a whole.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::exit::{Exit, Failure};
use crate::library::times::{self, Taken};
use crate::library::{self, Entry, index::index, presets::presets};

/// What `loadgen scenarios` was asked.
#[derive(Debug, Args)]
pub struct ScenariosArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the index of a directory of scenarios, made from the files.
    Index {
        /// The directory.
        directory: PathBuf,
    },
    /// Say what the scenarios of a directory lack that is to ship; does not run them.
    Check {
        /// The directory.
        directory: PathBuf,
    },
    /// Run each in both sizes, one after the other, and print what it took, for `times.csv`.
    Times {
        /// The directory.
        directory: PathBuf,
        /// Measure these alone, and keep what `times.csv` says of the others.
        names: Vec<String>,
    },
    /// Run each under both presets and print the table of what MSAL.NET's defaults cost.
    Presets {
        /// The directory.
        directory: PathBuf,
    },
    /// Run each with each defect and print which catches which; fails on one that none catches.
    #[cfg(feature = "defects")]
    Defects {
        /// The directory.
        directory: PathBuf,
    },
}

impl ScenariosArgs {
    /// Does it.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the directory cannot be read or a scenario cannot run.
    pub fn execute(self) -> Result<(String, Exit), Failure> {
        match self.what {
            What::Index { directory } => {
                let times = times(&directory)?;
                Ok((index(&entries(&directory)?, &times), Exit::Pass))
            }
            What::Times { directory, names } => {
                let known = times(&directory)?;
                let times = times::measure(&entries(&directory)?, &names, &known)?;
                Ok((times::write(&times), Exit::Pass))
            }
            What::Presets { directory } => Ok((presets(&entries(&directory)?)?, Exit::Pass)),
            What::Check { directory } => check(&directory),
            #[cfg(feature = "defects")]
            What::Defects { directory } => {
                let matrix = library::matrix::matrix(&entries(&directory)?)?;
                let problems = matrix.problems();
                for problem in &problems {
                    tracing::error!("{problem}");
                }
                let exit = if problems.is_empty() {
                    Exit::Pass
                } else {
                    Exit::GateFailed
                };
                Ok((matrix.page(), exit))
            }
        }
    }
}

fn check(directory: &Path) -> Result<(String, Exit), Failure> {
    let (entries, mut problems) = library::read(directory).map_err(unreadable)?;
    problems.extend(entries.iter().flat_map(library::lacks));
    let written = std::fs::read_to_string(directory.join("README.md"));
    let times = times(directory)?;
    for entry in &entries {
        if !times.iter().any(|taken| taken.scenario == entry.plan.name) {
            problems.push(format!(
                "{}: nobody has measured it: `loadgen scenarios times {} {}`",
                entry.file,
                directory.display(),
                entry.plan.name
            ));
        }
    }
    if written.ok().as_deref() != Some(&index(&entries, &times)) {
        problems.push(format!(
            "README.md is not the index of these files: write it by `loadgen scenarios index {}`",
            directory.display()
        ));
    }
    let count = entries.len();
    if problems.is_empty() {
        let text = format!("PASS  {count} scenarios lack nothing\n");
        return Ok((text, Exit::Pass));
    }
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("x {}", problem.trim_end()))
        .collect();
    Ok((
        format!(
            "FAIL  {} things are missing\n\n{}\n",
            problems.len(),
            list.join("\n")
        ),
        Exit::GateFailed,
    ))
}

/// What the file beside the scenarios says of how long they take; nothing
/// without one.
fn times(directory: &Path) -> Result<Vec<Taken>, Failure> {
    let Ok(text) = std::fs::read_to_string(directory.join(times::FILE)) else {
        return Ok(Vec::new());
    };
    times::parse(&text).map_err(|message| {
        Failure::usage(
            message,
            format!(
                "write it by `loadgen scenarios times {}`",
                directory.display()
            ),
        )
    })
}

fn entries(directory: &Path) -> Result<Vec<Entry>, Failure> {
    let (entries, problems) = library::read(directory).map_err(unreadable)?;
    match problems.first() {
        None if entries.is_empty() => Err(unreadable(format!(
            "`{}` holds no scenario",
            directory.display()
        ))),
        None => Ok(entries),
        Some(problem) => Err(Failure {
            exit: Exit::Usage,
            message: problem.trim_start_matches("error: ").trim_end().to_owned(),
            hint: None,
        }),
    }
}

fn unreadable(reason: String) -> Failure {
    Failure::environment(reason, "name a directory of scenarios, such as `scenarios`")
}
