//! How much work is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts work under way, up to a bound.
#[derive(Debug)]
pub(super) struct InFlight {
    count: AtomicUsize,
    most: usize,
    idle: Notify,
}

/// One piece of work under way, until dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<InFlight>);

impl InFlight {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            most,
            idle: Notify::new(),
        })
    }

    /// Room for one more, if there is any.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        self.count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                (count < self.most).then_some(count + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(self)))
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
}
