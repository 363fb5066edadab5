//! Servers and trouble for tests.

#[cfg(feature = "cosmos-emulator")]
pub(crate) mod cosmos_emulator;
#[cfg(feature = "memcached")]
pub(crate) mod memcached_server;
#[cfg(any(
    feature = "redis",
    feature = "postgres",
    feature = "memcached",
    feature = "sql-server"
))]
pub(crate) mod proxy;
#[cfg(feature = "redis")]
pub(crate) mod redis_server;
pub(crate) mod scratch;
#[cfg(any(feature = "redis", feature = "postgres", feature = "memcached"))]
pub(crate) mod server;
