//! How the run goes, on stderr: a live view on a terminal, a line every few
//! seconds elsewhere.
//!
//! A thread of its own writes, since a terminal that somebody holds with Ctrl-S
//! blocks whoever writes to it, and callers must not wait for that.

mod sparkline;
mod view;

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Run;
use crate::record::Tally;

use sparkline::Ramp;
use view::{Reading, View};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// `tui` on a terminal that can show it, else `line`.
    Auto,
    /// A live view with sparklines, redrawn twice a second.
    Tui,
    /// A line every few seconds.
    Line,
    /// Not at all.
    None,
}

/// Twice a second is as fast as people read.
const VIEW_EVERY: Duration = Duration::from_millis(500);

const LINE_EVERY: Duration = Duration::from_secs(2);

/// The end of a run waits no longer for its view to be wiped.
const WIPE_WITHIN: Duration = Duration::from_millis(250);

/// A terminal that does not tell how wide it is.
const USUAL_WIDTH: u16 = 80;

/// Narrower terminals get lines.
const LEAST_WIDTH: u16 = 50;

/// Shows progress until dropped.
#[derive(Debug)]
pub struct Shown {
    /// Its end tells the thread to end.
    run_ends: Option<Sender<()>>,
    /// Closed by the thread's end.
    thread_ended: Receiver<()>,
}

/// Begins to show how `run` goes.
pub fn show(progress: Progress, run: &Arc<Run>) -> Shown {
    let (run_ends, ends) = channel();
    let (thread_lives, thread_ended) = channel();
    let run = Arc::clone(run);
    let work = move || {
        // Kept to the end: that it is dropped tells the other side.
        let _thread_lives: Sender<()> = thread_lives;
        match progress {
            Progress::None => {}
            Progress::Tui => view(&run, &ends),
            Progress::Auto if can_show_a_view() => view(&run, &ends),
            Progress::Auto | Progress::Line => lines(&run, &ends),
        }
    };
    // A run that nobody can watch is still a run.
    let started = thread::Builder::new()
        .name("progress".to_owned())
        .spawn(work);
    if let Err(error) = started {
        tracing::warn!(%error, "progress cannot be shown");
    }
    Shown {
        run_ends: Some(run_ends),
        thread_ended,
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.run_ends.take());
        let _ = self.thread_ended.recv_timeout(WIPE_WITHIN);
    }
}

fn width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0)
}

fn can_show_a_view() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb && width().is_none_or(|width| width >= LEAST_WIDTH)
}

/// Does something every so often until the run ends.
fn until_the_end(ends: &Receiver<()>, every: Duration, mut tick: impl FnMut(Duration)) {
    let began = Instant::now();
    for number in 1.. {
        let due = began + every * number;
        let wait = due.saturating_duration_since(Instant::now());
        if ends.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        tick(began.elapsed());
    }
}

fn lines(run: &Run, ends: &Receiver<()>) {
    until_the_end(ends, LINE_EVERY, |elapsed| {
        let line = line(run, elapsed);
        // Progress that cannot be shown is no reason to stop.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    });
}

/// Draws below the cursor, leaves it where it was, and wipes it all in the end.
/// The first line of a view is empty: what is logged meanwhile lands there, and the
/// next view is drawn below it.
fn view(run: &Run, ends: &Receiver<()>) {
    let mut view = View::new(&run.plan, Ramp::of_environment());
    until_the_end(ends, VIEW_EVERY, |elapsed| {
        view.add(read(run, elapsed));
        let lines = view.lines(usize::from(width().unwrap_or(USUAL_WIDTH)));
        let out = format!("\x1b[J\r\n{}\r\x1b[{}A", lines.join("\r\n"), lines.len());
        let mut stderr = std::io::stderr().lock();
        let _ = stderr
            .write_all(out.as_bytes())
            .and_then(|()| stderr.flush());
    });
    let _ = std::io::stderr().write_all(b"\r\x1b[J");
}

fn read(run: &Run, elapsed: Duration) -> Reading {
    let length = run.recorder.interval().unwrap_or(Duration::from_secs(1));
    let under_way = elapsed.as_nanos() / length.as_nanos().max(1);
    // The last that is over; of the one under way there may be next to nothing. An
    // interval is known to be over when something ended after it.
    let number = usize::try_from(under_way).unwrap_or_default();
    let p99_us = (1..=2).find_map(|back| run.recorder.p99_of_interval(number.checked_sub(back)?));
    Reading {
        elapsed,
        tally: run.recorder.tally(),
        in_flight: run.in_flight(),
        p99_us,
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
