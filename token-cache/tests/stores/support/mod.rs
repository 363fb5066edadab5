//! Servers and trouble for tests.

#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server"
))]
pub(crate) mod proxy;
pub(crate) mod scratch;
#[cfg(any(feature = "redis", feature = "postgres", feature = "memcached"))]
pub(crate) mod server;
