//! The time that the cache judges by: that of its clock, moved by what the machine's
//! did beside it. Tokio's clock stands still while the machine sleeps and hears nothing
//! when its time is set; without this a laptop would wake up to tokens that have ended
//! and seem fresh.
#![expect(
    clippy::disallowed_types,
    reason = "what the machine's own clocks say of each other is asked here"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::Instant as TokioInstant;

use crate::clock::{Clock, Timestamp};

pub(super) struct Wall {
    clock: Clock,
    /// Seconds that whoever uses the cache has set it forward by.
    step: AtomicI64,
    machine: Option<Machine>,
}

/// The machine's two clocks: one that can be set and runs on in its sleep, and one
/// that neither can nor does.
struct Machine {
    read: Box<dyn Fn() -> (SystemTime, Instant) + Send + Sync>,
    began: (SystemTime, Instant),
    /// Seconds by which the first has gone further than the second since.
    ahead: AtomicI64,
    /// The second on the cache's clock in which they were last compared.
    compared_in: AtomicI64,
}

impl Wall {
    /// By `clock`, and the machine's where that took its time from there.
    pub(super) fn new(clock: Clock) -> Self {
        let read = || (SystemTime::now(), Instant::now());
        Self::reading(clock, clock.is_system().then(|| Box::new(read) as _))
    }

    fn reading(
        clock: Clock,
        read: Option<Box<dyn Fn() -> (SystemTime, Instant) + Send + Sync>>,
    ) -> Self {
        Self {
            clock,
            step: AtomicI64::new(0),
            machine: read.map(|read| Machine {
                began: read(),
                read,
                ahead: AtomicI64::new(0),
                compared_in: AtomicI64::new(i64::MIN),
            }),
        }
    }

    pub(super) fn step(&self, seconds: i64) {
        self.step.store(seconds, Ordering::Relaxed);
    }

    /// Right at this moment.
    pub(super) fn clock(&self) -> Clock {
        if let Some(machine) = &self.machine {
            machine.compare();
        }
        self.stepped()
    }

    /// The time at `instant`, right to a second: what a hit can afford.
    pub(super) fn at(&self, instant: TokioInstant) -> Timestamp {
        let now = self.stepped().at(instant);
        let Some(machine) = &self.machine else {
            return now;
        };
        let second = now.unix_seconds();
        if machine.compared_in.load(Ordering::Relaxed) == second {
            return now;
        }
        machine.compare();
        let now = self.stepped().at(instant);
        machine
            .compared_in
            .store(now.unix_seconds(), Ordering::Relaxed);
        now
    }

    fn stepped(&self) -> Clock {
        let ahead = self
            .machine
            .as_ref()
            .map_or(0, |machine| machine.ahead.load(Ordering::Relaxed));
        let step = self.step.load(Ordering::Relaxed);
        self.clock.stepped(step.saturating_add(ahead))
    }
}

impl Machine {
    fn compare(&self) {
        let (wall, steady) = (self.read)();
        let (wall_began, steady_began) = self.began;
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let wall = match wall.duration_since(wall_began) {
            Ok(on) => millis(on),
            Err(back) => -millis(back.duration()),
        };
        let steady = millis(steady.saturating_duration_since(steady_began));
        // What a fraction of a second makes is noise of reading one after the other.
        let ahead = wall
            .saturating_sub(steady)
            .saturating_add(500)
            .div_euclid(1_000);
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// A machine whose times are set by hand.
    fn machine(clock: Clock) -> (Wall, Arc<Mutex<(SystemTime, Instant)>>) {
        let times = Arc::new(Mutex::new((SystemTime::now(), Instant::now())));
        let read = Arc::clone(&times);
        let wall = Wall::reading(clock, Some(Box::new(move || *read.lock())));
        (wall, times)
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_slept_or_whose_clock_was_set_is_followed_within_a_second() {
        let clock = Clock::starting_at(Timestamp::from_unix_seconds(1_000_000));
        let (wall, times) = machine(clock);
        let at = |wall: &Wall| wall.at(TokioInstant::now()).unix_seconds();
        assert_eq!(at(&wall), 1_000_000);
        // It sleeps for two hours: one of its clocks runs on.
        times.lock().0 += 2 * HOUR;
        assert_eq!(
            at(&wall),
            1_000_000,
            "in the same second nothing is compared"
        );
        assert_eq!(wall.clock().now().unix_seconds(), 1_007_200);
        assert_eq!(at(&wall), 1_007_200);
        // Both run, and it is set back by three hours.
        let (set, steady) = *times.lock();
        *times.lock() = (set + HOUR - 3 * HOUR, steady + HOUR);
        tokio::time::advance(HOUR).await;
        assert_eq!(at(&wall), 1_000_000);
        wall.step(7);
        assert_eq!(at(&wall), 1_000_007);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_of_its_own_follows_no_machine() {
        let wall = Wall::new(Clock::starting_at(Timestamp::from_unix_seconds(5)));
        assert!(wall.machine.is_none());
        assert!(Wall::new(Clock::system()).machine.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_is_awake_moves_nothing() {
        let wall = Wall::new(Clock::system());
        let before = wall.clock().now();
        tokio::time::advance(HOUR).await;
        assert_eq!(wall.clock().now(), before.plus(HOUR));
    }
}
