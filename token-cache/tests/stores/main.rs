//! The stores against real servers, which each test starts on a free port and
//! stops. What every store has to do is in `contract`; a file for each store has
//! what is its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(
    clippy::print_stderr,
    reason = "which check of the contract ran last is told when one fails"
)]

mod contract;
#[cfg(feature = "cosmos-emulator")]
mod cosmos;
mod file;
#[cfg(feature = "memcached")]
mod memcached;
mod memory;
#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server"
))]
mod outage;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod session;
#[cfg(feature = "sql-server")]
mod sql_server;
mod support;
#[cfg(feature = "sql-server")]
mod tds;
