//! The command line.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::command::compare::CompareArgs;
use crate::command::doctor::doctor;
use crate::command::explain::explain;
use crate::command::gate::GateArgs;
use crate::command::init::InitArgs;
use crate::command::merge::MergeArgs;
use crate::command::report::ReportArgs;
use crate::command::run::{self, Format, Options};
use crate::command::scenarios::ScenariosArgs;
use crate::command::shell::{completions, manual};
use crate::command::validate::validate;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::scenario::plan::Mode;
use crate::scenario::reference::reference;
use crate::scenario::schema::schema;
use crate::scenario::{Overrides, load};
use crate::scrape::export::Compat;
use crate::scrape::otlp::Otlp;

/// What stands below the options of every `--help`: the examples given, and
/// the exit codes.
macro_rules! after_help {
    ($($examples:literal)?) => {
        concat!($($examples, "\n\n",)? "\
Exit codes:
  0    pass
  1    gate failed: a threshold, the oracle or the ledgers
  2    usage or scenario error
  3    run invalid: its numbers cannot be trusted
  4    environment: a port, a file or the identity provider
  5    internal error
  130  interrupted; what there is was written")
    };
}

/// Load-tests OAuth token caches against a mock Entra ID.
#[derive(Debug, Parser)]
#[command(version, about, after_help = after_help!(), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How much to log to stderr.
    #[arg(long, global = true, default_value = "warn", value_enum)]
    log: Level,
    /// How log lines look.
    #[arg(long, global = true, default_value = "text", value_enum)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario and report where tokens came from and how long each took.
    #[command(after_help = after_help!("\
Examples:
  loadgen run scenarios/quickstart.yaml
  loadgen run scenarios/quickstart.yaml --seed 7 --set duration=30s --out runs/seven
  loadgen run scenarios/quickstart.yaml --set cache.preset=msal_net
  loadgen run scenarios/quickstart.yaml --mode virtual --set duration=24h
  loadgen run scenarios/quickstart.yaml --metrics-addr 127.0.0.1:9090
  loadgen run scenarios/quickstart.yaml --format json | jq .totals.hit_ratio"))]
    Run(RunArgs),
    /// Say what a scenario will do, what to expect of it, and where each value comes from.
    #[command(after_help = after_help!("\
Examples:
  loadgen explain scenarios/quickstart.yaml
  loadgen explain scenarios/quickstart.yaml --set fleet.instances=8 --format json"))]
    Explain {
        /// Scenario file.
        scenario: PathBuf,
        #[command(flatten)]
        overrides: OverrideArgs,
        /// How to print it.
        #[arg(long, default_value = "text", value_enum)]
        format: Format,
    },
    /// Say what scenarios would run, or everything that is wrong with them.
    #[command(after_help = after_help!("\
Examples:
  loadgen validate scenarios/*.yaml
  loadgen validate scenarios/quickstart.yaml --set fleet.instances=8"))]
    Validate {
        /// Scenario files.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Print the JSON Schema of scenario files or of reports, or the reference of scenario files or thresholds.
    #[command(after_help = after_help!("\
Examples:
  loadgen schema > scenario.schema.json
  loadgen schema --of report > report.schema.json
  loadgen schema --of reference > docs/scenario-reference.md
  loadgen schema --of thresholds > docs/thresholds.md"))]
    Schema {
        /// What to describe.
        #[arg(long, default_value = "scenario", value_enum)]
        of: Described,
    },
    /// Render a run's report again, as text or for another tool.
    #[command(after_help = after_help!("\
Examples:
  loadgen report runs/seven
  loadgen report runs/seven --format markdown >> $GITHUB_STEP_SUMMARY
  loadgen report runs/seven --format junit > junit.xml
  loadgen report runs/seven --format github"))]
    Report(ReportArgs),
    /// Say how two runs, or two sets of runs, differ, and why.
    #[command(after_help = after_help!("\
Examples:
  loadgen compare runs/main runs/branch
  loadgen compare runs/main/report.json runs/branch --all
  loadgen compare runs/main runs/branch --format markdown"))]
    Compare(CompareArgs),
    /// Fail when the cache got worse, and say why in one line.
    #[command(after_help = after_help!("\
Examples:
  loadgen gate scenarios/quickstart.yaml --baseline scenarios/baselines/quickstart.json
  loadgen gate scenarios/quickstart.yaml --baseline scenarios/baselines/quickstart.json --bless
  loadgen gate scenarios/quickstart.yaml --base target/main/loadgen --metric 'p99(acquire)'
  loadgen gate --prove scenarios
  loadgen gate scenarios/quickstart.yaml --self-test --set duration=1s"))]
    Gate(Box<GateArgs>),
    /// Look after a library of scenarios: its index, what it lacks, what presets cost.
    #[command(after_help = after_help!("\
Examples:
  loadgen scenarios index scenarios > scenarios/README.md
  loadgen scenarios check scenarios
  loadgen scenarios times scenarios > scenarios/times.csv
  loadgen scenarios presets scenarios > docs/presets.md"))]
    Scenarios(ScenariosArgs),
    /// Add runs, shards or seeds up to one report, and judge it once.
    #[command(after_help = after_help!("\
Examples:
  loadgen merge runs/1 runs/2 runs/3 --out runs/all"))]
    Merge(MergeArgs),
    /// Write a commented scenario to start from.
    #[command(after_help = after_help!("\
Examples:
  loadgen init
  loadgen init web-app.yaml --template web-app"))]
    Init(InitArgs),
    /// Say whether this machine can measure, and what it has.
    #[command(after_help = after_help!("Examples:\n  loadgen doctor"))]
    Doctor,
    /// Print the completion script of a shell.
    #[command(after_help = after_help!("\
Examples:
  loadgen completions bash > /etc/bash_completion.d/loadgen
  loadgen completions zsh > ~/.zfunc/_loadgen"))]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual, a page a verb.
    #[command(after_help = after_help!("Examples:\n  loadgen man | man -l -"))]
    Man,
}

/// What has a published schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Described {
    /// Scenario files, as JSON Schema.
    Scenario,
    /// `report.json`, as JSON Schema.
    Report,
    /// Every key of scenario files, as Markdown.
    Reference,
    /// The grammar and the metrics of thresholds, as Markdown.
    Thresholds,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Scenario file.
    scenario: PathBuf,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Write report.json, report.txt and acquire.hlog into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How to print the report on stdout.
    #[arg(long, default_value = "text", value_enum)]
    format: Format,
    /// Serve Prometheus metrics at /metrics while the scenario runs.
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    metrics_addr: Option<SocketAddr>,
    /// Show the metrics under another library's names as well, at /metrics/msal.
    #[arg(long, value_enum, requires = "metrics_addr", value_name = "LIBRARY")]
    metrics_compat: Option<Compat>,
    /// After the end, serve the metrics until they were scraped once more, at most this long.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "metrics_addr", default_value = "0s")]
    linger: std::time::Duration,
    /// Write the metrics with time stamps, for promtool tsdb create-blocks-from openmetrics.
    #[arg(long, value_name = "FILE")]
    openmetrics_out: Option<PathBuf>,
    /// Write what the caches hold at the end of a run in virtual time, for another run to begin
    /// with (`start: { snapshot: FILE }`). Tokens are in it: only you can read it.
    #[arg(long, value_name = "FILE")]
    snapshot_out: Option<PathBuf>,
    /// Push the metrics to an OpenTelemetry collector (http://HOST:PORT); needs a build with the
    /// feature otlp.
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// How often to push them; once more at the end.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "otlp_endpoint", default_value = "10s")]
    otlp_interval: std::time::Duration,
    /// How to show progress of a run in real time on stderr: a live view on a terminal, else lines.
    #[arg(long, default_value = "auto", value_enum)]
    progress: Progress,
}

#[derive(Debug, Args)]
struct OverrideArgs {
    /// Seed of every random stream, in place of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change one value of the scenario, such as duration=2s; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Which clock drives it, in place of the scenario's.
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// Take the scenario's twin, its known-bad form, in its place.
    #[arg(long)]
    twin: bool,
    /// Take the scenario in its full size.
    #[arg(long, conflicts_with = "twin")]
    full: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    /// A discrete-event simulation of an ideal cache.
    Model,
    /// The real cache and client on a paused clock.
    Virtual,
    /// Sockets and the wall clock.
    Real,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Model => Self::Model,
            ModeArg::Virtual => Self::Virtual,
            ModeArg::Real => Self::Real,
        }
    }
}

/// An address to listen at; of a name's several, the first.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found
        .next()
        .ok_or_else(|| "the name has no address".to_owned())
}

/// A length of time, as scenario files spell it.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::scenario::units::parse_duration(text)
        .map_err(|error| format!("{}; {}", error.message, error.hint))
}

impl From<OverrideArgs> for Overrides {
    fn from(args: OverrideArgs) -> Self {
        Self {
            seed: args.seed,
            set: args.set,
            mode: args.mode.map(Mode::from),
            twin: args.twin,
            full: args.full,
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl From<LogFormat> for telemetry::logging::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

impl Cli {
    /// Does what was asked: the report goes to stdout, all else to stderr.
    pub fn execute(self) -> Exit {
        telemetry::logging::init(self.log.into(), self.log_format.into());
        let done = match self.command {
            Command::Run(args) => run_scenario(args),
            Command::Validate {
                scenarios,
                overrides,
            } => {
                let found = validate(&scenarios, &overrides.into());
                say(&found.errors);
                let exit = if found.errors.is_empty() {
                    Exit::Pass
                } else {
                    Exit::Usage
                };
                Ok((found.report, exit))
            }
            Command::Explain {
                scenario,
                overrides,
                format,
            } => Ok(match explain(&scenario, &overrides.into()) {
                Ok(explanation) => match format {
                    Format::Text => (explanation.text(), Exit::Pass),
                    Format::Json => (explanation.json(), Exit::Pass),
                },
                Err(error) => {
                    say(&error.to_string());
                    (String::new(), Exit::Usage)
                }
            }),
            Command::Schema { of } => {
                let described = match of {
                    Described::Scenario => format!("{:#}\n", schema()),
                    Described::Report => format!("{:#}\n", crate::report::schema::schema()),
                    Described::Reference => reference(),
                    Described::Thresholds => crate::gate::threshold::reference::reference(),
                };
                Ok((described, Exit::Pass))
            }
            Command::Report(args) => args.execute(),
            Command::Compare(args) => args.execute(),
            Command::Gate(args) => args.execute(),
            Command::Scenarios(args) => args.execute(),
            Command::Merge(args) => args.execute(),
            Command::Init(args) => args.execute(),
            Command::Doctor => doctor().map(|found| (found, Exit::Pass)),
            Command::Completions { shell } => Ok((completions(shell), Exit::Pass)),
            Command::Man => manual().map(|manual| (manual, Exit::Pass)),
        };
        match done {
            Ok((printed, exit)) => print(&printed, exit),
            Err(failure) => {
                say(&format!("{failure}\n"));
                failure.exit
            }
        }
    }
}

fn run_scenario(args: RunArgs) -> Result<(String, Exit), Failure> {
    let plan = match load(&args.scenario, &args.overrides.into()) {
        Ok(plan) => plan,
        Err(error) => {
            say(&error.to_string());
            return Ok((String::new(), Exit::Usage));
        }
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Failure::environment(
            format!("the runtime could not be started: {error}"),
            "the system may be out of threads or file descriptors",
        )
    })?;
    let finished = runtime.block_on(run::run(Options {
        plan,
        out: args.out,
        format: args.format,
        metrics_addr: args.metrics_addr,
        metrics_compat: args.metrics_compat,
        linger: args.linger,
        openmetrics_out: args.openmetrics_out,
        snapshot_out: args.snapshot_out,
        otlp: args.otlp_endpoint.map(|endpoint| Otlp {
            endpoint,
            every: args.otlp_interval,
        }),
        progress: args.progress,
    }))?;
    // Whatever was still under way is in the report as censored.
    runtime.shutdown_background();
    if let Some(failure) = &finished.unwritten {
        say(&format!("{failure}\n"));
    }
    Ok((finished.printed, finished.exit))
}

/// Prints to stdout. A reader that went away, as `head` does, is no error.
fn print(text: &str, exit: Exit) -> Exit {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(&format!("error: stdout cannot be written: {error}\n"));
            Exit::Environment
        }
        Ok(()) | Err(_) => exit,
    }
}

fn say(text: &str) {
    // With stderr gone there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
