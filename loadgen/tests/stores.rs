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
#[path = "../../token-cache/tests/stores/support/server.rs"]
mod server;
