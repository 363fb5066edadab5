//! What the instances' caches tell: counted for scrapes.

use std::sync::Arc;

use telemetry::{StoreCall, StoreMeter};
use token_cache::events::{BlobDirection, Operation};
use token_cache::{CacheEvents, L2Operation, StoreError};

use super::store::SharedStore;

/// Listens to all caches of a fleet.
#[derive(Debug)]
pub struct Heard {
    /// Operations on both levels.
    pub meter: StoreMeter,
    store: Option<Arc<SharedStore>>,
}

impl Heard {
    /// Passes the store's failures on to `store`, which reports them.
    pub fn new(store: Option<Arc<SharedStore>>) -> Self {
        Self {
            meter: StoreMeter::default(),
            store,
        }
    }
}

impl CacheEvents for Heard {
    fn operation(&self, operation: Operation) {
        self.meter.record(StoreCall {
            level: operation.level.as_str(),
            operation: operation.operation.as_str(),
            outcome: operation.outcome.as_str(),
            took: operation.took,
        });
    }

    fn blob(&self, direction: BlobDirection, bytes: usize) {
        self.meter
            .record_blob(direction == BlobDirection::Read, bytes);
    }

    fn l2_failed(&self, operation: L2Operation, error: &StoreError) {
        if let Some(store) = &self.store {
            store.failed(operation, error);
        }
    }
}
