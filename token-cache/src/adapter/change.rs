//! Changing a partition: in L1, and in L2 as the policy says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::l2::{Base, InL2, L2, Written};
use super::unsaved::{Change, LostOne, WasOverdue, replay};
use super::{Inner, TokenCache};
use crate::error::{CacheError, StoreErrorKind};
use crate::events::{L2Operation, OperationOutcome};
use crate::key::PartitionKey;
use crate::partition::Partition;
use crate::policy::{Accessor, L2Conflict, L2Write, StaleL1};

/// So many writers in a row may come between before a change is put off.
const CONFLICTS: usize = 32;

/// So many partitions that L2 does not take end a flush that nobody asked for. The
/// next one goes on behind them.
const FAILURES_IN_A_FLUSH: usize = 4;

/// A changed partition.
#[derive(Debug)]
pub struct Updated {
    /// As it is now.
    pub partition: Arc<Partition>,
    /// Its way to L2, where the policy does not make callers wait for it.
    pub l2_write: Option<PendingWrite>,
}

/// A write to L2 that nobody waits for. Dropping this lets it go on.
#[derive(Debug)]
pub struct PendingWrite(JoinHandle<()>);

impl PendingWrite {
    /// Stops it where it is, as MSAL.NET does when the request is cancelled
    /// whose token it writes. In `recommended` the change is made later.
    pub fn cancel(self) {
        self.0.abort();
    }

    /// Waits for its end.
    pub async fn ended(self) {
        // Cancelled is ended too.
        let _ = self.0.await;
    }
}

impl TokenCache {
    /// Reads, changes and writes the partition under `key`. Changes to one
    /// partition take turns in this cache; between instances they are merged or
    /// the last writer wins, as the policy and the store have it. `change` can
    /// be called several times and says what to do with what it finds.
    ///
    /// # Errors
    ///
    /// [`CacheError`] for an entry that cannot be read, where the policy makes
    /// that an error.
    pub async fn update(
        &self,
        key: &PartitionKey,
        change: impl Fn(&Partition) -> Partition + Send + Sync + 'static,
    ) -> Result<Updated, CacheError> {
        let inner = &self.inner;
        let update = async {
            match inner.policy.l2_conflict {
                L2Conflict::Merge => Ok(inner.merge(key, Arc::new(change)).await),
                L2Conflict::LastWriterWins => inner.overwrite(key, change).await,
            }
        };
        match inner.policy.accessor {
            Accessor::Snapshot => update.await,
            Accessor::Shared => inner.shared.change(key, update).await,
        }
    }

    /// Removes the partition under `key` from both layers.
    pub async fn remove(&self, key: &PartitionKey) {
        let inner = &self.inner;
        let lane = inner.lanes.of(key);
        let _turn = lane.turn.lock().await;
        let merges = inner.policy.l2_conflict == L2Conflict::Merge && inner.l2.is_some();
        let trying =
            merges.then(|| inner.note(key, Arc::new(|_: &Partition| Partition::default())));
        let mark = inner.unsaved.mark();
        let writing = lane.begin_write();
        writing.change_l1(|| inner.remove_l1(key));
        let Some(l2) = &inner.l2 else { return };
        let written = l2.remove(&key.to_string()).await;
        if let (Some(trying), Written::Done) = (trying, written) {
            trying.succeeded(mark);
            inner.flush_behind();
        }
    }

    /// Tries to bring to L2 what it has missed, and says how many changes are
    /// still to be brought there. Also done by itself once L2 answers again: a
    /// read, a change or a removal that it took is followed by those it missed.
    pub async fn flush(&self) -> usize {
        self.inner.flush(usize::MAX).await;
        self.unsaved_changes()
    }
}

/// Notes that L2 did not take a partition's changes, unless told otherwise:
/// also when the future that tried is dropped, or never had its turn.
struct Trying {
    inner: Arc<Inner>,
    key: PartitionKey,
    open: bool,
}

impl Trying {
    fn new(inner: &Arc<Inner>, key: &PartitionKey) -> Self {
        Self {
            inner: Arc::clone(inner),
            key: key.clone(),
            open: true,
        }
    }

    fn succeeded(mut self, mark: u64) {
        self.open = false;
        let WasOverdue(overdue) = self.inner.unsaved.settled(&self.key, mark);
        if overdue {
            self.inner.events.l2_write_settled();
        }
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if self.open {
            self.inner.unsaved.failed(&self.key);
            self.inner.events.l2_write_deferred();
        }
    }
}

/// How it ended to bring a partition's changes to L2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// L2 has them.
    Done,
    /// L2 did not take these; it may take others.
    NotThese,
    /// L2 does not answer.
    NoAnswer,
}

impl Settled {
    fn failed(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::Failed => Self::NotThese,
            StoreErrorKind::TimedOut | StoreErrorKind::NotAsked => Self::NoAnswer,
        }
    }
}

impl Inner {
    /// `recommended`: the change is noted, made in L1, and made in L2 on
    /// whatever is there.
    async fn merge(self: &Arc<Self>, key: &PartitionKey, change: Change) -> Updated {
        let Some(l2) = &self.l2 else {
            let _turn = self.lanes.of(key).turn.lock().await;
            let base = self.peek_l1(key.borrowed(), self.clock().now());
            let next = Arc::new(change(&base.unwrap_or_default()));
            let writing = self.lanes.of(key).begin_write();
            writing.change_l1(|| self.put_l1(key, &next, None));
            return Updated {
                partition: next,
                l2_write: None,
            };
        };
        let trying = self.note(key, Arc::clone(&change));
        let detached = self.policy.l2_write == L2Write::Detached && self.l1.is_some();
        if !detached {
            let turn = self.lanes.of(key).turn.lock().await;
            let (partition, settled) = self.settle(l2, trying).await;
            drop(turn);
            if settled == Settled::Done {
                self.flush_behind();
            }
            return Updated {
                partition,
                l2_write: None,
            };
        }
        let turn = self.lanes.of(key).turn.lock().await;
        let base = match self.peek_l1(key.borrowed(), self.clock().now()) {
            Some(partition) => partition,
            None => match l2.get(&key.to_string()).await {
                InL2::Found { partition, .. } => partition,
                InL2::Nothing | InL2::Unknown(_) | InL2::Unreadable { .. } => Arc::default(),
            },
        };
        let next = Arc::new(change(&base));
        let writing = self.lanes.of(key).begin_write();
        writing.change_l1(|| self.put_l1(key, &next, None));
        drop(writing);
        drop(turn);
        let (inner, key) = (Arc::clone(self), key.clone());
        let task = tokio::spawn(async move {
            let Some(l2) = &inner.l2 else { return };
            let turn = inner.lanes.of(&key).turn.lock().await;
            let (_, settled) = inner.settle(l2, trying).await;
            drop(turn);
            if settled == Settled::Done {
                inner.flush_behind();
            }
        });
        Updated {
            partition: next,
            l2_write: Some(PendingWrite(task)),
        }
    }

    /// Notes a change before the first await, so that whoever is dropped from
    /// here on leaves it to others.
    fn note(self: &Arc<Self>, key: &PartitionKey, change: Change) -> Trying {
        let LostOne(lost) = self.unsaved.add(key, change, self.clock().now());
        if lost {
            self.events.l2_write_lost();
        }
        Trying::new(self, key)
    }

    /// Makes a partition's unsaved changes on what L2 has, and puts the result
    /// into both layers. Where L2 does not answer, L1 is what they are made on,
    /// and they stay noted. The caller has the lane's turn.
    async fn settle(&self, l2: &L2, trying: Trying) -> (Arc<Partition>, Settled) {
        let key = &trying.key.clone();
        let text = key.to_string();
        let writing = self.lanes.of(key).begin_write();
        let mut next = Arc::default();
        for _ in 0..CONFLICTS {
            let Base { found, version } = l2.get_to_change(&text).await;
            let unknown = match found {
                InL2::Unknown(kind) => Some(Settled::failed(kind)),
                _ => None,
            };
            let base = match found {
                InL2::Found { partition, .. } => Some(partition),
                // With L2 empty or down, L1 is better than nothing.
                InL2::Nothing | InL2::Unknown(_) => {
                    self.peek_l1(key.borrowed(), self.clock().now())
                }
                InL2::Unreadable { .. } => None,
            };
            let mark = self.unsaved.mark();
            next = Arc::new(replay(
                &self.unsaved.changes(key),
                &base.unwrap_or_default(),
            ));
            let blob = l2.encode(&text, &next);
            let payload_bytes = blob.as_ref().ok().map(Bytes::len);
            writing.change_l1(|| self.put_l1(key, &next, payload_bytes));
            let blob = match (unknown, blob) {
                (None, Ok(blob)) => blob,
                (unknown, _) => return (next, unknown.unwrap_or(Settled::NotThese)),
            };
            let now = self.clock().now();
            let written = if next.has_tokens(now) {
                let suggested = next.suggested_expiry(now);
                let expiration = self.expirations.of_written_l2(suggested, now);
                l2.set_on(&text, version.as_ref(), blob, expiration).await
            } else {
                l2.remove_on(&text, version.as_ref()).await
            };
            match written {
                Written::Done => {
                    trying.succeeded(mark);
                    return (next, Settled::Done);
                }
                Written::Failed(kind) => return (next, Settled::failed(kind)),
                Written::Conflict => {}
            }
        }
        (next, Settled::NotThese)
    }

    /// `msal_net`: reads, changes and writes, whatever others did meanwhile.
    async fn overwrite(
        self: &Arc<Self>,
        key: &PartitionKey,
        change: impl Fn(&Partition) -> Partition + Send,
    ) -> Result<Updated, CacheError> {
        let turn = self.lanes.of(key).turn.lock().await;
        let base = self.read_to_overwrite(key).await?.unwrap_or_default();
        let next = Arc::new(change(&base));
        let blob = self
            .l2
            .as_ref()
            .map(|l2| l2.encode(&key.to_string(), &next));
        let payload_bytes = match &blob {
            Some(Ok(blob)) => Some(blob.len()),
            _ => None,
        };
        let writing = self.lanes.of(key).begin_write();
        writing.change_l1(|| self.put_l1(key, &next, payload_bytes));
        let mut l2_write = None;
        if let Some(Ok(blob)) = blob {
            if self.policy.l2_write == L2Write::Detached && self.l1.is_some() {
                let (inner, key, next) = (Arc::clone(self), key.clone(), Arc::clone(&next));
                l2_write = Some(PendingWrite(tokio::spawn(async move {
                    inner.write_l2(&key, &next, blob).await;
                })));
            } else {
                self.write_l2(key, &next, blob).await;
            }
        }
        drop(writing);
        drop(turn);
        Ok(Updated {
            partition: next,
            l2_write,
        })
    }

    /// The partition to base a change on, as the policy reads stale L1 entries.
    async fn read_to_overwrite(
        self: &Arc<Self>,
        key: &PartitionKey,
    ) -> Result<Option<Arc<Partition>>, CacheError> {
        match self.policy.stale_l1 {
            StaleL1::AskIdentityProvider => Ok(self.read(key).await?.partition),
            StaleL1::AskL2 => match self.read_l2(key).await?.partition {
                Some(partition) => Ok(Some(partition)),
                None => Ok(self.peek_l1(key.borrowed(), self.clock().now())),
            },
        }
    }

    async fn write_l2(&self, key: &PartitionKey, partition: &Partition, blob: Bytes) {
        let Some(l2) = &self.l2 else { return };
        let now = self.clock().now();
        let text = key.to_string();
        // A failure has been told; whoever reads L2 misses.
        let _ = if partition.has_tokens(now) {
            let suggested = partition.suggested_expiry(now);
            let expiration = self.expirations.of_written_l2(suggested, now);
            l2.set(&text, blob, expiration).await
        } else {
            l2.remove(&text).await
        };
    }

    /// A partition without usable tokens is not kept.
    fn put_l1(&self, key: &PartitionKey, partition: &Arc<Partition>, payload: Option<usize>) {
        let Some(l1) = self.l1.as_ref().filter(|_| !defect!(L1NotWritten)) else {
            return;
        };
        let now = self.clock().now();
        if !partition.has_tokens(now) {
            return self.remove_l1(key);
        }
        let suggested = partition.suggested_expiry(now);
        let expires_at = self.expirations.of_written_l1(suggested, now);
        let payload = payload.unwrap_or_else(|| partition.size_bytes());
        l1.put(key, Arc::clone(partition), expires_at, payload, now);
        self.tell_l1(L2Operation::Set, OperationOutcome::Ok);
    }

    fn remove_l1(&self, key: &PartitionKey) {
        let Some(l1) = &self.l1 else { return };
        l1.remove(key);
        self.tell_l1(L2Operation::Remove, OperationOutcome::Ok);
    }

    /// Brings overdue changes to L2, until it does not answer or has not taken
    /// those of `most` partitions.
    async fn flush(self: &Arc<Self>, most: usize) {
        let Some(l2) = &self.l2 else { return };
        let last = self.last_flushed.lock().clone();
        let mut failures = 0;
        for key in self.unsaved.overdue(last.as_ref()) {
            let turn = self.lanes.of(&key).turn.lock().await;
            if self.unsaved.changes(&key).is_empty() {
                continue;
            }
            let (_, settled) = self.settle(l2, Trying::new(self, &key)).await;
            drop(turn);
            *self.last_flushed.lock() = Some(key);
            failures += usize::from(settled == Settled::NotThese);
            if settled == Settled::NoAnswer || failures >= most {
                break;
            }
        }
    }

    /// [`Inner::flush`] behind the caller's back, if there is need and nobody
    /// does it already. For whoever has just seen L2 answer.
    pub(super) fn flush_behind(self: &Arc<Self>) {
        if !self.unsaved.is_overdue() || self.flushing.swap(true, Ordering::SeqCst) {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let done = Flushed(&inner.flushing);
            inner.flush(FAILURES_IN_A_FLUSH).await;
            drop(done);
        });
    }
}

/// Ends a flush, in whatever way.
struct Flushed<'a>(&'a AtomicBool);

impl Drop for Flushed<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
