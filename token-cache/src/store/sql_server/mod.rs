//! SQL Server, in the layout of ASP.NET's `SqlServerCache`.
//!
//! A row is `Id, Value, ExpiresAtTime, SlidingExpirationInSeconds,
//! AbsoluteExpiration`, its `Id` told apart by case. As with ASP.NET a write sets
//! `ExpiresAtTime` to the end of the window, even past the absolute end; our
//! reads look at both. Time is the caller's clock, passed along.
//!
//! Proven over the wire against an endpoint of our own that speaks TDS and holds
//! the table (`token-cache/tests/stores/tds/`); a real SQL Server was not run.

mod connection;
mod statement;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use self::connection::{Ask, Change, Connector, Value};
use self::statement::Statement;
use super::lifetime::{Lifetime, seconds_up, unix_millis};
use super::pool::Pool;
use super::sweep::Sweep;
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::secret::Secret;

/// The least time between two sweeps that ASP.NET takes.
const LEAST_SWEEP: Duration = Duration::from_secs(5 * 60);

/// `DATEADD` takes its seconds as an `int`.
const LONGEST_WINDOW_S: i64 = i32::MAX as i64;

/// Where the server is and how to speak with it.
#[derive(Debug, Clone)]
pub struct SqlServerOptions {
    /// ADO.NET's connection string: `Server=tcp:host,1433;Database=..;User
    /// Id=..;Password=..;Encrypt=..`. Secret, as it holds a password.
    pub connection_string: Secret,
    /// The schema of the table, `dbo` unless told otherwise.
    pub schema: String,
    /// The table, `TokenCache` unless told otherwise.
    pub table: String,
    /// Whether to make the table where there is none, as `dotnet sql-cache
    /// create` does.
    pub create_table: bool,
    /// The window of entries that are given neither an end nor a window; ASP.NET's
    /// 20 minutes. Microsoft's samples have 90 minutes.
    pub default_sliding: Duration,
    /// The least time between two deletions of what has expired; 30 minutes, and
    /// no less than five.
    /// [`Duration::MAX`] leaves it to somebody else.
    pub sweep_every: Duration,
    /// The most connections at once.
    pub connections: usize,
    /// An operation that takes longer has failed; connecting counts.
    pub timeout: Duration,
}

impl SqlServerOptions {
    /// The server of a connection string with ASP.NET's defaults, up to eight
    /// connections, a second for each operation.
    pub fn new(connection_string: impl Into<Arc<str>>) -> Self {
        Self {
            connection_string: Secret::new(connection_string),
            schema: "dbo".to_owned(),
            table: "TokenCache".to_owned(),
            create_table: true,
            default_sliding: Duration::from_secs(20 * 60),
            sweep_every: Duration::from_secs(30 * 60),
            connections: 8,
            timeout: Duration::from_secs(1),
        }
    }
}

/// A store in a table of SQL Server.
pub struct SqlServerStore {
    pool: Arc<Pool<Connector>>,
    default_sliding: Duration,
    sweep: Sweep,
    clock: Clock,
}

impl SqlServerStore {
    /// A store on the server of `options`. Nothing is asked of it before the
    /// first operation.
    ///
    /// # Errors
    ///
    /// When the connection string cannot be read.
    pub fn try_new(options: &SqlServerOptions, clock: Clock) -> Result<Self, StoreError> {
        let connector = Connector::try_new(options)?;
        let pool = Pool::new(connector, options.connections, options.timeout);
        Ok(Self {
            pool: Arc::new(pool),
            default_sliding: options.default_sliding,
            sweep: Sweep::new(options.sweep_every.max(LEAST_SWEEP)),
            clock,
        })
    }

    fn now(&self) -> Value {
        Value::Time(Some(unix_millis(self.clock.now())))
    }

    /// Key, blob, now, window and end of an entry, as the statements that write
    /// take them; `None` when it is over already.
    fn row(&self, key: &str, blob: &Bytes, expiration: Expiration) -> Option<Vec<Value>> {
        if expiration.lifetime(self.clock.now()) == Lifetime::Over {
            return None;
        }
        let sliding = match expiration {
            Expiration {
                absolute: None,
                sliding: None,
            } => Some(self.default_sliding),
            Expiration { sliding, .. } => sliding,
        };
        Some(vec![
            Value::Text(key.to_owned()),
            Value::Bytes(blob.clone()),
            self.now(),
            Value::Number(sliding.map(|window| seconds_up(window).min(LONGEST_WINDOW_S))),
            Value::Time(expiration.absolute.map(unix_millis)),
        ])
    }

    async fn ask(
        &self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Option<Bytes>, StoreError> {
        let answer = self.pool.request(&Ask { statement, values }).await;
        self.sweep_if_due();
        answer
    }

    /// Whether any row changed.
    async fn change(&self, statement: Statement, values: Vec<Value>) -> Result<bool, StoreError> {
        let changed = self.pool.request(&Change { statement, values }).await;
        self.sweep_if_due();
        changed
    }

    /// Deletes what has expired, behind the caller's back. A failure is no
    /// matter: the next one finds the same rows.
    fn sweep_if_due(&self) {
        if self.sweep.is_due(self.clock.now()) {
            let pool = Arc::clone(&self.pool);
            let change = Change {
                statement: Statement::Sweep,
                values: vec![self.now()],
            };
            tokio::spawn(async move {
                let _ = pool.request(&change).await;
            });
        }
    }
}

/// The SHA-256 of the value, which the server computes as well.
fn version(blob: &[u8]) -> Version {
    Version::new(digest(&SHA256, blob).as_ref().to_vec())
}

fn swap(done: bool) -> Swap {
    if done { Swap::Done } else { Swap::Conflict }
}

fn text(key: &str) -> Value {
    Value::Text(key.to_owned())
}

fn hash(version: &Version) -> Value {
    Value::Bytes(Bytes::copy_from_slice(version.as_bytes()))
}

impl CompareAndSet for SqlServerStore {
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
            let row = self.row(key, &blob, expiration);
            Ok(match (expected, row) {
                (None, Some(row)) => swap(self.change(Statement::SetIfAbsent, row).await?),
                (Some(version), Some(mut row)) => {
                    row.push(hash(version));
                    swap(self.change(Statement::SetIf, row).await?)
                }
                // Nothing is to be left, if it is as expected.
                (Some(version), None) => self.remove_if(key, version).await?,
                (None, None) => swap(self.get(key).await?.is_none()),
            })
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let values = vec![text(key), self.now(), hash(expected)];
            let left = self.ask(Statement::RemoveIf, values).await?;
            Ok(swap(left.is_none()))
        })
    }
}

impl Store for SqlServerStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(self.ask(Statement::Get, vec![text(key), self.now()]))
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            match self.row(key, &blob, expiration) {
                Some(row) => self.change(Statement::Set, row).await.map(|_| ()),
                None => self.remove(key).await,
            }
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let values = vec![text(key), self.now()];
            self.change(Statement::Refresh, values).await.map(|_| ())
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.change(Statement::Remove, vec![text(key)])
                .await
                .map(|_| ())
        })
    }
}

impl fmt::Debug for SqlServerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerStore")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
