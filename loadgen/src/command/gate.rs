//! `loadgen gate SCENARIO`: whether the cache got worse, or, with `--prove`,
//! whether the scenario can tell.

mod interleaved;
mod proof;
mod shown;

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::gate::baseline::Baseline;
use crate::gate::cost::{self, Costs};
use crate::gate::exact::{Beside, hold};
use crate::gate::runner::Runner;
use crate::report::model::{Mode, Report, Verdict};
use crate::scenario::{Overrides, Plan, load};

pub use shown::Shape;

/// What `loadgen gate` was asked.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct GateArgs {
    /// Scenario file; with --prove also a directory of them.
    scenario: PathBuf,
    /// The accepted counts to hold the runs against.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Accept what is measured now: write the baseline and print what changes.
    #[arg(long, requires = "baseline", conflicts_with_all = ["prove", "self_test", "base"])]
    bless: bool,
    /// How many seeds to run, from the scenario's own on.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Also count instructions and allocations of an acquisition (valgrind).
    #[arg(long, requires = "baseline")]
    costs: bool,
    /// Run the scenario and its known-bad twin: the one must pass, the other
    /// fail on the threshold it names.
    #[arg(long, conflicts_with_all = ["baseline", "self_test", "base"])]
    prove: bool,
    /// Compare latencies with this build of loadgen, by pairs of runs.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "baseline")]
    base: Option<PathBuf>,
    /// The build to judge; this one by default.
    #[arg(long, value_name = "PROGRAM", requires = "base")]
    head: Option<PathBuf>,
    /// Compare a build with itself, and say how often that alarms.
    #[arg(long, conflicts_with_all = ["baseline", "base"])]
    self_test: bool,
    /// Pairs of runs at first; 15, and 100 with --self-test.
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Pairs at most, while it is inconclusive; three times --pairs.
    #[arg(long, value_name = "N")]
    max_pairs: Option<usize>,
    /// What to compare by pairs; may be repeated.
    #[arg(long, value_name = "METRIC", default_value = "p50(acquire)")]
    metric: Vec<String>,
    /// How much slower is too slow: 5%.
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    margin: String,
    /// On which clock pairs run; counts are always of virtual time.
    #[arg(long, value_enum, default_value = "real")]
    mode: Mode,
    /// Change one value of the scenario; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// How to print the result.
    #[arg(long, default_value = "text", value_enum)]
    format: Shape,
    /// Show every number, and not only those that changed.
    #[arg(long)]
    all: bool,
}

/// What a gate found, for printing.
#[derive(Debug)]
pub struct Gated {
    /// The scenario's name.
    pub scenario: String,
    /// How to run it again.
    pub again: String,
    /// Each seed beside its baseline.
    pub seeds: Vec<Beside>,
    /// What is red apart from counts, a sentence each: thresholds, costs.
    pub others: Vec<String>,
    /// Costs beside the baseline's.
    pub costs: Option<(Option<Costs>, Costs)>,
    /// The exit code.
    pub exit: Exit,
}

impl GateArgs {
    /// Does what was asked.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when nothing could be judged.
    pub fn execute(&self) -> Result<(String, Exit), Failure> {
        if self.prove {
            return proof::prove(&self.scenario, &self.set);
        }
        let runner = |program: Option<&PathBuf>, mode| {
            Ok::<_, Failure>(Runner {
                program: match program {
                    Some(program) => program.clone(),
                    None => Runner::this_program()?,
                },
                scenario: self.scenario.clone(),
                set: self.set.clone(),
                mode,
                full: false,
            })
        };
        if self.self_test || self.base.is_some() {
            let head = runner(self.head.as_ref(), self.mode)?;
            let base = runner(self.base.as_ref().or(self.head.as_ref()), self.mode)?;
            return interleaved::compare(&interleaved::Asked {
                base,
                head,
                metrics: &self.metric,
                margin: &self.margin,
                pairs: self.pairs,
                max_pairs: self.max_pairs,
                self_test: self.self_test,
            });
        }
        let Some(path) = &self.baseline else {
            return Err(Failure::usage(
                "a gate needs something to hold runs against",
                "add --baseline FILE, --base PROGRAM, --prove or --self-test",
            ));
        };
        let plan = plan(&self.scenario, &self.set)?;
        let runner = runner(None, Mode::Virtual)?;
        let reports = (0..self.seeds)
            .map(|step| runner.run(Some(plan.seed.wrapping_add(step)), false))
            .collect::<Result<Vec<_>, _>>()?;
        let costs = if self.costs {
            let whole = plan.duration.as_secs_f64();
            Some(cost::count(&runner, plan.seed, (whole / 2.0, whole))?)
        } else {
            None
        };
        if self.bless {
            return shown::bless(path, &reports, costs);
        }
        let baseline = Baseline::read(path)?;
        let gated = self.judge(&baseline, &reports, costs)?;
        Ok((shown::render(&gated, self.format, self.all), gated.exit))
    }

    fn judge(
        &self,
        baseline: &Baseline,
        reports: &[Report],
        costs: Option<Costs>,
    ) -> Result<Gated, Failure> {
        let mut seeds = Vec::new();
        let mut others = Vec::new();
        let mut exit = Exit::Pass;
        for report in reports {
            if let Some(mismatch) = baseline.mismatch(report) {
                return Err(Failure::usage(
                    &mismatch,
                    "accept the change with --bless, and review the difference",
                ));
            }
            match report.verdict {
                Verdict::Pass => {}
                Verdict::Fail => {
                    exit = Exit::GateFailed;
                    let reasons = report.reasons.iter();
                    others.extend(reasons.map(|reason| format!("seed {}: {reason}", report.seed)));
                }
                Verdict::Invalid | Verdict::Interrupted => {
                    return Err(Failure {
                        exit: Exit::InvalidRun,
                        message: format!(
                            "the run of seed {} is invalid: {}",
                            report.seed,
                            report.reasons.join("; ")
                        ),
                        hint: None,
                    });
                }
            }
            let beside = hold(report, baseline).ok_or_else(|| {
                Failure::usage(
                    format!("the baseline has no run of seed {}", report.seed),
                    "bless it with as many --seeds as the gate runs",
                )
            })?;
            if beside.is_red() {
                exit = Exit::GateFailed;
            }
            seeds.push(beside);
        }
        if let Some(unused) = baseline
            .runs
            .iter()
            .find(|run| !reports.iter().any(|report| report.seed == run.seed))
        {
            return Err(Failure::usage(
                format!(
                    "the baseline has a run of seed {} that was not done",
                    unused.seed
                ),
                "run as many --seeds as were blessed",
            ));
        }
        let costs = match (baseline.costs, costs) {
            (_, None) => None,
            (base, Some(head)) => {
                match base {
                    Some(base) => others.extend(cost::regressions(base, head)),
                    None => others.push("costs were counted, and the baseline has none".to_owned()),
                }
                Some((base, head))
            }
        };
        if !others.is_empty() {
            exit = Exit::GateFailed;
        }
        Ok(Gated {
            scenario: baseline.scenario.name.clone(),
            again: format!(
                "loadgen run {} --mode virtual --seed {}",
                self.scenario.display(),
                reports.first().map_or(0, |report| report.seed)
            ),
            seeds,
            others,
            costs,
            exit,
        })
    }
}

/// The plan of a scenario, for what the gate itself must know of it.
fn plan(scenario: &std::path::Path, set: &[String]) -> Result<Plan, Failure> {
    let overrides = Overrides {
        set: set.to_vec(),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        ..Overrides::default()
    };
    load(scenario, &overrides).map_err(|error| Failure {
        exit: Exit::Usage,
        message: error
            .to_string()
            .trim_start_matches("error: ")
            .trim_end()
            .to_owned(),
        hint: None,
    })
}
