//! The threads that sign.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{SigningError, SigningKey};
use crate::token::Claims;

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

/// Signs tokens with one key.
pub(crate) struct Signer {
    key: Arc<SigningKey>,
    queue: Option<Arc<Queue>>,
}

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
    claims: Claims,
    reply: oneshot::Sender<Result<String, SigningError>>,
}

impl Signer {
    /// Makes a key and starts the threads. Blocks for the time a key takes.
    pub(crate) fn start(signing: Signing, seed: u64) -> Result<Self, SigningError> {
        let key = Arc::new(match signing {
            Signing::Simulated => SigningKey::simulated(seed),
            Signing::Threads(_) | Signing::Inline => SigningKey::generate()?,
        });
        let Signing::Threads(threads) = signing else {
            return Ok(Self { key, queue: None });
        };
        let queue = Arc::new(Queue {
            jobs: Mutex::new(Jobs::default()),
            arrived: Condvar::new(),
        });
        let signer = Self {
            key: Arc::clone(&key),
            queue: Some(Arc::clone(&queue)),
        };
        for number in 0..threads.get() {
            let (key, queue) = (Arc::clone(&key), Arc::clone(&queue));
            thread::Builder::new()
                .name(format!("signing-{number}"))
                .spawn(move || work(&key, &queue))
                .map_err(SigningError::Threads)?;
        }
        Ok(signer)
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The signed token of these claims. When the caller goes away meanwhile, a token still in
    /// the queue is not signed.
    pub(crate) async fn sign(&self, claims: Claims) -> Result<String, SigningError> {
        let Some(queue) = &self.queue else {
            return sign_now(&self.key, &claims);
        };
        let (reply, signed) = oneshot::channel();
        queue.push(Job { claims, reply })?;
        signed
            .await
            .unwrap_or_else(|_| Err(SigningError::Token("the thread died".to_owned())))
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.jobs.lock().closed = true;
            queue.arrived.notify_all();
        }
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

fn work(key: &SigningKey, queue: &Queue) {
    while let Some(job) = queue.pop() {
        if job.reply.is_closed() {
            continue;
        }
        // The caller may go away while its token is signed; then nobody wants it.
        let _ = job.reply.send(sign_now(key, &job.claims));
    }
}

fn sign_now(key: &SigningKey, claims: &Claims) -> Result<String, SigningError> {
    key.sign(claims, claims.version())
        .map_err(|error| SigningError::Token(error.to_string()))
}
