//! L2 as the cache sees it: partitions in and out of a store, sealed, guarded
//! and tried again as the policy says, with every failure told and none passed
//! on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::CacheLevel;
use super::guard::{Guard, Pass};
use super::options::{OnL2Failure, TokenCacheOptions};
use crate::error::{CacheError, StoreError, StoreErrorKind};
use crate::events::{BlobDirection, CacheEvents, L2Operation, Operation, OperationOutcome};
use crate::partition::Partition;
use crate::policy::{L2Conflict, L2Failure, Plaintext, Unreadable};
use crate::schema::{self, ReadOptions};
use crate::seal::Sealing;
use crate::store::{Expiration, Store, StoreFuture, Swap, Version, Versioned};

pub(super) struct L2 {
    store: Arc<dyn Store>,
    sealing: Option<Arc<dyn Sealing>>,
    schema: ReadOptions,
    on_failure: Option<OnL2Failure>,
    failure: L2Failure,
    unreadable: Unreadable,
    plaintext: Plaintext,
    conditional: bool,
    guard: Guard,
    events: Arc<dyn CacheEvents>,
}

/// What L2 has under a key.
#[derive(Debug)]
pub(super) enum InL2 {
    /// The operation failed: who knows.
    Unknown(StoreErrorKind),
    /// Nothing, or what counts as nothing.
    Nothing,
    /// A blob that cannot be read; an error where the policy says so, else to
    /// be replaced.
    Unreadable { error: CacheError },
    /// A partition.
    Found {
        partition: Arc<Partition>,
        bytes: usize,
    },
}

/// What L2 has under a key, to be changed.
pub(super) struct Base {
    pub(super) found: InL2,
    /// The state it is in, where the store tells.
    pub(super) version: Option<Version>,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// Another writer came between.
    Conflict,
    /// It may or may not have happened.
    Failed(StoreErrorKind),
}

impl L2 {
    pub(super) fn of(options: TokenCacheOptions) -> Option<Self> {
        let policy = options.policy;
        Some(Self {
            store: options.l2?,
            sealing: options.sealing,
            schema: options.schema,
            on_failure: options.on_l2_failure,
            failure: policy.l2_failure,
            unreadable: policy.unreadable,
            plaintext: policy.plaintext,
            conditional: policy.l2_conflict == L2Conflict::Merge,
            guard: Guard::new(policy.l2_guard),
            events: options.events,
        })
    }

    pub(super) fn level(&self) -> CacheLevel {
        self.store.level()
    }

    pub(super) async fn get(&self, key: &str) -> InL2 {
        let get = || self.store.get(key);
        match self
            .attempt(L2Operation::Get, get, |found| hit_or_miss(found.is_some()))
            .await
        {
            Ok(Some(blob)) => self.read(key, &blob),
            Ok(None) => InL2::Nothing,
            Err(error) => InL2::Unknown(error.kind),
        }
    }

    /// Reads what is to be changed, with its version where the store has
    /// conditional changes.
    pub(super) async fn get_to_change(&self, key: &str) -> Base {
        let Some(cas) = self.store.compare_and_set().filter(|_| self.conditional) else {
            return Base {
                found: self.get(key).await,
                version: None,
            };
        };
        let get = || cas.get_versioned(key);
        match self
            .attempt(L2Operation::Get, get, |found| hit_or_miss(found.is_some()))
            .await
        {
            Ok(Some(Versioned { blob, version })) => Base {
                found: self.read(key, &blob),
                version: Some(version),
            },
            Ok(None) => Base {
                found: InL2::Nothing,
                version: None,
            },
            Err(error) => Base {
                found: InL2::Unknown(error.kind),
                version: None,
            },
        }
    }

    fn read(&self, key: &str, blob: &Bytes) -> InL2 {
        self.events.blob(BlobDirection::Read, blob.len());
        match self.decode(key, blob) {
            Ok(partition) => InL2::Found {
                partition: Arc::new(partition),
                bytes: blob.len(),
            },
            Err(error) => {
                self.events.undecodable(&error);
                match self.unreadable {
                    Unreadable::Miss if defect!(UndecryptableIsError) => InL2::Unreadable { error },
                    Unreadable::Miss => InL2::Nothing,
                    Unreadable::Error => InL2::Unreadable { error },
                }
            }
        }
    }

    /// A blob that cannot be opened may have been written before encryption
    /// was turned on, or by somebody who has no key: the policy decides.
    fn decode(&self, key: &str, blob: &Bytes) -> Result<Partition, CacheError> {
        let Some(sealing) = &self.sealing else {
            return schema::read_with(blob, self.schema);
        };
        match (sealing.open(key, blob), self.plaintext) {
            (Ok(plain), _) => schema::read_with(&plain, self.schema),
            (Err(reason), Plaintext::Refused) => Err(CacheError::Undecryptable { reason }),
            (Err(reason), Plaintext::Accepted) => schema::read_with(blob, self.schema)
                .map_err(|_| CacheError::Undecryptable { reason }),
        }
    }

    /// A partition as it will lie under `key`.
    pub(super) fn encode(&self, key: &str, partition: &Partition) -> Result<Bytes, StoreError> {
        let blob = schema::write(partition);
        match self.sealing.as_ref().filter(|_| !defect!(NotEncrypted)) {
            None => Ok(blob.into()),
            Some(sealing) => match sealing.seal(key, &blob) {
                Ok(sealed) => Ok(sealed.into()),
                Err(reason) => {
                    let error = StoreError::new(format!("the entry cannot be sealed: {reason}"));
                    self.events.l2_failed(L2Operation::Set, &error);
                    Err(error)
                }
            },
        }
    }

    pub(super) async fn set(&self, key: &str, blob: Bytes, expiration: Expiration) -> Written {
        self.events.blob(BlobDirection::Write, blob.len());
        let set = || self.store.set(key, blob.clone(), expiration);
        let set = self.attempt(L2Operation::Set, set, |()| OperationOutcome::Ok);
        set.await.into()
    }

    /// Sets on condition that L2 is as `base` says, where the store can.
    pub(super) async fn set_on(
        &self,
        key: &str,
        version: Option<&Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> Written {
        if defect!(L2NotWritten) {
            return Written::Done;
        }
        if defect!(L2WrittenTwice) {
            let _ = self.store.set(key, blob.clone(), expiration).await;
            return self.set(key, blob, expiration).await;
        }
        let Some(cas) = self.store.compare_and_set().filter(|_| self.conditional) else {
            return self.set(key, blob, expiration).await;
        };
        self.events.blob(BlobDirection::Write, blob.len());
        let set = || cas.set_if(key, version, blob.clone(), expiration);
        let set = self.attempt(L2Operation::Set, set, |swap| outcome_of_swap(*swap));
        set.await.into()
    }

    pub(super) async fn remove(&self, key: &str) -> Written {
        let remove = || self.store.remove(key);
        let remove = self.attempt(L2Operation::Remove, remove, |()| OperationOutcome::Ok);
        remove.await.into()
    }

    /// Removes on condition that L2 is as `version` says, where the store can.
    pub(super) async fn remove_on(&self, key: &str, version: Option<&Version>) -> Written {
        let cas = self.store.compare_and_set().filter(|_| self.conditional);
        match (cas, version) {
            (Some(cas), Some(version)) => {
                let remove = || cas.remove_if(key, version);
                let operation = L2Operation::Remove;
                let remove = self.attempt(operation, remove, |swap| outcome_of_swap(*swap));
                remove.await.into()
            }
            // Nothing is there.
            (Some(_), None) => Written::Done,
            (None, _) => self.remove(key).await,
        }
    }

    pub(super) async fn refresh(&self, key: &str) {
        let refresh = || self.store.refresh(key);
        let refresh = self.attempt(L2Operation::Refresh, refresh, |()| OperationOutcome::Ok);
        // A failure has been told; the next hit touches again.
        let _ = refresh.await;
    }

    /// Does an operation, and once more if the handler or the policy wants it.
    async fn attempt<'a, T>(
        &self,
        operation: L2Operation,
        work: impl Fn() -> StoreFuture<'a, T>,
        outcome: impl Fn(&T) -> OperationOutcome,
    ) -> Result<T, StoreError> {
        let first = self.once(operation, &work, &outcome).await;
        let Err(error) = first else { return first };
        let again = match &self.on_failure {
            Some(handler) => handler(&error),
            None => self.failure == L2Failure::RetryOnce && error.kind == StoreErrorKind::Failed,
        };
        if !again {
            return Err(error);
        }
        let second = self.once(operation, &work, &outcome).await;
        if let (Err(error), Some(handler)) = (&second, &self.on_failure) {
            // Microsoft.Identity.Web asks here too, and does nothing with it.
            let _ = handler(error);
        }
        second
    }

    async fn once<'a, T>(
        &self,
        operation: L2Operation,
        work: impl Fn() -> StoreFuture<'a, T>,
        outcome: impl Fn(&T) -> OperationOutcome,
    ) -> Result<T, StoreError> {
        let limit = match self.guard.pass() {
            Pass::Ask(limit) => limit,
            Pass::Refused => {
                let error = StoreError::not_asked();
                self.events.l2_failed(operation, &error);
                return Err(error);
            }
        };
        let began = Instant::now();
        let result = match limit {
            None => work().await,
            Some(limit) => tokio::time::timeout(limit, work())
                .await
                .unwrap_or_else(|_| Err(StoreError::timed_out(limit))),
        };
        let outcome = match &result {
            Ok(answer) => outcome(answer),
            Err(error) if error.kind == StoreErrorKind::TimedOut => OperationOutcome::Timeout,
            Err(_) => OperationOutcome::Error,
        };
        self.events.operation(Operation {
            level: CacheLevel::L2,
            operation,
            outcome,
            took: Some(began.elapsed()),
        });
        if let Err(error) = &result {
            self.events.l2_failed(operation, error);
        }
        if let Some(rests) = self.guard.note(result.is_ok()) {
            self.events.l2_rests(rests);
        }
        result
    }
}

fn hit_or_miss(found: bool) -> OperationOutcome {
    if found {
        OperationOutcome::Hit
    } else {
        OperationOutcome::Miss
    }
}

fn outcome_of_swap(swap: Swap) -> OperationOutcome {
    match swap {
        Swap::Done => OperationOutcome::Ok,
        Swap::Conflict => OperationOutcome::Conflict,
    }
}

impl From<Result<(), StoreError>> for Written {
    fn from(result: Result<(), StoreError>) -> Self {
        result.map(|()| Swap::Done).into()
    }
}

impl From<Result<Swap, StoreError>> for Written {
    fn from(result: Result<Swap, StoreError>) -> Self {
        match result {
            Ok(Swap::Done) => Self::Done,
            Ok(Swap::Conflict) => Self::Conflict,
            Err(error) => Self::Failed(error.kind),
        }
    }
}

impl fmt::Debug for L2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L2")
            .field("store", &self.store)
            .field("sealing", &self.sealing)
            .finish_non_exhaustive()
    }
}
