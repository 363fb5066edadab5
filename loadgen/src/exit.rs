//! Exit codes: a contract with shells and CI.

use crate::report::model::Verdict;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything held.
    Pass,
    /// A threshold, the oracle or the ledgers say no.
    GateFailed,
    /// The command line or the scenario cannot be used.
    Usage,
    /// The numbers cannot be trusted.
    InvalidRun,
    /// A port, a store or the provider is not to be had.
    Environment,
    /// A mistake of this program.
    Internal,
    /// Stopped by a signal; what there is was written.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::GateFailed => 1,
            Self::Usage => 2,
            Self::InvalidRun => 3,
            Self::Environment => 4,
            Self::Internal => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail => Self::GateFailed,
            Verdict::Invalid => Self::InvalidRun,
            Verdict::Interrupted => Self::Interrupted,
        }
    }
}

/// An error that ends the program: what happened, what to try, and the code.
#[derive(Debug)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// What happened, with its causes.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Failure {
    /// What was asked for makes no sense, or a file that was named cannot be used.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// The environment lacks something.
    pub fn environment(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit: Exit::Environment,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// Stopped by a signal before there was anything to report.
    pub fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            message: "stopped before the first arrival: there is nothing to report".to_owned(),
            hint: None,
        }
    }

    /// A mistake of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Internal,
            message: message.into(),
            hint: Some("this is a defect of loadgen; please report it".to_owned()),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// An error and its causes, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries repeat their cause in their own message.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
