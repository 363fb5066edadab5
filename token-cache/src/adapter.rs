//! L1 over L2: the two layers as one cache of partitions.
//!
//! Reading asks L1, then L2, and puts what L2 had into L1 (*back-propagation*).
//! Writing goes to both. A failing L2 is a miss or a lost write, never an error
//! of the request: that is what Microsoft.Identity.Web does, whatever its
//! documents say.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::events::{CacheEvents, L2Operation, NoEvents};
use crate::key::{PartitionKey, PartitionKeyRef};
use crate::l1::{L1, L1Stats};
use crate::partition::Partition;
use crate::policy::{L2Touch, Policy, StaleL1};
use crate::schema;
use crate::store::{Expiration, Store, StoreFuture};

/// Writers of one partition take turns in its lane; with this many, those of
/// different partitions seldom share one.
const LANES: usize = 1_024;

/// A cache of partitions: L1, L2, both, or neither.
pub struct TokenCache {
    l1: Option<L1>,
    l2: Option<Arc<dyn Store>>,
    l2_sliding: Option<Duration>,
    policy: Policy,
    clock: Clock,
    events: Arc<dyn CacheEvents>,
    lanes: Box<[Lane]>,
}

/// Keeps what happens to a partition in order.
#[derive(Default)]
struct Lane {
    /// Held from reading a partition to having written it.
    turn: Mutex<()>,
    /// Rises when a write begins and when it ends, so it is odd meanwhile. A
    /// blob that was read from L2 while it changed is too old to put into L1.
    version: parking_lot::Mutex<u64>,
}

/// A write under way; the lane's version rises again when it ends, even if its
/// future is dropped.
struct Writing<'a>(&'a Lane);

impl Lane {
    fn begin_write(&self, change_l1: impl FnOnce()) -> Writing<'_> {
        let mut version = self.version.lock();
        *version += 1;
        change_l1();
        Writing(self)
    }

    /// The version, if no write is under way.
    fn settled(&self) -> Option<u64> {
        Some(*self.version.lock()).filter(|version| version.is_multiple_of(2))
    }

    /// Changes L1 if no write has begun since `version` was read.
    fn if_still(&self, version: u64, change_l1: impl FnOnce()) {
        let current = self.version.lock();
        if *current == version {
            change_l1();
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        *self.0.version.lock() += 1;
    }
}

/// How a cache is set up.
pub struct TokenCacheOptions {
    /// Bytes L1 may hold; `None` disables L1.
    pub l1_size_limit_bytes: Option<u64>,
    /// The shared store; `None` for a cache in memory only.
    pub l2: Option<Arc<dyn Store>>,
    /// L2 entries not used for this long go.
    pub l2_sliding_expiration: Option<Duration>,
    /// What to do where implementations differ.
    pub policy: Policy,
    /// What time it is.
    pub clock: Clock,
    /// Who listens.
    pub events: Arc<dyn CacheEvents>,
}

impl Default for TokenCacheOptions {
    /// 500 MB of L1, no L2, the recommended policy, the system's time.
    fn default() -> Self {
        Self {
            l1_size_limit_bytes: Some(500_000_000),
            l2: None,
            l2_sliding_expiration: None,
            policy: Policy::RECOMMENDED,
            clock: Clock::system(),
            events: Arc::new(NoEvents),
        }
    }
}

/// Where an answer came from; MSAL's `CacheLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheLevel {
    /// From no cache.
    None,
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
    /// An empty cache over `options.l2`.
    pub fn new(options: TokenCacheOptions) -> Self {
        Self {
            l1: options.l1_size_limit_bytes.map(L1::new),
            l2: options.l2,
            l2_sliding: options.l2_sliding_expiration,
            policy: options.policy,
            clock: options.clock,
            events: options.events,
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
        }
    }

    /// How it behaves.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The clock it judges by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What L1 holds; `None` without L1.
    pub fn l1_stats(&self) -> Option<L1Stats> {
        self.l1.as_ref().map(L1::stats)
    }

    /// What L1 holds under `key` at `now`, touching nothing.
    pub fn peek_l1(&self, key: PartitionKeyRef<'_>, now: Timestamp) -> Option<Arc<Partition>> {
        self.l1.as_ref()?.get(key, now)
    }

    /// Reads `key` from L1 alone, at `now`; a hit touches L2 where the policy
    /// says so.
    pub async fn read_l1(
        &self,
        key: PartitionKeyRef<'_>,
        now: Timestamp,
    ) -> Option<Arc<Partition>> {
        let partition = self.peek_l1(key, now)?;
        let touches = match self.policy.l2_touch {
            L2Touch::Always => true,
            L2Touch::OnlyIfSliding => self.l2_sliding.is_some(),
            L2Touch::Never => false,
        };
        if touches && let Some(l2) = &self.l2 {
            self.attempt(L2Operation::Refresh, l2.refresh(&key.to_string()))
                .await;
        }
        Some(partition)
    }

    /// Reads `key` from L2 alone and back-propagates what it finds to L1, unless
    /// a write came between: that one knows better.
    pub async fn read_l2(&self, key: &PartitionKey) -> Read {
        let lane = self.lane(key);
        let version = lane.settled();
        let Some(partition) = self.fetch_l2(key).await else {
            return Read::NOTHING;
        };
        if let (Some(l1), Some(version)) = (&self.l1, version) {
            // MSAL's adapter gives a back-propagated entry no expiry: the
            // tokens in it carry theirs.
            let put = || l1.put(key.clone(), Arc::clone(&partition), None);
            lane.if_still(version, put);
        }
        Read {
            partition: Some(partition),
            level: CacheLevel::L2,
        }
    }

    /// Reads `key` from L1, then L2.
    pub async fn read(&self, key: &PartitionKey) -> Read {
        match self.read_l1(key.borrowed(), self.clock.now()).await {
            Some(partition) => Read {
                partition: Some(partition),
                level: CacheLevel::L1,
            },
            None => self.read_l2(key).await,
        }
    }

    /// Reads, changes and writes the partition under `key`. Changes to one
    /// partition take turns in this cache; between instances the last writer
    /// wins, as there is no lock on the store.
    pub async fn update(
        &self,
        key: &PartitionKey,
        change: impl FnOnce(&Partition) -> Partition + Send,
    ) -> Arc<Partition> {
        let _turn = self.lane(key).turn.lock().await;
        let current = self.read_to_change(key).await.unwrap_or_default();
        let next = Arc::new(change(&current));
        self.write(key, &next).await;
        next
    }

    /// The partition to base a change on. Where L2 is asked about stale L1
    /// entries it is asked here too, so that a write does not undo what another
    /// instance wrote; with L2 empty or down, L1 is better than nothing.
    async fn read_to_change(&self, key: &PartitionKey) -> Option<Arc<Partition>> {
        match self.policy.stale_l1 {
            StaleL1::AskIdentityProvider => self.read(key).await.partition,
            StaleL1::AskL2 => match self.fetch_l2(key).await {
                Some(partition) => Some(partition),
                None => self.peek_l1(key.borrowed(), self.clock.now()),
            },
        }
    }

    async fn fetch_l2(&self, key: &PartitionKey) -> Option<Arc<Partition>> {
        let l2 = self.l2.as_ref()?;
        let blob = self
            .attempt(L2Operation::Get, l2.get(&key.to_string()))
            .await??;
        match schema::read(&blob) {
            Ok(partition) => Some(Arc::new(partition)),
            Err(error) => {
                self.events.undecodable(&error);
                None
            }
        }
    }

    /// Puts `partition` under `key` in both layers; one without usable tokens
    /// is removed instead.
    async fn write(&self, key: &PartitionKey, partition: &Arc<Partition>) {
        let now = self.clock.now();
        if !partition.has_tokens(now) {
            return self.clear(key).await;
        }
        let expires_at = partition.suggested_expiry(now);
        let _writing = self.lane(key).begin_write(|| {
            if let Some(l1) = &self.l1 {
                l1.put(key.clone(), Arc::clone(partition), expires_at);
            }
        });
        if let Some(l2) = &self.l2 {
            let blob = Bytes::from(schema::write(partition));
            let expiration = Expiration {
                absolute: expires_at,
                sliding: self.l2_sliding,
            };
            self.attempt(L2Operation::Set, l2.set(&key.to_string(), blob, expiration))
                .await;
        }
    }

    /// Removes the partition under `key` from both layers.
    pub async fn remove(&self, key: &PartitionKey) {
        let _turn = self.lane(key).turn.lock().await;
        self.clear(key).await;
    }

    async fn clear(&self, key: &PartitionKey) {
        let _writing = self.lane(key).begin_write(|| {
            if let Some(l1) = &self.l1 {
                l1.remove(key);
            }
        });
        if let Some(l2) = &self.l2 {
            self.attempt(L2Operation::Remove, l2.remove(&key.to_string()))
                .await;
        }
    }

    fn lane(&self, key: &PartitionKey) -> &Lane {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let hash = hasher.hash_one(key) % LANES as u64;
        &self.lanes[usize::try_from(hash).unwrap_or(0)]
    }

    /// Waits for an L2 operation; a failure is told and swallowed.
    async fn attempt<T>(&self, operation: L2Operation, work: StoreFuture<'_, T>) -> Option<T> {
        match work.await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.events.l2_failed(operation, &error);
                None
            }
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("l1", &self.l1)
            .field("l2", &self.l2)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
