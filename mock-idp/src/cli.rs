//! The command line of `mock-idp`.

mod authority;
mod failure;
mod options;
mod run;
mod serve;
mod watched;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use telemetry::logging;
use tracing::level_filters::LevelFilter;

use self::failure::Failure;
use self::options::{DataDirectory, LogFormat};
use self::run::Run;
use self::serve::Serve;
use crate::config::Config;

/// A stand-in for Microsoft Entra ID on this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 stopped as asked, 2 usage, 4 environment (port in use, data \
                  directory), 5 internal error; `run` ends with its program's."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until interrupted (Ctrl-C or SIGTERM).
    #[command(after_help = serve::EXAMPLES)]
    Serve(Box<Serve>),
    /// Run a program, unchanged, for which this server is Entra ID.
    #[command(after_help = run::EXAMPLES)]
    Run(Box<Run>),
    /// Say whether a configuration file makes sense.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The file, as `serve --config` takes it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print what a configuration file may say, as JSON Schema.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Print where the certificate authority is, and how to make clients trust it.
    #[command(after_help = authority::EXAMPLES)]
    Ca(DataDirectory),
}

const CHECK_EXAMPLES: &str = r#"Example of a file, in YAML (JSON is YAML); every section may be left out:
  # Who exists. Without `tenants` everyone whom one names does. An application without `tenant` is
  # in each tenant, a user without `guest_of` may sign in to each.
  tenants: [{ id: 11111111-1111-1111-1111-111111111111, domains: [contoso.com] }]
  applications:
    - client_id: 22222222-2222-2222-2222-222222222222
      tenant: contoso.com
      multi_tenant: false
      identifier_uris: [api://service]
      secrets: [secret]
      certificates: [client.pem]
      federated_credentials: [{ issuer: "https://issuer.example", subject: app }]
      redirect_uris: ["http://localhost/callback"]
      permissions: [api://service/read]
      roles: { api://service: [Task.Read] }
  users:
    - { name: alice@contoso.com, password: pass, guest_of: [], groups: [33333333-3333-3333-3333-333333333333] }
  # How it behaves.
  lifetimes: { expires_in: 1h, jitter: 30m, refresh_in: 30m }
  latency: { token: "lognormal:40ms,250ms" }
  tokens: [{ scope: api://service, user: groups-50, claims: { department: sales } }]
  keys: { rollover_every: 24h, publish_ahead: 6h, retire_after: 24h, flapping: 0.1 }
  rules:
    - { name: busy, trigger: { when: { first: 3 } },
        fault: { kind: status, status: 429, retry_after: { seconds: 3 } } }
  throttles: [{ name: budget, per: tenant, limit: { rate: { per_second: 20, burst: 20 } } }]

Exit codes: 0 it makes sense, 2 it does not, 4 it cannot be read."#;

const SCHEMA_EXAMPLES: &str = "\
Examples:
  mock-idp schema > mock-idp.schema.json
  # and as the first line of a file, for editors:
  # yaml-language-server: $schema=mock-idp.schema.json";

/// Runs the program with the process' arguments, to its exit code.
pub fn run() -> ExitCode {
    // Prints help, version and usage errors itself, with exit codes 0 and 2.
    let cli = Cli::parse();
    let options = match &cli.command {
        Command::Serve(serve) => Some(&serve.options),
        Command::Run(run) => Some(&run.options),
        Command::Check { .. } | Command::Schema | Command::Ca(_) => None,
    };
    let level = if options.is_some_and(|options| options.verbose) {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let format = match options.and_then(|options| options.log_format) {
        Some(LogFormat::Json) => logging::Format::Json,
        Some(LogFormat::Text) | None => logging::Format::Text,
    };
    logging::init(level, format);
    let result = match cli.command {
        Command::Serve(arguments) => block_on(serve::serve(&arguments)).map(|()| ExitCode::SUCCESS),
        Command::Run(run) => run.run(),
        Command::Check { file } => check(&file).map(|()| ExitCode::SUCCESS),
        Command::Schema => print_schema().map(|()| ExitCode::SUCCESS),
        Command::Ca(data) => authority::print(data.data_dir.as_deref()).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// Runs a server's work on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("no runtime could be started"))?
        .block_on(work)
}

fn check(file: &Path) -> Result<(), Failure> {
    let config = Config::default().with_file(file)?;
    writeln!(io::stdout(), "{}: {}", file.display(), config.directory)
        .map_err(Failure::io("the result cannot be printed"))
}

fn print_schema() -> Result<(), Failure> {
    writeln!(io::stdout(), "{:#}", Config::schema())
        .map_err(Failure::io("the schema cannot be printed"))
}
