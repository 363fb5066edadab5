//! What the instances' caches and clients tell: counted for scrapes.

use std::fmt;
use std::sync::Arc;

use telemetry::{StoreCall, StoreMeter};
use token_cache::events::{BlobDirection, Operation};
use token_cache::{CacheEvents, Clock, L2Operation, StoreError};
use token_client::ClientEvents;
use token_client::msal_metrics::{Generation, Meter, MsalMetrics};

use super::store::SharedStore;
use crate::record::Recorder;

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

/// Who hears what the clients of a fleet do.
#[derive(Clone)]
pub struct Listener(Arc<dyn ClientEvents>);

impl Listener {
    /// The recorder alone.
    pub fn recording(recorder: &Arc<Recorder>) -> Self {
        Self(Arc::clone(recorder) as _)
    }

    /// The same, and a meter that is told what MSAL.NET's would be.
    #[must_use]
    pub fn imitating(self, meter: Arc<dyn Meter>, clock: Clock) -> Self {
        let imitated: Arc<dyn ClientEvents> =
            Arc::new(MsalMetrics::new(meter, Generation::V1, clock));
        Self(Arc::new((self.0, imitated)))
    }

    pub(super) fn events(&self) -> Arc<dyn ClientEvents> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
