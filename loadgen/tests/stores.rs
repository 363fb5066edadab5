//! Scenarios in real time over Redis and Postgres, with real faults, beside the
//! same in virtual time.
#![cfg(all(feature = "redis", feature = "postgres"))]
#![cfg_attr(
    all(feature = "redis", feature = "postgres"),
    expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")
)]

#[path = "stores/faults.rs"]
mod faults;
#[path = "clocks/lab.rs"]
mod lab;
#[path = "stores/proxy.rs"]
mod proxy;
#[path = "../../token-cache/tests/stores/support/server.rs"]
mod server;
#[path = "stores/shipped.rs"]
mod shipped;

/// One test at a time: they are about time, and each has a server, a provider and
/// a load on the same few cores.
#[cfg(all(feature = "redis", feature = "postgres"))]
fn alone() -> parking_lot::MutexGuard<'static, ()> {
    static ALONE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    ALONE.lock()
}
