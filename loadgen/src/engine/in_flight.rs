//! How much work is under way, and what waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Arrivals that may wait for room where a plan says `when_full: queue`; beyond
/// them even those are dropped, or a stuck provider would fill the memory.
const MOST_WAITING: usize = 100_000;

/// Counts work under way, up to a bound.
#[derive(Debug)]
pub(super) struct InFlight {
    count: AtomicUsize,
    /// What may be under way, those that wait included.
    most: usize,
    /// Where arrivals wait their turn, in the order they came.
    queue: Option<Arc<Semaphore>>,
    idle: Notify,
}

/// One piece of work under way, until dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<InFlight>);

/// The turn of one that waited in the queue, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            most,
            queue: None,
            idle: Notify::new(),
        })
    }

    /// As [`InFlight::new`], with a queue in front.
    pub(super) fn queueing(most: usize) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            most: most.saturating_add(MOST_WAITING),
            queue: Some(Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            idle: Notify::new(),
        })
    }

    /// Room for one more, if there is any; in the queue where there is one.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        self.count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                (count < self.most).then_some(count + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(self)))
    }

    /// Waits in the queue, if there is one.
    pub(super) async fn turn(&self) -> Turn {
        let permit = match &self.queue {
            None => None,
            // Never closed.
            Some(queue) => Arc::clone(queue).acquire_owned().await.ok(),
        };
        Turn { _permit: permit }
    }

    /// Whether whoever enters may have to wait.
    pub(super) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until nothing is under way.
    pub(super) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_room_up_to_the_bound_and_idle_is_noticed() {
        let work = InFlight::new(2);
        let (one, two) = (work.enter(), work.enter());
        assert!(one.is_some() && two.is_some() && work.enter().is_none());
        drop(one);
        assert_eq!(work.count(), 1);
        let wait = tokio::time::timeout(Duration::from_secs(1), work.idle());
        assert!(wait.await.is_err(), "one is left");
        drop(two);
        work.idle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_queue_there_is_room_for_more_and_turns_come_in_order() {
        let work = InFlight::queueing(1);
        let (first, second) = (work.enter().unwrap(), work.enter().unwrap());
        let turn = work.turn().await;
        let wait = tokio::time::timeout(Duration::from_secs(1), work.turn());
        assert!(wait.await.is_err(), "the first has not ended");
        drop((turn, first));
        let _turn = work.turn().await;
        assert_eq!(work.count(), 1);
        drop(second);
    }
}
