//! A store by its URL: for programs that take one from a file or a command line.
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `memory:` | distributed memory, 200 MB | |
//! | `redis://[user:password@]host[:port][/database]`, `rediss://..` for TLS | Redis | `redis` |
//! | `postgres://user[:password]@host[:port]/database` | Postgres | `postgres` |
//! | `memcached://host:port` | memcached | `memcached` |
//! | `sqlserver:` and an ADO.NET connection string | SQL Server | `sql-server` |
//! | `cosmos:` and a connection string, as `CosmosOptions::from_connection_string` reads it | Cosmos DB | `cosmos` |
//!
//! What a URL cannot say (TLS authorities, limits, table names) is in the options
//! of each store.

use std::sync::Arc;

use super::{MemoryStore, Store};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::secret::Secret;

/// .NET's limit of distributed memory.
const MEMORY_LIMIT_BYTES: usize = 200 * 1024 * 1024;

/// Opens the store at a URL with its default options. Nothing is asked of a
/// server before the first operation.
///
/// # Errors
///
/// When the URL cannot be read, its scheme is none of the table's, or the store
/// was not built in; the message never repeats the URL.
///
/// ```
/// use token_cache::{Clock, Secret, store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let l2 = store::open(&Secret::new("memory:"), Clock::system()).unwrap();
/// assert!(l2.get("nothing yet").await.unwrap().is_none());
/// let error = store::open(&Secret::new("ftp://host"), Clock::system()).unwrap_err();
/// assert!(error.reason.contains("`ftp`"));
/// # }
/// ```
pub fn open(url: &Secret, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let text = url.expose();
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new(MEMORY_LIMIT_BYTES, clock))),
        "redis" | "rediss" => redis(url, clock),
        "postgres" | "postgresql" => postgres(url, clock),
        "memcached" => memcached(rest, clock),
        "sqlserver" => sql_server(rest, clock),
        "cosmos" => cosmos(rest, clock),
        _ => Err(unknown(text, scheme)),
    }
}

/// The scheme is told only if it is one: a URL that was put in without its scheme
/// could begin with a password.
fn unknown(url: &str, scheme: &str) -> StoreError {
    const KNOWN: &str = "`memory:`, `redis:`, `rediss:`, `postgres:`, `memcached:`, `sqlserver:` \
                         or `cosmos:`";
    let named = url.contains("://") && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
    StoreError::new(if named {
        format!("`{scheme}` is no store; a store's URL begins with {KNOWN}")
    } else {
        format!("a store's URL begins with {KNOWN}")
    })
}

#[cfg_attr(
    all(
        feature = "redis",
        feature = "postgres",
        feature = "memcached",
        feature = "sql-server",
        feature = "cosmos"
    ),
    expect(dead_code, reason = "everything is built in")
)]
fn not_built_in(feature: &str) -> StoreError {
    StoreError::new(format!(
        "this build has no such store; build it with the feature `{feature}`"
    ))
}

#[cfg(feature = "redis")]
fn redis(url: &Secret, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let options = super::RedisOptions::new(url.expose());
    Ok(Arc::new(super::RedisStore::try_new(&options, clock)?))
}

#[cfg(not(feature = "redis"))]
fn redis(_url: &Secret, _clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built_in("redis"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &Secret, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let options = super::PostgresOptions::new(url.expose());
    Ok(Arc::new(super::PostgresStore::try_new(&options, clock)?))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_url: &Secret, _clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built_in("postgres"))
}

#[cfg(feature = "memcached")]
fn memcached(rest: &str, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let address = rest.trim_start_matches('/').trim_end_matches('/');
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err(StoreError::new(
            "a memcached URL is `memcached://host:port`",
        ));
    }
    let options = super::MemcachedOptions::new(address);
    Ok(Arc::new(super::MemcachedStore::new(&options, clock)))
}

#[cfg(not(feature = "memcached"))]
fn memcached(_rest: &str, _clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built_in("memcached"))
}

#[cfg(feature = "sql-server")]
fn sql_server(rest: &str, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let options = super::SqlServerOptions::new(rest);
    Ok(Arc::new(super::SqlServerStore::try_new(&options, clock)?))
}

#[cfg(not(feature = "sql-server"))]
fn sql_server(_rest: &str, _clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built_in("sql-server"))
}

#[cfg(feature = "cosmos")]
fn cosmos(rest: &str, clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    let options = super::CosmosOptions::from_connection_string(rest)?;
    Ok(Arc::new(super::CosmosStore::try_new(options, clock)?))
}

#[cfg(not(feature = "cosmos"))]
fn cosmos(_rest: &str, _clock: Clock) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built_in("cosmos"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        open(&Secret::new(url), Clock::system()).unwrap_err().reason
    }

    #[tokio::test]
    async fn a_url_that_opens_nothing_is_refused_and_not_repeated() {
        for url in [
            "",
            "pa55word",
            "pa55word:x",
            "pa55word@host:1",
            "x://pa55word@host",
        ] {
            let reason = refused(url);
            assert!(reason.contains("`redis:`"), "{reason}");
            assert!(!reason.contains("pa55word"), "{reason}");
        }
        for url in [
            "memcached://pa55word",
            "memcached:",
            "redis://:pa55word@h:x",
            "postgres://pa55word@:x",
        ] {
            assert!(!refused(url).contains("pa55word"), "{url}");
        }
    }

    #[cfg(not(feature = "redis"))]
    #[tokio::test]
    async fn a_store_that_was_not_built_in_names_its_feature() {
        assert!(refused("redis://127.0.0.1").contains("feature `redis`"));
    }

    #[cfg(all(feature = "redis", feature = "postgres", feature = "memcached"))]
    #[tokio::test]
    async fn every_scheme_opens_its_store() {
        let cases = [
            ("memory:", "MemoryStore"),
            ("redis://127.0.0.1:1", "RedisStore"),
            ("rediss://127.0.0.1:1", "RedisStore"),
            ("postgres://u@127.0.0.1:1/d", "PostgresStore"),
            ("memcached://127.0.0.1:1", "MemcachedStore"),
        ];
        for (url, name) in cases {
            let store = open(&Secret::new(url), Clock::system()).unwrap();
            assert!(format!("{store:?}").starts_with(name), "{url}: {store:?}");
        }
    }

    #[cfg(feature = "cosmos")]
    #[tokio::test]
    async fn cosmos_is_opened_by_its_connection_string_and_a_bad_one_is_not_repeated() {
        let url = "cosmos:AccountEndpoint=http://127.0.0.1:1/;AccountKey=c2VjcmV0;Database=d;\
                   Container=c;Region=East US";
        let store = open(&Secret::new(url), Clock::system()).unwrap();
        assert!(format!("{store:?}").starts_with("CosmosStore"), "{store:?}");
        let reason = refused(&url.replace("http:", "c2VjcmV0"));
        assert!(!reason.contains("c2VjcmV0"), "{reason}");
        assert!(refused("cosmos:c2VjcmV0").contains("`AccountKey`"));
    }
}
