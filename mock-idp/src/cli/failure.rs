//! Why the program ends early, and with which exit code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::TlsError;
use crate::config::ConfigError;
use crate::idp::IdpError;
use crate::run::RunError;
use crate::server::StartError;

const USAGE: u8 = 2;
const ENVIRONMENT: u8 = 4;
const INTERNAL: u8 = 5;

/// What shells say about a program that is there but cannot be run, and about one that is not.
const NOT_RUNNABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{what}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
}

impl Failure {
    /// What went wrong, for `map_err` on I/O.
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    pub(super) fn report(&self) -> ExitCode {
        if let Self::Io { source, .. } = self
            && source.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        let mut message = format!("error: {self}");
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let _ = write!(message, ": {cause}");
            source = cause.source();
        }
        if let Some(hint) = self.hint() {
            let _ = write!(message, "\nhint: {hint}");
        }
        // There is nobody left to tell when stderr is gone.
        let _ = writeln!(io::stderr(), "{message}");
        ExitCode::from(self.exit_code())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Start(error) => error.hint(),
            Self::Tls(error) => error.hint(),
            Self::Config(_) => Some("`mock-idp check --help` shows a file".to_owned()),
            Self::Run(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(ConfigError::Read { .. }) => ENVIRONMENT,
            Self::Config(_)
            | Self::Start(
                StartError::NoAddress
                | StartError::Exposed { .. }
                | StartError::Idp(
                    IdpError::Latency { .. }
                    | IdpError::Rule(_)
                    | IdpError::Keys(_)
                    | IdpError::Tokens { .. }
                    | IdpError::Runs(_),
                ),
            ) => USAGE,
            Self::Start(StartError::Tls(TlsError::Certificate(_)))
            | Self::Tls(TlsError::Certificate(_)) => INTERNAL,
            Self::Run(RunError::Program { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                NOT_FOUND
            }
            Self::Run(RunError::Program { .. }) => NOT_RUNNABLE,
            Self::Start(StartError::Bind { .. } | StartError::Tls(_))
            | Self::Tls(_)
            | Self::Run(_) => ENVIRONMENT,
            Self::Start(_) | Self::Io { .. } => INTERNAL,
        }
    }
}
