//! Runs of a build of loadgen, each a process of its own: what one run leaves
//! behind cannot reach the next, and any two builds can be compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::report::model::{Mode, Report};
use crate::report::read::parse_report;

/// How often a run's memory is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(20);

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
    /// Whether in its full size.
    pub full: bool,
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
        if self.full {
            add(&["--full"]);
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
        let mut command = self.command(seed, twin);
        let output = command.envs(environment.iter().copied()).output();
        Self::read(&output.map_err(|error| self.unstartable(&error))?)
    }

    /// [`Runner::run`], and what it used; nothing where the system does not say.
    ///
    /// # Errors
    ///
    /// Those of [`Runner::run`].
    pub fn run_watched(&self) -> Result<(Report, Used), Failure> {
        let child = self
            .command(None, false)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.unstartable(&error))?;
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let (ended, watching) = std::sync::mpsc::channel::<()>();
        let watcher = std::thread::spawn(move || {
            let mut most = Used::default();
            while watching.recv_timeout(WATCH_EVERY)
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                // Both only grow, and the last look is as good as the end.
                let used = Used::by(&process).unwrap_or_default();
                most = Used {
                    seconds: most.seconds.max(used.seconds),
                    megabytes: most.megabytes.max(used.megabytes),
                };
            }
            most
        });
        let output = child.wait_with_output();
        drop(ended);
        let most = watcher
            .join()
            .map_err(|_| Failure::internal("the watch on a run ended"))?;
        let report = Self::read(&output.map_err(|error| self.unstartable(&error))?)?;
        Ok((report, most))
    }

    fn command(&self, seed: Option<u64>, twin: bool) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments(seed, twin));
        command.stdin(Stdio::null());
        command
    }

    fn unstartable(&self, error: &std::io::Error) -> Failure {
        Failure::environment(
            format!("`{}` cannot be run: {error}", self.program.display()),
            "name a build of loadgen",
        )
    }

    /// The report that a run has printed.
    fn read(output: &Output) -> Result<Report, Failure> {
        let said = String::from_utf8_lossy(&output.stderr);
        let exit = match output.status.code() {
            Some(2) => Exit::Usage,
            Some(4) => Exit::Environment,
            Some(130) => return Err(Failure::interrupted()),
            None => {
                return Err(Failure::environment(
                    format!("a run was killed: {}", output.status),
                    "the system kills what takes too much memory",
                ));
            }
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

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Processor time of all its threads, in seconds.
    pub seconds: f64,
    /// The most memory it has had, in MB.
    pub megabytes: u64,
}

impl Used {
    /// By what Linux says below `/proc`.
    fn by(process: &Path) -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(process.join(file)).ok();
        Some(Self {
            seconds: cpu_seconds(&read("stat")?)?,
            megabytes: peak_megabytes(&read("status")?)?,
        })
    }
}

fn peak_megabytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some((kibibytes * 1024).div_ceil(1_000_000))
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    /// Linux shows programs hundredths, whatever its own ticks are.
    const TICKS_A_SECOND: f64 = 100.0;
    // The name may hold anything, and ends with the last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, system] = ticks.as_slice() else {
        return None;
    };
    Some((user + system) as f64 / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_used_is_read_from_what_linux_says() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("42 (a) S 1"), None);
        let status = "Name:\tx\nVmHWM:\t  1000 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_megabytes(status), Some(2));
        assert_eq!(peak_megabytes("Name:\tx\n"), None);
    }
}
