//! The pacer: a thread of its own that hands out arrivals when they fall due.
//!
//! A Tokio timer is late by a millisecond at the median, a sleeping thread by a
//! tenth of that. The intended instant travels with each arrival, so whatever
//! lateness is left shows as lag and is never lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use crate::arrival::{Arrival, Schedule};
use crate::record::Recorder;

/// Arrivals that fall due together travel together, at most this many.
const BATCH: usize = 256;

/// Batches that may wait to be started; then arrivals are dropped, for the
/// pacer never waits.
const WAITING: usize = 64;

/// A stop is noticed within this time.
const NAP: Duration = Duration::from_millis(50);

/// Starts the pacer. The channel closes after the last arrival, or soon after
/// `stop` is set.
pub(super) fn start(
    schedule: Schedule,
    begin: Instant,
    stop: Arc<AtomicBool>,
    recorder: Arc<Recorder>,
) -> std::io::Result<mpsc::Receiver<Vec<Arrival>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    thread::Builder::new()
        .name("pacer".to_owned())
        .spawn(move || pace(schedule, begin, &stop, &recorder, &sender))?;
    Ok(receiver)
}

fn pace(
    schedule: Schedule,
    begin: Instant,
    stop: &AtomicBool,
    recorder: &Recorder,
    sender: &mpsc::Sender<Vec<Arrival>>,
) {
    let mut batch = Vec::new();
    for arrival in schedule {
        let due = begin + arrival.intended;
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) || sender.is_closed() || due <= now {
                break;
            }
            hand_over(&mut batch, recorder, sender);
            let nap = due.duration_since(now).min(NAP);
            thread::sleep(nap);
            recorder.pause(now.elapsed().saturating_sub(nap));
        }
        if stop.load(Ordering::Relaxed) || sender.is_closed() {
            break;
        }
        batch.push(arrival);
        if batch.len() >= BATCH {
            hand_over(&mut batch, recorder, sender);
        }
    }
    hand_over(&mut batch, recorder, sender);
}

fn hand_over(batch: &mut Vec<Arrival>, recorder: &Recorder, sender: &mpsc::Sender<Vec<Arrival>>) {
    if batch.is_empty() {
        return;
    }
    recorder.offer(batch);
    if let Err(TrySendError::Full(lost) | TrySendError::Closed(lost)) =
        sender.try_send(std::mem::take(batch))
    {
        recorder.drop_arrivals(&lost);
    }
}
