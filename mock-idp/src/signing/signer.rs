//! Signs drafts with the key whose turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::algorithm::KeyKind;
use super::ring::{KeyRing, KeyStatus};
use super::turns::Turns;
use super::{KeySchedule, Rollover, Signing, SigningError, SigningKey};
use crate::clock::UnixTime;
use crate::random::Stream;
use crate::token::Draft;

/// Keys that follow each other, and where they sign.
pub(super) struct Signer {
    seed: u64,
    is_simulated: bool,
    ring: Mutex<KeyRing>,
    /// Only one task makes keys at a time.
    making: tokio::sync::Mutex<()>,
    /// A key made ahead of its time, so that nobody waits for it at a rollover.
    spare: Arc<Mutex<Option<SigningKey>>>,
    made: AtomicU64,
    flapping: Stream,
    /// `None` when requests sign at once.
    turns: Option<Arc<Turns>>,
}

impl Signer {
    /// Makes a key. Blocks for the time a key takes.
    pub(super) fn start(
        signing: Signing,
        schedule: KeySchedule,
        seed: u64,
        now: UnixTime,
    ) -> Result<Self, SigningError> {
        let is_simulated = signing == Signing::Simulated;
        let key = SigningKey::generate(kind_of(is_simulated, schedule), seed, 0)?;
        let turns = match signing {
            Signing::Inline | Signing::Simulated => None,
            Signing::InTurn(at_once) => Some(Arc::new(Turns::new(at_once))),
        };
        let ring = KeyRing::new(schedule, key, now);
        Ok(Self::of(ring, seed, is_simulated, turns))
    }

    fn of(ring: KeyRing, seed: u64, is_simulated: bool, turns: Option<Arc<Turns>>) -> Self {
        Self {
            seed,
            is_simulated,
            ring: Mutex::new(ring),
            making: tokio::sync::Mutex::default(),
            spare: Arc::default(),
            made: AtomicU64::new(1),
            flapping: Stream::new(seed, "key flapping"),
            turns,
        }
    }

    /// Another one with the same keys and turns, whose keys go their own way from here.
    pub(super) fn branch(&self, seed: u64) -> Self {
        let ring = self.ring.lock().clone();
        Self::of(ring, seed, self.is_simulated, self.turns.clone())
    }

    /// Others that sign in the same places, with keys of their own and by the same schedule.
    pub(super) async fn sibling(&self, name: &str, now: UnixTime) -> Result<Self, SigningError> {
        let seed = u64::from_le_bytes(Stream::new(self.seed, name).bytes());
        let (kind, schedule) = (self.kind(), self.schedule());
        let make = move || SigningKey::generate(kind, seed, 0);
        let key = if self.turns.is_none() {
            make()
        } else {
            let outcome = spawn_blocking(make).await;
            outcome.map_err(|error| SigningError::Key(error.to_string()))?
        };
        let ring = KeyRing::new(schedule, key?, now);
        Ok(Self::of(ring, seed, self.is_simulated, self.turns.clone()))
    }

    /// The signed token of a draft. When the caller goes away before its turn, none is signed.
    pub(super) async fn sign(&self, draft: &Draft, now: UnixTime) -> Result<String, SigningError> {
        let key = self.current_key(now).await?;
        match &self.turns {
            None => sign_now(&key, draft),
            Some(turns) => turns.sign(&key, draft).await,
        }
    }

    /// The key whose turn it is.
    pub(super) async fn current_key(&self, now: UnixTime) -> Result<Arc<SigningKey>, SigningError> {
        self.keep_schedule(now).await?;
        let key = self.ring.lock().current(now);
        key.ok_or_else(|| SigningError::Key("there is none".to_owned()))
    }

    /// The claims of a token that a published key signed, whatever they say.
    pub(super) fn verify<T: DeserializeOwned>(&self, token: &str, now: UnixTime) -> Option<T> {
        let keys = self.ring.lock().published(now);
        keys.iter().find_map(|key| key.verify(token).ok())
    }

    /// The keys that one answer to a validator holds.
    pub(super) async fn shown(&self, now: UnixTime) -> Result<Vec<Arc<SigningKey>>, SigningError> {
        self.keep_schedule(now).await?;
        Ok(self.ring.lock().shown(now, &self.flapping))
    }

    pub(super) async fn status(&self, now: UnixTime) -> Result<Vec<KeyStatus>, SigningError> {
        self.keep_schedule(now).await?;
        Ok(self.ring.lock().status(now))
    }

    /// The `alg` of the tokens to come.
    pub(super) fn algorithm(&self) -> &'static str {
        self.kind().as_jose()
    }

    fn kind(&self) -> KeyKind {
        kind_of(self.is_simulated, self.schedule())
    }

    pub(super) fn schedule(&self) -> KeySchedule {
        self.ring.lock().schedule()
    }

    /// Follows another schedule from now on, which must be valid. Another algorithm begins with
    /// the next key.
    pub(super) fn reschedule(&self, schedule: KeySchedule) {
        self.ring.lock().reschedule(schedule);
        *self.spare.lock() = None;
    }

    /// Has a new key follow out of turn.
    pub(super) async fn roll(&self, rollover: Rollover, now: UnixTime) -> Result<(), SigningError> {
        let _making = self.making.lock().await;
        let key = self.next_key().await?;
        self.ring.lock().roll(key, rollover, now);
        Ok(())
    }

    /// The keys as they are, to come back to.
    pub(super) fn save(&self) -> SavedRing {
        SavedRing(self.ring.lock().clone())
    }

    /// Comes back to these keys, and to their schedule.
    pub(super) fn restore(&self, saved: &SavedRing) {
        *self.ring.lock() = saved.0.clone();
        *self.spare.lock() = None;
    }

    /// Makes the keys whose time has come.
    async fn keep_schedule(&self, now: UnixTime) -> Result<(), SigningError> {
        let is_due = || self.ring.lock().is_due(now);
        if !is_due() {
            return Ok(());
        }
        let _making = self.making.lock().await;
        while is_due() {
            let key = self.next_key().await?;
            self.ring.lock().follow(key, now);
        }
        self.make_spare();
        Ok(())
    }

    async fn next_key(&self) -> Result<SigningKey, SigningError> {
        let kind = self.kind();
        let spare = self.spare.lock().take();
        if let Some(key) = spare.filter(|key| key.kind() == kind) {
            return Ok(key);
        }
        let (seed, number) = (self.seed, self.made.fetch_add(1, Ordering::Relaxed));
        let make = move || SigningKey::generate(kind, seed, number);
        if self.turns.is_none() {
            return make();
        }
        let outcome = spawn_blocking(make).await;
        outcome.map_err(|error| SigningError::Key(error.to_string()))?
    }

    fn make_spare(&self) {
        if self.turns.is_none() {
            return;
        }
        let kind = self.kind();
        let (seed, number) = (self.seed, self.made.fetch_add(1, Ordering::Relaxed));
        let spare = Arc::clone(&self.spare);
        // Nobody waits for it: a key that could not be made is made when it is due.
        drop(spawn_blocking(move || {
            if let Ok(key) = SigningKey::generate(kind, seed, number) {
                *spare.lock() = Some(key);
            }
        }));
    }
}

fn kind_of(is_simulated: bool, schedule: KeySchedule) -> KeyKind {
    if is_simulated {
        KeyKind::Simulated
    } else {
        KeyKind::Real(schedule.algorithm)
    }
}

/// The keys of a signer at some moment.
#[derive(Clone)]
pub(super) struct SavedRing(KeyRing);

pub(super) fn sign_now(key: &SigningKey, draft: &Draft) -> Result<String, SigningError> {
    key.sign(draft)
        .map_err(|error| SigningError::Token(error.to_string()))
}
