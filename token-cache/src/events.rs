//! What the cache tells whoever listens, as it happens. Together with
//! [`L1Stats`](crate::l1::L1Stats) and [`KindSizes`](crate::l1::KindSizes) it is
//! all that a metrics page about a token cache needs.

use std::time::Duration;

use crate::adapter::CacheLevel;
use crate::error::{CacheError, StoreError};

/// What is asked of a cache level; [`L2Operation::Refresh`] of L2 alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum L2Operation {
    /// Read an entry.
    Get,
    /// Write an entry.
    Set,
    /// Extend a sliding expiration.
    Refresh,
    /// Remove an entry.
    Remove,
}

impl L2Operation {
    /// The word in reports, metric labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Refresh => "refresh",
            Self::Remove => "remove",
        }
    }
}

/// How an operation on a cache level ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationOutcome {
    /// A read that found something.
    Hit,
    /// A read that found nothing.
    Miss,
    /// Done.
    Ok,
    /// Failed.
    Error,
    /// Took too long.
    Timeout,
    /// A conditional change that another writer made needless to try; it is
    /// tried again.
    Conflict,
}

impl OperationOutcome {
    /// The word in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
        }
    }
}

/// An operation on a cache level, when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// [`CacheLevel::L1`] or [`CacheLevel::L2`].
    pub level: CacheLevel,
    /// What was asked.
    pub operation: L2Operation,
    /// How it ended.
    pub outcome: OperationOutcome,
    /// How long it took; `None` in L1, where measuring would cost more than
    /// the operation.
    pub took: Option<Duration>,
}

/// Which way a blob went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlobDirection {
    /// From L2.
    Read,
    /// To L2.
    Write,
}

impl BlobDirection {
    /// The word in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A listener. Every method does nothing by default. Called on the path of a
/// request: it must be quick.
pub trait CacheEvents: Send + Sync {
    /// An operation on a cache level ended.
    fn operation(&self, operation: Operation) {
        let _ = operation;
    }

    /// A blob of this many bytes came from L2 or goes there.
    fn blob(&self, direction: BlobDirection, bytes: usize) {
        let _ = (direction, bytes);
    }

    /// An L2 operation failed; the request went on without it.
    fn l2_failed(&self, operation: L2Operation, error: &StoreError) {
        let _ = (operation, error);
    }

    /// L2 is left alone for a while from now on (`true`), or asked again.
    fn l2_rests(&self, rests: bool) {
        let _ = rests;
    }

    /// A change did not reach L2 and will be made there later.
    fn l2_write_deferred(&self) {}

    /// Deferred changes of a partition have reached L2.
    fn l2_write_settled(&self) {}

    /// A deferred change is given up: there were too many (1 024 of one partition,
    /// 65 536 in all), and it was the oldest. L2 never has it.
    fn l2_write_lost(&self) {}

    /// A blob from L2 could not be read and counts as a miss.
    fn undecodable(&self, error: &CacheError) {
        let _ = error;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl CacheEvents for NoEvents {}
