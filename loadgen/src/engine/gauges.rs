//! What the caches hold as the run goes on: read at the end of each interval.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::run::Run;

/// Readings of a run's caches, taken until dropped; the last one then.
#[derive(Debug)]
pub(super) struct Gauges {
    run: Arc<Run>,
    begin: Instant,
    task: Option<JoinHandle<()>>,
}

impl Gauges {
    /// Reads at the end of each of the recorder's intervals, counted from
    /// `begin`.
    pub(super) fn begin(run: &Arc<Run>, begin: Instant) -> Self {
        let task = run.recorder.interval().map(|length| {
            let run = Arc::clone(run);
            tokio::spawn(async move {
                let mut end = begin;
                for number in 0.. {
                    end += length;
                    sleep_until(end).await;
                    run.recorder.hold(number, run.callers.fleet.report());
                }
            })
        });
        Self {
            run: Arc::clone(run),
            begin,
            task,
        }
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        // The interval under way has no end to be read at.
        if let Some(length) = self.run.recorder.interval() {
            let number = self.begin.elapsed().as_nanos() / length.as_nanos().max(1);
            let cache = self.run.callers.fleet.report();
            self.run
                .recorder
                .hold(usize::try_from(number).unwrap_or(usize::MAX), cache);
        }
    }
}
