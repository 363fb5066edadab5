//! Whose turn it is to be signed.
//!
//! A signature takes longer than all the rest of a request. It is made on the thread that serves
//! the request, since handing tokens from one thread to another takes cores from both
//! (docs/decisions/signed-on-the-serving-thread.md), but never so that other requests wait for
//! more than one signature: before each, the thread serves whatever else is ready.

use std::num::NonZeroUsize;
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::signer::sign_now;
use super::{SigningError, SigningKey};
use crate::token::Draft;

/// Tokens that may wait for a signature: many seconds of work. Beyond it the server says that it
/// is overloaded, as an honest server would.
const LONGEST_QUEUE: usize = 16_384;

/// Where and when signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// This many at a time, each on the thread that serves its request once nothing else waits
    /// there.
    InTurn(NonZeroUsize),
    /// At once, on the thread that serves the request. For a runtime whose clock is paused: the
    /// order of events is then that of the requests.
    Inline,
    /// Inline, and not Entra's RS256 but HMAC with a key made of the seed: microseconds instead
    /// of most of a millisecond, and the same tokens in every run of a seed. For simulations.
    Simulated,
}

impl Default for Signing {
    /// One for each core.
    fn default() -> Self {
        Self::InTurn(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

/// Turns at signing, in the order of their requests.
pub(super) struct Turns {
    places: Semaphore,
    free: Semaphore,
}

impl Turns {
    pub(super) fn new(at_once: NonZeroUsize) -> Self {
        Self {
            places: Semaphore::new(LONGEST_QUEUE),
            free: Semaphore::new(at_once.get()),
        }
    }

    /// The token of a draft, signed when its turn comes.
    pub(super) async fn sign(
        &self,
        key: &SigningKey,
        draft: &Draft,
    ) -> Result<String, SigningError> {
        let place = self.places.try_acquire();
        let _place = place.map_err(|_| SigningError::Overloaded)?;
        let _turn = self.free.acquire().await;
        yield_now().await;
        sign_now(key, draft)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;
    use futures_util::future::{join_all, select};

    use super::*;
    use crate::signing::SigningAlgorithm;
    use crate::signing::algorithm::KeyKind;

    fn key() -> SigningKey {
        SigningKey::generate(KeyKind::Real(SigningAlgorithm::Es256), 7, 0).unwrap()
    }

    fn turns(at_once: usize) -> Turns {
        Turns::new(NonZeroUsize::new(at_once).unwrap())
    }

    #[tokio::test]
    async fn whatever_else_is_ready_is_served_between_two_signatures() {
        for at_once in [1, 2, 3] {
            let (turns, key, draft) = (turns(at_once), key(), Draft::for_tests(None));
            let (signed, served_at) = (Cell::new(0), Cell::new(Vec::new()));
            let tokens = join_all((0..60).map(|_| async {
                turns.sign(&key, &draft).await.unwrap();
                signed.set(signed.get() + 1);
            }));
            let other = async {
                loop {
                    let mut so_far = served_at.take();
                    so_far.push(signed.get());
                    served_at.set(so_far);
                    yield_now().await;
                }
            };
            select(Box::pin(tokens), Box::pin(other)).await;
            let served_at = served_at.take();
            let most = served_at.windows(2).map(|two| two[1] - two[0]).max();
            assert_eq!(most, Some(at_once), "signatures in a row: {served_at:?}");
        }
    }

    #[tokio::test]
    async fn more_than_can_be_signed_in_sensible_time_are_refused() {
        let (turns, key, draft) = (turns(1), key(), Draft::for_tests(None));
        let sign = || Box::pin(turns.sign(&key, &draft));
        let mut waiting: Vec<_> = (0..LONGEST_QUEUE).map(|_| sign()).collect();
        for token in &mut waiting {
            assert!(token.now_or_never().is_none());
        }
        let one_more = sign().now_or_never();
        assert!(matches!(one_more, Some(Err(SigningError::Overloaded))));
        // Whoever goes away leaves room.
        drop(waiting);
        assert!(sign().await.is_ok());
        assert_eq!(turns.places.available_permits(), LONGEST_QUEUE);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_token_is_signed_however_many_wait_and_whoever_goes_away() {
        let turns = std::sync::Arc::new((turns(2), key(), Draft::for_tests(None)));
        let sign = || {
            let turns = std::sync::Arc::clone(&turns);
            tokio::spawn(async move { turns.0.sign(&turns.1, &turns.2).await })
        };
        let waiting: Vec<_> = (0..100).map(|_| sign()).collect();
        for token in waiting.iter().step_by(3) {
            token.abort();
        }
        let kept = waiting.into_iter().enumerate();
        for (_, token) in kept.filter(|(number, _)| number % 3 != 0) {
            let token = tokio::time::timeout(std::time::Duration::from_secs(20), token).await;
            assert!(token.expect("a token was held back").unwrap().is_ok());
        }
    }
}
