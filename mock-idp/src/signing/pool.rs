//! The threads that sign.
//!
//! While many tokens wait, a thread hands over several of them at once: each hand-over wakes a
//! thread that serves requests, which takes the core from the one that signs
//! (docs/decisions/tokens-handed-over-at-once.md).
//! Nobody waits longer on the whole for it, since a thread that hands over less often signs more.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::signer::sign_now;
use super::{SigningError, SigningKey};
use crate::token::Draft;

/// Tokens that may wait for a signature: many seconds of work. Beyond it the server says that it
/// is overloaded, as an honest server would.
const LONGEST_QUEUE: usize = 16_384;

/// Tokens that a thread hands over at a time at most: with RS256 the first of them then waits for
/// five milliseconds, behind a queue that takes longer.
const MOST_AT_ONCE: usize = 8;

/// Where signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// On this many threads of their own.
    Threads(NonZeroUsize),
    /// On the thread that serves the request. For a runtime whose clock is paused: it would jump
    /// while it waits for another thread.
    Inline,
    /// Inline, and not Entra's RS256 but HMAC with a key made of the seed: microseconds instead
    /// of most of a millisecond, and the same tokens in every run of a seed. For simulations.
    Simulated,
}

impl Default for Signing {
    /// One thread for each core.
    fn default() -> Self {
        Self::Threads(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

/// Threads that sign until they are dropped.
pub(super) struct Threads(Arc<Queue>);

struct Queue {
    jobs: Mutex<Jobs>,
    arrived: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

struct Job {
    key: Arc<SigningKey>,
    draft: Draft,
    reply: oneshot::Sender<Reply>,
}

/// A token, and others that were signed with it.
type Reply = (Result<String, SigningError>, HandOver);

/// Tokens on their way to whoever waits for them, signed by one thread. One waiter is woken; when
/// it takes its own token, on a thread that serves requests, it wakes the others there.
struct HandOver(Vec<(oneshot::Sender<Reply>, Result<String, SigningError>)>);

impl HandOver {
    fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Wakes the first waiter, with the others in tow. One that went away passes them on, since
    /// what it was sent is dropped.
    fn start(mut self) {
        if let Some((reply, token)) = self.0.pop() {
            drop(reply.send((token, self)));
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::nothing())
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        for (reply, token) in self.0.drain(..) {
            // Whoever went away wants it no more.
            let _ = reply.send((token, Self::nothing()));
        }
    }
}

impl Threads {
    pub(super) fn start(count: NonZeroUsize) -> Result<Self, SigningError> {
        let queue = Arc::new(Queue {
            jobs: Mutex::new(Jobs::default()),
            arrived: Condvar::new(),
        });
        // Made first: when a thread cannot be started, those before it end.
        let threads = Self(Arc::clone(&queue));
        for number in 0..count.get() {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("signing-{number}"))
                .spawn(move || work(&queue))
                .map_err(SigningError::Threads)?;
        }
        Ok(threads)
    }

    /// The token of a draft, signed when its turn comes.
    pub(super) async fn sign(
        &self,
        key: Arc<SigningKey>,
        draft: Draft,
    ) -> Result<String, SigningError> {
        let (reply, signed) = oneshot::channel();
        self.0.push(Job { key, draft, reply })?;
        match signed.await {
            Ok((token, others)) => {
                drop(others);
                token
            }
            Err(_) => Err(SigningError::Token("the thread died".to_owned())),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.jobs.lock().closed = true;
        self.0.arrived.notify_all();
    }
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), SigningError> {
        let mut jobs = self.jobs.lock();
        if jobs.waiting.len() >= LONGEST_QUEUE {
            return Err(SigningError::Overloaded);
        }
        jobs.waiting.push_back(job);
        drop(jobs);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next job and how many wait behind it, or nothing once the queue is closed. Before it
    /// waits for one, it hands over what was `signed`.
    fn pop(&self, signed: &mut HandOver) -> Option<(Job, usize)> {
        let mut jobs = self.jobs.lock();
        loop {
            if jobs.closed {
                return None;
            }
            if let Some(job) = jobs.waiting.pop_front() {
                return Some((job, jobs.waiting.len()));
            }
            if signed.0.is_empty() {
                self.arrived.wait(&mut jobs);
            } else {
                MutexGuard::unlocked(&mut jobs, || signed.take().start());
            }
        }
    }
}

fn work(queue: &Queue) {
    let mut signed = HandOver::nothing();
    while let Some((job, waiting)) = queue.pop(&mut signed) {
        if !job.reply.is_closed() {
            let token = sign_now(&job.key, &job.draft);
            signed.0.push((job.reply, token));
        }
        // More is not held back than half of what waits, so that clients that come again with
        // each answer keep the queue filled.
        if signed.0.len() >= MOST_AT_ONCE.min(waiting / 2) {
            signed.take().start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningAlgorithm;
    use crate::signing::algorithm::KeyKind;

    fn hand_over(count: usize) -> (HandOver, Vec<oneshot::Receiver<Reply>>) {
        let mut signed = HandOver::nothing();
        let waiters = (0..count).map(|number| {
            let (reply, waiter) = oneshot::channel();
            signed.0.push((reply, Ok(number.to_string())));
            waiter
        });
        let waiters = waiters.collect();
        (signed, waiters)
    }

    /// Which of the waiters have their own token.
    fn served(waiters: &mut [oneshot::Receiver<Reply>]) -> Vec<usize> {
        let mut served = Vec::new();
        for (number, waiter) in waiters.iter_mut().enumerate() {
            if let Ok((token, others)) = waiter.try_recv() {
                assert_eq!(token.unwrap(), number.to_string());
                served.push(number);
                // For this look at them, the others stay in tow.
                std::mem::forget(others);
            }
        }
        served
    }

    #[test]
    fn one_waiter_is_woken_and_wakes_the_others() {
        let (signed, mut waiters) = hand_over(4);
        signed.start();
        let mut last = waiters.pop().unwrap();
        assert!(served(&mut waiters).is_empty());
        drop(last.try_recv().unwrap());
        assert_eq!(served(&mut waiters), [0, 1, 2]);
    }

    #[test]
    fn waiters_that_go_away_take_nothing_from_the_others() {
        // Before they are woken, after, and all but one.
        let (signed, mut waiters) = hand_over(4);
        drop(waiters.pop());
        signed.start();
        assert_eq!(served(&mut waiters), [0, 1, 2]);

        let (signed, mut waiters) = hand_over(4);
        signed.start();
        drop(waiters.pop());
        assert_eq!(served(&mut waiters), [0, 1, 2]);

        let (signed, mut waiters) = hand_over(4);
        waiters.drain(1..);
        signed.start();
        assert_eq!(served(&mut waiters), [0]);
    }

    #[tokio::test]
    async fn every_token_is_signed_however_many_wait() {
        let threads = Threads::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let key = SigningKey::generate(KeyKind::Real(SigningAlgorithm::Es256), 7, 0);
        let key = Arc::new(key.unwrap());
        for count in [1, 2, 3, 7, 8, 9, 100] {
            let sign = || threads.sign(Arc::clone(&key), Draft::for_tests(None));
            let signed = futures_util::future::join_all((0..count).map(|_| sign()));
            let signed = tokio::time::timeout(std::time::Duration::from_secs(20), signed).await;
            let signed = signed.expect("a token was held back");
            assert!(signed.iter().all(Result::is_ok));
        }
    }
}
