//! Runs of a build of loadgen, each a process of its own: what one run leaves
//! behind cannot reach the next, and any two builds can be compared.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::exit::{Exit, Failure};
use crate::report::model::{Mode, Report};
use crate::report::read::parse_report;

/// A build of loadgen, and what to run with it.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The program.
    pub program: PathBuf,
    /// The scenario's file.
    pub scenario: PathBuf,
    /// Each `--set` to lay over it.
    pub set: Vec<String>,
    /// On which clock.
    pub mode: Mode,
}

impl Runner {
    /// This program itself.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the system does not tell where it is.
    pub fn this_program() -> Result<PathBuf, Failure> {
        std::env::current_exe().map_err(|error| {
            Failure::environment(
                format!("the program does not find itself: {error}"),
                "name it with --head",
            )
        })
    }

    /// The arguments of a run that prints its report as JSON.
    pub fn arguments(&self, seed: Option<u64>, twin: bool) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), self.scenario.display().to_string()];
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        add(&["--format", "json", "--progress", "none"]);
        if self.mode != Mode::Real {
            add(&["--mode", self.mode.as_str()]);
        }
        if let Some(seed) = seed {
            add(&["--seed", &seed.to_string()]);
        }
        for change in &self.set {
            add(&["--set", change]);
        }
        if twin {
            add(&["--twin"]);
        }
        arguments
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is no report: the scenario is wrong, something is
    /// missing, or the report cannot be relied on.
    pub fn run(&self, seed: Option<u64>, twin: bool) -> Result<Report, Failure> {
        self.run_with(seed, twin, &[])
    }

    /// [`Runner::run`] with these variables in its environment.
    ///
    /// # Errors
    ///
    /// Those of [`Runner::run`].
    pub fn run_with(
        &self,
        seed: Option<u64>,
        twin: bool,
        environment: &[(&str, &str)],
    ) -> Result<Report, Failure> {
        let output = Command::new(&self.program)
            .args(self.arguments(seed, twin))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::environment(
                    format!("`{}` cannot be started: {error}", self.program.display()),
                    "name a build of loadgen",
                )
            })?;
        let said = String::from_utf8_lossy(&output.stderr);
        let exit = match output.status.code() {
            Some(2) => Exit::Usage,
            Some(4) => Exit::Environment,
            Some(130) | None => return Err(Failure::interrupted()),
            Some(code) => match parse_report(&output.stdout) {
                Ok(report) if i32::from(report.exit_code) == code => return Ok(report),
                Ok(_) => {
                    return Err(Failure::internal(format!(
                        "a run ended with code {code}, which is not what its report says"
                    )));
                }
                Err((message, _)) => {
                    return Err(Failure::internal(format!(
                        "the report of a run that ended with code {code} cannot be used: {message}\n{said}"
                    )));
                }
            },
        };
        Err(Failure {
            exit,
            message: format!("a run could not be done\n{}", said.trim_end()),
            hint: None,
        })
    }
}
