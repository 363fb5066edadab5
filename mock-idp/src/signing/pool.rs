//! The threads that sign.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::signer::sign_now;
use super::{SigningError, SigningKey};
use crate::token::Draft;

/// Tokens that may wait for a signature: many seconds of work. Beyond it the server says that it
/// is overloaded, as an honest server would.
const LONGEST_QUEUE: usize = 16_384;

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
    reply: oneshot::Sender<Result<String, SigningError>>,
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
        signed
            .await
            .unwrap_or_else(|_| Err(SigningError::Token("the thread died".to_owned())))
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

    /// The next job, or nothing once the queue is closed.
    fn pop(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        loop {
            if jobs.closed {
                return None;
            }
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            self.arrived.wait(&mut jobs);
        }
    }
}

fn work(queue: &Queue) {
    while let Some(job) = queue.pop() {
        if job.reply.is_closed() {
            continue;
        }
        // The caller may go away while its token is signed; then nobody wants it.
        let _ = job.reply.send(sign_now(&job.key, &job.draft));
    }
}
