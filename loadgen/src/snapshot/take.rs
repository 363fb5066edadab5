//! A snapshot of a run that has ended.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Snapshot, fit};
use crate::engine::Ended;
use crate::exit::{Exit, Failure};
use crate::flow::Callers;
use crate::scenario::plan::{Plan, Start};

/// How the service of `plan` is now, for the file at `to`, after a run that began
/// at `begin`. It is taken when the whole of the run's time is over, on the next
/// full second, as tokens count their lives.
///
/// # Errors
///
/// A [`Failure`] when the run did not come to its end, or a part of it is nowhere
/// to be had.
pub async fn take(
    to: &Path,
    plan: &Plan,
    callers: &Callers,
    begin: Instant,
    ended: &Ended,
) -> Result<Snapshot, Failure> {
    let not_written = |exit, why: String, hint: &str| Failure {
        exit,
        message: format!("the snapshot `{}` is not written: {why}", to.display()),
        hint: Some(hint.to_owned()),
    };
    if ended.interrupted {
        let why = "the run was stopped before its end".to_owned();
        return Err(not_written(Exit::Interrupted, why, "let it run to its end"));
    }
    if ended.aborted.is_some() || ended.under_way > 0 {
        let why = match ended.under_way {
            0 => "the run was aborted".to_owned(),
            count => format!("{count} acquisitions were still under way when it ended"),
        };
        let hint = "offer less, or write a longer `graceful_stop`";
        return Err(not_written(Exit::InvalidRun, why, hint));
    }
    sleep_until(begin + plan.duration).await;
    let into_second = callers
        .clock
        .now()
        .since(callers.clock.now().whole_seconds());
    if !into_second.is_zero() {
        sleep(Duration::from_secs(1).saturating_sub(into_second)).await;
    }
    let unsaved = callers.fleet.unsaved_changes();
    if unsaved > 0 {
        let why = format!("L2 lacks {unsaved} changes that failed to reach it");
        let hint = "let faults of `l2` end some time before the run does";
        return Err(not_written(Exit::InvalidRun, why, hint));
    }
    let (instances, l2) = callers.fleet.contents();
    Ok(Snapshot {
        file: to.to_owned(),
        scenario: plan.name.clone(),
        taken_at: callers.clock.now(),
        runs: match &plan.start {
            Start::Snapshot(before) => before.runs + 1,
            Start::Cold | Start::Stationary => 1,
        },
        settings: fit::settings(plan, instances.len()),
        instances,
        l2,
        users: callers.sessions.held(),
    })
}
