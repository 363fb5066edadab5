//! Scenarios in real time over Redis, Postgres and memcached, with real faults, beside
//! the same in virtual time; and SQL Server and Cosmos DB as far as their stand-ins go.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[cfg(feature = "cosmos-emulator")]
#[path = "stores/cosmos.rs"]
mod cosmos;
#[cfg(feature = "cosmos-emulator")]
#[path = "../../token-cache/tests/stores/support/cosmos_emulator.rs"]
#[expect(dead_code, reason = "the store's own tests use the rest")]
mod cosmos_emulator;
#[path = "stores/faults.rs"]
mod faults;
#[path = "clocks/lab.rs"]
mod lab;
#[path = "../../token-cache/tests/stores/support/memcached_server.rs"]
mod memcached_server;
#[path = "stores/proxy.rs"]
mod proxy;
#[path = "../../token-cache/tests/stores/support/redis_server.rs"]
mod redis_server;
#[path = "../../token-cache/tests/stores/support/server.rs"]
mod server;
#[path = "stores/shipped.rs"]
mod shipped;
#[path = "../../token-cache/tests/stores/tds/mod.rs"]
#[expect(dead_code, reason = "the store's own tests use the rest")]
mod tds;

/// One test at a time: they are about time, and each has a server, a provider and
/// a load on the same few cores.
fn alone() -> parking_lot::MutexGuard<'static, ()> {
    static ALONE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    ALONE.lock()
}
