//! Postgres, in the layout of Microsoft's `Extensions.Caching.Postgres`.
//!
//! A row is `id, value, expiresattime, slidingexpirationinseconds,
//! absoluteexpiration`. Every operation is one statement. Time is the caller's
//! clock, passed along; the server's is never asked. Where Microsoft's refresh
//! compares only the seconds field of the time that is left with the window, and
//! so can stretch an hour to days, ours takes the earlier of window and end.

mod connection;
mod statement;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use tokio_postgres::types::{FromSql, ToSql};

use self::connection::{Ask, Change, Connector, Values};
use self::statement::Statement;
use super::lifetime::{Lifetime, seconds_up, unix_millis};
use super::pool::Pool;
use super::sweep::Sweep;
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::secret::Secret;

/// Where the server is and how to speak with it.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://user[:password]@host[:port]/database[?sslmode=require]` or
    /// `key=value` words, as libpq takes them. Secret, as it may hold a password.
    pub url: Secret,
    /// The schema of the table, `public` unless told otherwise.
    pub schema: String,
    /// The table, `token_cache` unless told otherwise.
    pub table: String,
    /// Whether to make the table where there is none.
    pub create_table: bool,
    /// Whether the table survives a crash of the server, at the cost of slower
    /// writes; Microsoft's `UseWAL`. Only for a table that is made here.
    pub logged: bool,
    /// The window of entries that are given neither an end nor a window; 20
    /// minutes, as Microsoft's.
    pub default_sliding: Duration,
    /// The least time between two deletions of what has expired; 30 minutes.
    /// [`Duration::MAX`] leaves it to somebody else.
    pub sweep_every: Duration,
    /// The most connections at once.
    pub connections: usize,
    /// An operation that takes longer has failed; connecting counts.
    pub timeout: Duration,
    /// The certificate authorities to trust, in PEM; the system's when `None`.
    pub ca_pem: Option<String>,
}

impl PostgresOptions {
    /// The server at `url` with Microsoft's defaults, up to eight connections, a
    /// second for each operation.
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self {
            url: Secret::new(url),
            schema: "public".to_owned(),
            table: "token_cache".to_owned(),
            create_table: true,
            logged: false,
            default_sliding: Duration::from_secs(20 * 60),
            sweep_every: Duration::from_secs(30 * 60),
            connections: 8,
            timeout: Duration::from_secs(1),
            ca_pem: None,
        }
    }
}

/// A store in a table of Postgres.
pub struct PostgresStore {
    pool: Arc<Pool<Connector>>,
    default_sliding: Duration,
    sweep: Sweep,
    clock: Clock,
}

/// What `set` and `set_if` write beside the blob.
struct Times {
    now_ms: i64,
    sliding_s: Option<i64>,
    absolute_ms: Option<i64>,
}

impl PostgresStore {
    /// A store on the server of `options`. Nothing is asked of it before the
    /// first operation.
    ///
    /// # Errors
    ///
    /// When the URL or the certificates cannot be read.
    pub fn try_new(options: &PostgresOptions, clock: Clock) -> Result<Self, StoreError> {
        let connector = Connector::try_new(options)?;
        let pool = Pool::new(connector, options.connections, options.timeout);
        Ok(Self {
            pool: Arc::new(pool),
            default_sliding: options.default_sliding,
            sweep: Sweep::new(options.sweep_every),
            clock,
        })
    }

    fn now_ms(&self) -> i64 {
        unix_millis(self.clock.now())
    }

    /// The times of an entry; `None` when it is over already.
    fn times(&self, expiration: Expiration) -> Option<Times> {
        let now = self.clock.now();
        if expiration.lifetime(now) == Lifetime::Over {
            return None;
        }
        let sliding = match expiration {
            Expiration {
                absolute: None,
                sliding: None,
            } => Some(self.default_sliding),
            Expiration { sliding, .. } => sliding,
        };
        Some(Times {
            now_ms: unix_millis(now),
            sliding_s: sliding.map(seconds_up),
            absolute_ms: expiration.absolute.map(unix_millis),
        })
    }

    /// Runs a statement whose answer is at most one row of one column.
    async fn ask<T>(
        &self,
        statement: Statement,
        values: Values<'_>,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromSql<'r> + Send,
    {
        let answer = self.pool.request(&Ask::new(statement, values)).await;
        self.sweep_if_due();
        answer
    }

    /// Runs a statement and tells how many rows it changed.
    async fn change(&self, statement: Statement, values: Values<'_>) -> Result<u64, StoreError> {
        let rows = self.pool.request(&Change { statement, values }).await;
        self.sweep_if_due();
        rows
    }

    /// Deletes what has expired, behind the caller's back. A failure is no
    /// matter: the next one finds the same rows.
    fn sweep_if_due(&self) {
        let now = self.clock.now();
        if self.sweep.is_due(now) {
            let pool = Arc::clone(&self.pool);
            let now_ms = unix_millis(now);
            tokio::spawn(async move {
                let statement = Statement::Sweep;
                let values: Values<'_> = &[&now_ms];
                let _ = pool.request(&Change { statement, values }).await;
            });
        }
    }
}

/// The SHA-256 of the value, which the server computes as well. A row's `xmin`
/// would change with every extension of its window.
fn version(blob: &[u8]) -> Version {
    Version::new(digest(&SHA256, blob).as_ref().to_vec())
}

impl CompareAndSet for PostgresStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        Box::pin(async move {
            let found = self.get(key).await?;
            Ok(found.map(|blob| Versioned {
                version: version(&blob),
                blob,
            }))
        })
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let Some(times) = self.times(expiration) else {
                // Nothing is to be left, if it is as expected.
                return match expected {
                    Some(version) => self.remove_if(key, version).await,
                    None => Ok(match self.get(key).await? {
                        Some(_) => Swap::Conflict,
                        None => Swap::Done,
                    }),
                };
            };
            let Times {
                now_ms,
                sliding_s,
                absolute_ms,
            } = times;
            let blob = &blob[..];
            let changed = match expected.map(Version::as_bytes) {
                None => {
                    let values: [&(dyn ToSql + Sync); 5] =
                        [&key, &blob, &now_ms, &sliding_s, &absolute_ms];
                    self.change(Statement::SetIfAbsent, &values).await?
                }
                Some(version) => {
                    let values: [&(dyn ToSql + Sync); 6] =
                        [&key, &blob, &now_ms, &sliding_s, &absolute_ms, &version];
                    self.change(Statement::SetIf, &values).await?
                }
            };
            Ok(if changed > 0 {
                Swap::Done
            } else {
                Swap::Conflict
            })
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let version = expected.as_bytes();
            let now_ms = self.now_ms();
            let values: [&(dyn ToSql + Sync); 3] = [&key, &now_ms, &version];
            let done = self.ask::<bool>(Statement::RemoveIf, &values).await?;
            Ok(if done == Some(true) {
                Swap::Done
            } else {
                Swap::Conflict
            })
        })
    }
}

impl Store for PostgresStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let now_ms = self.now_ms();
            let blob = self
                .ask::<Vec<u8>>(Statement::Get, &[&key, &now_ms])
                .await?;
            Ok(blob.map(Bytes::from))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let Some(Times {
                now_ms,
                sliding_s,
                absolute_ms,
            }) = self.times(expiration)
            else {
                return self.remove(key).await;
            };
            let blob = &blob[..];
            let values: [&(dyn ToSql + Sync); 5] = [&key, &blob, &now_ms, &sliding_s, &absolute_ms];
            self.change(Statement::Set, &values).await?;
            Ok(())
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let now_ms = self.now_ms();
            self.change(Statement::Refresh, &[&key, &now_ms]).await?;
            Ok(())
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.change(Statement::Remove, &[&key]).await?;
            Ok(())
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
