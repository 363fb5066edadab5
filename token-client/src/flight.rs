//! Single flight: one fetch for a key at a time, its result shared.
//!
//! A flight is a task of its own. So a caller that gives up strands nobody, and
//! one failure is one failure for all who waited, rather than a queue of
//! callers that each try again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The fetches under way, by key.
pub(crate) struct Flights<K, T> {
    running: Arc<Running<K, T>>,
}

type Running<K, T> = Mutex<HashMap<K, Flight<T>>>;
type Flight<T> = Shared<Pin<Box<dyn Future<Output = Option<T>> + Send>>>;

/// What a caller was to a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It began the fetch.
    Leader,
    /// It waited for a fetch already under way.
    Waiter,
}

impl<K, T> Flights<K, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        Self {
            running: Arc::default(),
        }
    }

    /// Waits for the fetch under way for `key`, beginning it with `fetch` if
    /// there is none. `None` when the fetch panicked or its runtime stopped.
    pub(crate) async fn join<F>(&self, key: K, fetch: impl FnOnce() -> F) -> (Option<T>, Role)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (flight, role) = self.board(key, fetch);
        (flight.await, role)
    }

    /// Begins the fetch for `key` if there is none under way, and waits for
    /// nothing.
    pub(crate) fn launch<F>(&self, key: K, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let _ = self.board(key, fetch);
    }

    fn board<F>(&self, key: K, fetch: impl FnOnce() -> F) -> (Flight<T>, Role)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let (flight, role) = match self.running.lock().entry(key.clone()) {
            Entry::Occupied(under_way) => (under_way.get().clone(), Role::Waiter),
            Entry::Vacant(free) => {
                let flight = async move { receiver.await.ok() }.boxed().shared();
                (free.insert(flight).clone(), Role::Leader)
            }
        };
        if role == Role::Leader {
            self.take_off(key, fetch(), sender);
        }
        (flight, role)
    }

    fn take_off<F>(&self, key: K, fetch: F, sender: oneshot::Sender<T>)
    where
        F: Future<Output = T> + Send + 'static,
    {
        // The list is not locked here: a runtime that is stopping drops the task,
        // and with it the landing, before `spawn` returns.
        let landing = Landing {
            running: Arc::clone(&self.running),
            key,
        };
        tokio::spawn(async move {
            let result = fetch.await;
            // Off the list before anyone hears: who comes now begins anew.
            drop(landing);
            let _ = sender.send(result);
        });
    }
}

/// Takes a flight off the list when its task ends, in whatever way.
struct Landing<K: Eq + Hash, T> {
    running: Arc<Running<K, T>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        if defect!(FlightKept) {
            return;
        }
        self.running.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    type Outcome = Result<u32, &'static str>;

    /// Counts its fetches; each takes a second and gives the count.
    struct Source {
        flights: Flights<&'static str, Outcome>,
        fetches: Arc<AtomicU32>,
    }

    impl Source {
        fn new() -> Self {
            Self {
                flights: Flights::new(),
                fetches: Arc::default(),
            }
        }

        async fn get(&self, key: &'static str, fail: bool) -> (Option<Outcome>, Role) {
            let fetches = Arc::clone(&self.fetches);
            self.flights
                .join(key, move || async move {
                    let number = fetches.fetch_add(1, Ordering::SeqCst) + 1;
                    sleep(Duration::from_secs(1)).await;
                    if fail { Err("down") } else { Ok(number) }
                })
                .await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_callers_make_one_fetch() {
        let source = Source::new();
        let answers = join_all((0..100).map(|_| source.get("a", false))).await;
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
        assert!(answers.iter().all(|(outcome, _)| *outcome == Some(Ok(1))));
        let leaders = answers.iter().filter(|(_, role)| *role == Role::Leader);
        assert_eq!(leaders.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_flight_fails_every_waiter_once() {
        let source = Source::new();
        let answers = join_all((0..100).map(|_| source.get("a", true))).await;
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
        assert!(
            answers
                .iter()
                .all(|(outcome, _)| *outcome == Some(Err("down")))
        );
        assert_eq!(
            source.get("a", false).await.0,
            Some(Ok(2)),
            "the next try is a new flight"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn flights_of_two_keys_do_not_wait_for_each_other() {
        let source = Source::new();
        tokio::join!(source.get("a", false), source.get("b", false));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_leader_strands_nobody() {
        let source = Source::new();
        {
            let leader = source.get("a", false);
            let gave_up = tokio::time::timeout(Duration::from_millis(10), leader).await;
            assert!(gave_up.is_err());
        }
        let (outcome, role) = source.get("a", false).await;
        assert_eq!((outcome, role), (Some(Ok(1)), Role::Waiter));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_flight_that_begins_while_the_runtime_stops_lands_and_blocks_nobody() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        let (begun, beginning) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let flights: Flights<&str, u32> = Flights::new();
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(200));
            flights.join("a", || async { 1 }).await;
        });
        beginning.recv().unwrap();
        std::thread::spawn(move || {
            drop(runtime);
            done.send(()).unwrap();
        });
        assert!(
            ended.recv_timeout(Duration::from_secs(5)).is_ok(),
            "the runtime stops"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_flight_reaches_its_waiters_and_not_the_next_flight() {
        let flights: Flights<&str, u32> = Flights::new();
        let (one, two) = tokio::join!(
            flights.join("a", || async {
                sleep(Duration::from_secs(1)).await;
                panic!("on purpose")
            }),
            flights.join("a", || async { 1 }),
        );
        assert_eq!((one.0, two.0), (None, None));
        assert_eq!(flights.join("a", || async { 2 }).await.0, Some(2));
    }
}
