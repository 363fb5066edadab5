//! What L1 holds under a key, on its way out of one L1 and into another.

use std::sync::Arc;

use super::held::Held;
use crate::clock::Timestamp;
use crate::key::PartitionKey;
use crate::partition::Partition;

/// A partition as L1 holds it.
#[derive(Debug, Clone)]
pub struct L1Entry {
    /// What it is found by.
    pub key: PartitionKey,
    /// The partition.
    pub partition: Arc<Partition>,
    /// When L1 forgets it; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What it weighs, in bytes.
    pub payload_bytes: usize,
}

impl L1Entry {
    pub(super) fn of(held: &Held) -> Option<Self> {
        Some(Self {
            key: held.key.to_key()?,
            partition: Arc::clone(held.partition()),
            expires_at: held.expires_at,
            payload_bytes: usize::try_from(held.payload_bytes).ok()?,
        })
    }
}
