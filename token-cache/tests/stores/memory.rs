//! Distributed memory keeps the contract.

use std::sync::Arc;

use parking_lot::Mutex;
use token_cache::store::MemoryStore;

use crate::contract::{Candidate, Place, Sliding, store_contract};

#[tokio::test(start_paused = true)]
async fn distributed_memory_keeps_the_store_contract() {
    let candidate = Candidate {
        name: "memory",
        place: Place::Process(
            |clock| Arc::new(MemoryStore::new(10_000_000, clock)),
            Mutex::default(),
        ),
        sliding: Sliding::InEntry,
        largest_blob: 1_000_000,
    };
    store_contract(&candidate).await;
}
