//! How the run goes, on stderr: one line rewritten on a terminal, one line
//! every few seconds elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Run;
use crate::record::Tally;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// `line` rewritten in place on a terminal, else a line every few seconds.
    Auto,
    /// A line every few seconds.
    Line,
    /// Not at all.
    None,
}

/// Shows progress until dropped.
#[derive(Debug)]
pub struct Shown {
    task: Option<tokio::task::JoinHandle<()>>,
    in_place: bool,
}

/// Begins to show how `run` goes.
pub fn show(progress: Progress, run: &Arc<Run>) -> Shown {
    let in_place = progress == Progress::Auto && std::io::stderr().is_terminal();
    if progress == Progress::None {
        return Shown {
            task: None,
            in_place: false,
        };
    }
    let every = Duration::from_millis(if in_place { 500 } else { 2_000 });
    let run = Arc::clone(run);
    let task = tokio::spawn(async move {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(every);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let line = line(&run, began.elapsed());
            let mut stderr = std::io::stderr().lock();
            // Progress that cannot be shown is no reason to stop.
            let _ = if in_place {
                write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush())
            } else {
                writeln!(stderr, "{line}")
            };
        }
    });
    Shown {
        task: Some(task),
        in_place,
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
            if self.in_place {
                let _ = write!(std::io::stderr(), "\r\x1b[2K");
            }
        }
    }
}

fn line(run: &Run, elapsed: Duration) -> String {
    let Tally {
        offered,
        dropped,
        tokens,
        hits,
        errors,
    } = run.recorder.tally();
    let ratio = if tokens == 0 {
        "-".to_owned()
    } else {
        format!("{:.3}", hits as f64 / tokens as f64)
    };
    format!(
        "{:>4.0}s of {:.0}s  offered {offered}  tokens {tokens}  hit ratio {ratio}  \
         errors {errors}  dropped {dropped}  in flight {}",
        elapsed.as_secs_f64(),
        run.plan.duration.as_secs_f64(),
        run.in_flight(),
    )
}
