//! Thresholds with `abort_on_fail`: judged as the run goes on, by what is recorded
//! so far, and the first that does not hold ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::run::{Abort, Run};
use crate::gate;
use crate::gate::threshold::Threshold;
use crate::report::build;
use crate::report::model::{ThresholdResult, ThresholdVerdict};

/// A run without intervals of its own is looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the thresholds that can end a run, until dropped.
#[derive(Debug)]
pub(super) struct Watch {
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at the end of each of the recorder's intervals, counted from `begin`.
    pub(super) fn begin(run: &Arc<Run>, begin: Instant) -> Self {
        let is_watched = |threshold: &Threshold| threshold.abort_on_fail.is_some();
        let task = run.plan.thresholds.iter().any(is_watched).then(|| {
            let run = Arc::clone(run);
            let every = run.recorder.interval().unwrap_or(EVERY);
            tokio::spawn(async move {
                let mut end = begin;
                while !run.is_aborted() {
                    end += every;
                    sleep_until(end).await;
                    if let Some(reason) = look(&run, end.duration_since(begin)) {
                        run.abort(reason);
                    }
                }
            })
        });
        Self { task }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The first threshold that does not hold `at` so long after the first arrival.
fn look(run: &Run, at: Duration) -> Option<Abort> {
    let due = |threshold: &&Threshold| threshold.abort_on_fail.is_some_and(|from| at >= from);
    let watched: Vec<&Threshold> = run.plan.thresholds.iter().filter(due).collect();
    if watched.is_empty() {
        return None;
    }
    let report = build::so_far(&run.plan, &run.recorder.recorded());
    let failed = watched
        .into_iter()
        .map(|threshold| gate::judge(threshold, &report))
        .find(|result| result.verdict == ThresholdVerdict::Fail)?;
    Some(Abort::Threshold(Box::new(ThresholdResult {
        aborted_at_s: Some(at.as_secs_f64()),
        ..failed
    })))
}
