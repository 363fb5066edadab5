//! L1 over L2: the two layers as one cache of partitions.
//!
//! Reading asks L1, then L2, and puts what L2 had into L1 (*back-propagation*).
//! Writing goes to both. A failing L2 is a miss or a late write, never an error
//! of the request: that is what Microsoft.Identity.Web does, whatever its
//! documents say.

mod change;
mod guard;
mod l2;
mod lane;
mod options;
mod shared;
mod unsaved;
mod wall;

pub use change::{PendingWrite, Updated};
pub use options::{OnL2Failure, OptionsError, TokenCacheOptions};

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};
use crate::error::CacheError;
use crate::events::{CacheEvents, L2Operation, Operation, OperationOutcome};
use crate::item::Account;
use crate::key::{PartitionKey, PartitionKeyRef};
use crate::l1::{Cached, KindSizes, L1, L1Entry, L1Stats};
use crate::partition::Partition;
use crate::policy::{L2Touch, Policy};
use l2::{InL2, L2};
use lane::Lanes;
use options::Expirations;
use shared::SharedAccessors;
use unsaved::Unsaved;
use wall::Wall;

/// A cache of partitions: L1, L2, both, or neither. Cheap to clone; clones
/// share.
#[derive(Clone)]
pub struct TokenCache {
    inner: Arc<Inner>,
}

struct Inner {
    l1: Option<L1>,
    l2: Option<L2>,
    expirations: Expirations,
    policy: Policy,
    wall: Wall,
    events: Arc<dyn CacheEvents>,
    lanes: Lanes,
    unsaved: Unsaved,
    shared: SharedAccessors,
    /// Whether somebody brings overdue changes to L2.
    flushing: AtomicBool,
    /// The partition that was tried last; the next flush begins behind it.
    last_flushed: parking_lot::Mutex<Option<PartitionKey>>,
}

/// Where an answer came from; MSAL's `CacheLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheLevel {
    /// From no cache.
    None,
    /// From a cache that does not say which level it is, such as a session.
    Unknown,
    /// From this process's memory.
    L1,
    /// From the shared store.
    L2,
}

impl CacheLevel {
    /// The word in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::L1 => "l1",
            Self::L2 => "l2",
        }
    }
}

/// A partition and where it was found.
#[derive(Debug, Clone)]
pub struct Read {
    /// What was there, if anything.
    pub partition: Option<Arc<Partition>>,
    /// [`CacheLevel::None`] when nothing was.
    pub level: CacheLevel,
}

impl Read {
    const NOTHING: Self = Self {
        partition: None,
        level: CacheLevel::None,
    };
}

impl TokenCache {
    /// An empty cache over `options.l2`. An L1 expiration ratio that
    /// [`TokenCache::try_new`] would refuse counts as 1.
    pub fn new(options: TokenCacheOptions) -> Self {
        Self {
            inner: Arc::new(Inner::new(options)),
        }
    }

    /// [`TokenCache::new`], if the options make sense.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] for an L1 expiration ratio outside `(0, 1]`, where it
    /// has an effect.
    pub fn try_new(options: TokenCacheOptions) -> Result<Self, OptionsError> {
        options.check()?;
        Ok(Self::new(options))
    }

    /// How it behaves.
    pub fn policy(&self) -> Policy {
        self.inner.policy
    }

    /// The clock it judges by, as it is now. Where it is the system's, it follows
    /// that one when it is set and when the machine has slept.
    pub fn clock(&self) -> Clock {
        self.inner.clock()
    }

    /// The time it judges by at `instant`. A clock that has just been set is
    /// noticed within a second.
    pub fn now_at(&self, instant: Instant) -> Timestamp {
        self.inner.wall.at(instant)
    }

    /// The machine's clock has been set: by so many seconds ahead of what the
    /// cache was given, or behind when below zero. Steps do not add up; zero
    /// brings the clock back.
    pub fn step_clock(&self, seconds: i64) {
        self.inner.wall.step(seconds);
    }

    /// Whether it serialises partitions into a store; MSAL's `isSerialized`.
    pub fn has_l2(&self) -> bool {
        self.inner.l2.is_some()
    }

    /// What L1 holds; `None` without L1.
    pub fn l1_stats(&self) -> Option<L1Stats> {
        self.inner.l1.as_ref().map(L1::stats)
    }

    /// What L1 holds by kind. Counted as it comes and goes, so that asking costs
    /// no more for a million partitions than for one.
    pub fn l1_kinds(&self) -> KindSizes {
        self.inner.l1.as_ref().map(L1::kinds).unwrap_or_default()
    }

    /// The accounts whose partitions L1 holds, without asking L2; MSAL's
    /// `GetAccountsAsync` reads no distributed cache either. Sorted by id.
    pub fn l1_accounts(&self) -> Vec<Arc<Account>> {
        let partitions = self.l1_partitions();
        let mut accounts: Vec<_> = partitions
            .iter()
            .flat_map(|partition| partition.accounts().cloned())
            .collect();
        accounts.sort_by(|one, other| one.home_account_id.cmp(&other.home_account_id));
        accounts.dedup();
        accounts
    }

    /// All that L1 holds now, sorted by key, each with when it ends there and what
    /// it weighs. Takes time in proportion to their number, touches nothing and
    /// tells no listener. What an evicting L1 knows of uses is not in it.
    pub fn l1_contents(&self) -> Vec<L1Entry> {
        let now = self.clock().now();
        let l1 = self.inner.l1.as_ref();
        l1.map(|l1| l1.contents(now)).unwrap_or_default()
    }

    /// Puts into L1 what another one held, as if it had come in this order; what
    /// does not fit goes as it would have then. L2 and listeners hear nothing of
    /// it. Without L1 nothing happens.
    pub fn fill_l1(&self, entries: impl IntoIterator<Item = L1Entry>) {
        let Some(l1) = &self.inner.l1 else { return };
        let now = self.clock().now();
        for entry in entries {
            let L1Entry {
                key,
                partition,
                expires_at,
                payload_bytes,
            } = entry;
            l1.put(&key, partition, expires_at, payload_bytes, now);
        }
    }

    fn l1_partitions(&self) -> Vec<Arc<Partition>> {
        self.inner
            .l1
            .as_ref()
            .map(L1::partitions)
            .unwrap_or_default()
    }

    /// What L1 holds under `key` at `now`, touching nothing.
    pub fn peek_l1(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Arc<Partition>> {
        self.inner.peek_l1(key, now)
    }

    /// Reads `key` from L1 alone, at `now`; a hit touches L2 where the policy
    /// says so.
    pub async fn read_l1(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Cached> {
        self.inner.read_l1(key, now).await
    }

    /// Reads `key` from L2 alone and back-propagates what it finds to L1, unless
    /// a write came between: that one knows better.
    ///
    /// # Errors
    ///
    /// [`CacheError`] for an entry that cannot be read, where the policy makes
    /// that an error.
    pub async fn read_l2(&self, key: &PartitionKey) -> Result<Read, CacheError> {
        self.inner.read_l2(key).await
    }

    /// Reads `key` from L1, then L2.
    ///
    /// # Errors
    ///
    /// As [`TokenCache::read_l2`].
    pub async fn read(&self, key: &PartitionKey) -> Result<Read, CacheError> {
        self.inner.read(key).await
    }

    /// Changes that L2 does not have yet, because it failed when they were made
    /// or whoever made them was cancelled.
    pub fn unsaved_changes(&self) -> usize {
        self.inner.unsaved.len()
    }
}

impl Inner {
    fn new(options: TokenCacheOptions) -> Self {
        let policy = options.policy;
        let l1 = options.l1_size_limit_bytes.map(|limit| {
            let limit = match () {
                () if defect!(L1Unbounded) => limit.saturating_mul(1_000),
                () if defect!(L1Tiny) => 1_000,
                () => limit,
            };
            L1::new(limit, policy.l1_eviction)
        });
        Self {
            l1,
            expirations: Expirations::of(&options),
            policy,
            wall: Wall::new(options.clock),
            lanes: Lanes::new(options.lanes),
            unsaved: Unsaved::default(),
            shared: SharedAccessors::default(),
            flushing: AtomicBool::new(false),
            last_flushed: parking_lot::Mutex::new(None),
            events: Arc::clone(&options.events),
            l2: L2::of(options),
        }
    }

    fn clock(&self) -> Clock {
        self.wall.clock()
    }

    fn peek_l1(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Arc<Partition>> {
        let cached = self.l1.as_ref()?.get(key, now)?;
        Some(Arc::clone(cached.partition()))
    }

    /// Not timed: that would cost more than the operation.
    fn tell_l1(&self, operation: L2Operation, outcome: OperationOutcome) {
        self.events.operation(Operation {
            level: CacheLevel::L1,
            operation,
            outcome,
            took: None,
        });
    }

    async fn read_l1(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Cached> {
        let l1 = self.l1.as_ref()?;
        let cached = l1.get(key, now);
        let outcome = match cached {
            Some(_) => OperationOutcome::Hit,
            None => OperationOutcome::Miss,
        };
        self.tell_l1(L2Operation::Get, outcome);
        let cached = cached?;
        if defect!(L2ReadOnHit)
            && let Some(l2) = &self.l2
        {
            let _ = Box::pin(l2.get(&key.to_string())).await;
        }
        let touches = match self.policy.l2_touch {
            L2Touch::Always => true,
            L2Touch::OnlyIfSliding => self.expirations.sliding.is_some(),
            L2Touch::Never => false,
        };
        if touches && let Some(l2) = &self.l2 {
            // Boxed, or every hit would set its room aside.
            Box::pin(l2.refresh(&key.to_string())).await;
        }
        Some(cached)
    }

    async fn read_l2(self: &Arc<Self>, key: &PartitionKey) -> Result<Read, CacheError> {
        let Some(l2) = self.l2.as_ref().filter(|_| !defect!(L2NotRead)) else {
            return Ok(Read::NOTHING);
        };
        let version = self.lanes.of(key).settled();
        let found = l2.get(&key.to_string()).await;
        if !matches!(found, InL2::Unknown(_)) {
            self.flush_behind();
        }
        let (partition, payload_bytes) = match found {
            InL2::Found {
                partition, bytes, ..
            } => (Some(partition), bytes),
            InL2::Unreadable { error } => return Err(error),
            InL2::Nothing | InL2::Unknown(_) => (None, 0),
        };
        // What L2 missed is known here all the same.
        let unsaved = self.unsaved.changes(key);
        let partition = match (partition, unsaved.is_empty()) {
            (partition, true) => partition,
            (partition, false) => {
                let base = partition.unwrap_or_default();
                Some(Arc::new(unsaved::replay(&unsaved, &base)))
            }
        };
        let Some(partition) = partition else {
            return Ok(Read::NOTHING);
        };
        if let (Some(l1), Some(version)) = (&self.l1, version)
            && !defect!(NotBackPropagated)
        {
            // MSAL's adapter gives a back-propagated entry no expiry but the
            // configured one: the tokens in it carry theirs.
            let now = self.clock().now();
            let expires_at = self.expirations.of_back_propagated(now);
            self.lanes.of(key).if_still(version, || {
                l1.put(key, Arc::clone(&partition), expires_at, payload_bytes, now);
                self.tell_l1(L2Operation::Set, OperationOutcome::Ok);
            });
        }
        Ok(Read {
            partition: Some(partition),
            level: l2.level(),
        })
    }

    async fn read(self: &Arc<Self>, key: &PartitionKey) -> Result<Read, CacheError> {
        match self.read_l1(key.borrowed(), self.clock().now()).await {
            Some(cached) => Ok(Read {
                partition: Some(Arc::clone(cached.partition())),
                level: CacheLevel::L1,
            }),
            None => self.read_l2(key).await,
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("l1", &self.inner.l1)
            .field("l2", &self.inner.l2)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}
