//! Keeps what happens to a partition in order.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use tokio::sync::Mutex;

use crate::key::PartitionKey;

/// Writers of one partition take turns in its lane; with this many, those of
/// different partitions seldom share one.
pub(super) const LANES: usize = 1_024;

pub(super) struct Lanes(Box<[Lane]>);

impl Lanes {
    /// So many, at least one.
    pub(super) fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Lane::default()).collect())
    }

    pub(super) fn of(&self, key: &PartitionKey) -> &Lane {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let hash = hasher.hash_one(key) % self.0.len() as u64;
        &self.0[usize::try_from(hash).unwrap_or(0)]
    }
}

#[derive(Default)]
pub(super) struct Lane {
    /// Held from reading a partition to having written it.
    pub(super) turn: Mutex<()>,
    /// Rises when a write begins and when it ends, so it is odd meanwhile. A
    /// blob that was read from L2 while it changed is too old to put into L1.
    version: parking_lot::Mutex<u64>,
}

/// A write under way; the lane's version rises again when it ends, even if its
/// future is dropped.
pub(super) struct Writing<'a>(&'a Lane);

impl Lane {
    pub(super) fn begin_write(&self) -> Writing<'_> {
        *self.version.lock() += 1;
        Writing(self)
    }

    /// The version, if no write is under way.
    pub(super) fn settled(&self) -> Option<u64> {
        Some(*self.version.lock()).filter(|version| version.is_multiple_of(2))
    }

    /// Changes L1 if no write has begun since `version` was read.
    pub(super) fn if_still(&self, version: u64, change_l1: impl FnOnce()) {
        let current = self.version.lock();
        if *current == version {
            change_l1();
        }
    }
}

impl Writing<'_> {
    /// Changes L1 while no reader puts into it what it has read before.
    pub(super) fn change_l1(&self, change_l1: impl FnOnce()) {
        let _version = self.0.version.lock();
        change_l1();
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        *self.0.version.lock() += 1;
    }
}
