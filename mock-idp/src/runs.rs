//! Test runs that are apart from each other: each with a ledger, rules, clock and keys of its own,
//! at `/run/NAME`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use parking_lot::Mutex;
use serde::Serialize;

use crate::behavior::rule::is_name;
use crate::endpoint::{managed_identity, router};
use crate::idp::{Idp, IdpError};

/// Runs at a time. Each remembers as many requests as the server and a sixteenth of the tokens.
const MOST: usize = 64;

/// What is wrong with a name, if anything is.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no name: 1 to 64 of a-z, 0-9, -, _ and ."
        ))
    }
}

/// The runs of one server.
#[derive(Default)]
pub(crate) struct Runs(Mutex<BTreeMap<String, Run>>);

/// One run.
struct Run {
    idp: Arc<Idp>,
    entra: Router,
    machine: Router,
}

/// In the extensions of a run's requests: the path that leads there, such as `/run/one`.
#[derive(Debug, Clone)]
pub(crate) struct RunPath(pub(crate) Arc<str>);

/// Which of a run's doors a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunDoor {
    Entra,
    Machine,
}

/// A run, as the admin API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RunStatus {
    name: String,
    path: String,
    token_requests: u64,
}

/// Why there is no such run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunsError {
    #[error("{0}")]
    Name(String),
    #[error("there are {MOST} runs already; end one")]
    TooMany,
    #[error(transparent)]
    Idp(#[from] IdpError),
}

impl Runs {
    /// Begins a run, which is as `base` was configured; one that there is goes on.
    pub(crate) fn begin(&self, base: &Idp, name: &str) -> Result<(), RunsError> {
        check_name(name).map_err(RunsError::Name)?;
        let mut runs = self.0.lock();
        if runs.contains_key(name) {
            return Ok(());
        }
        if runs.len() >= MOST {
            return Err(RunsError::TooMany);
        }
        let idp = Arc::new(base.branch(name)?);
        let run = Run {
            entra: router(Arc::clone(&idp)),
            machine: managed_identity::router(Arc::clone(&idp)),
            idp,
        };
        runs.insert(name.to_owned(), run);
        Ok(())
    }

    /// Ends a run; whether there was one. Requests in flight are still answered.
    pub(crate) fn end(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// What answers a run's requests.
    pub(crate) fn door(&self, name: &str, door: RunDoor) -> Option<Router> {
        let runs = self.0.lock();
        let run = runs.get(name)?;
        Some(match door {
            RunDoor::Entra => run.entra.clone(),
            RunDoor::Machine => run.machine.clone(),
        })
    }

    pub(crate) fn list(&self) -> Vec<RunStatus> {
        let runs = self.0.lock();
        let status = |(name, run): (&String, &Run)| RunStatus {
            name: name.clone(),
            path: format!("/run/{name}"),
            token_requests: run.idp.ledger().token_requests,
        };
        runs.iter().map(status).collect()
    }
}
