//! The `mock-idp` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    mock_idp::cli::run()
}
