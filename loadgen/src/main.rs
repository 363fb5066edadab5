//! The `loadgen` program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    ExitCode::from(loadgen::cli::Cli::parse().execute().code())
}
