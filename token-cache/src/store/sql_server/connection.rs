//! One connection, over TDS.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tiberius::error::Error;
use tiberius::time::{Date, DateTime2, DateTimeOffset, Time};
use tiberius::{Client, ColumnData, Config, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::SqlServerOptions;
use super::statement::{Statement, create, qualified};
use crate::error::StoreError;
use crate::store::StoreFuture;
use crate::store::pool::{Connect, Failure, Request};

/// Two writers inserted the same key: unique index, unique constraint.
const DUPLICATE_KEY: [u32; 2] = [2_601, 2_627];

/// Errors of this class end the connection.
const FATAL_CLASS: u8 = 20;

/// How connections are opened.
pub(super) struct Connector {
    config: Config,
    table: Arc<str>,
    create: Option<String>,
    created: AtomicBool,
}

impl Connector {
    pub(super) fn try_new(options: &SqlServerOptions) -> Result<Self, StoreError> {
        // The parser's message can repeat a part of the string.
        let unreadable = |_| StoreError::new("the SQL Server connection string cannot be read");
        let text = options.connection_string.expose();
        let config = Config::from_ado_string(text).map_err(unreadable)?;
        let SqlServerOptions { schema, table, .. } = options;
        // TLS takes the process's provider; all of this workspace take this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Self {
            config,
            table: qualified(schema, table).into(),
            create: options.create_table.then(|| create(schema, table)),
            created: AtomicBool::new(false),
        })
    }
}

impl Connect for Connector {
    type Connection = Session;

    fn connect(&self) -> StoreFuture<'_, Session> {
        Box::pin(async move {
            let address = self.config.get_addr();
            let stream = TcpStream::connect(&address).await;
            let stream = stream
                .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                .map_err(|error| StoreError::new(format!("{address}: {error}")))?;
            // Boxed, as its state is large.
            let client = Client::connect(self.config.clone(), stream.compat_write());
            let client = Box::pin(client).await;
            let mut client = client.map_err(|error| StoreError::new(told(&error)))?;
            if let Some(create) = &self.create
                && !self.created.load(Ordering::Relaxed)
            {
                let made = client.simple_query(create.as_str()).await;
                let made = match made {
                    Ok(stream) => stream.into_results().await.map(|_| ()),
                    Err(error) => Err(error),
                };
                made.map_err(|error| StoreError::new(told(&error)))?;
                self.created.store(true, Ordering::Relaxed);
            }
            Ok(Session {
                client,
                table: Arc::clone(&self.table),
            })
        })
    }
}

/// A connection that has logged in.
pub(super) struct Session {
    client: Client<Compat<TcpStream>>,
    table: Arc<str>,
}

/// The value of a parameter.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Bytes(Bytes),
    Number(Option<i64>),
    /// Milliseconds since the Unix epoch.
    Time(Option<i64>),
}

impl ToSql for Value {
    fn to_sql(&self) -> ColumnData<'_> {
        match self {
            Self::Text(text) => ColumnData::String(Some(Cow::from(text))),
            Self::Bytes(bytes) => ColumnData::Binary(Some(Cow::from(&bytes[..]))),
            Self::Number(number) => ColumnData::I64(*number),
            Self::Time(time) => ColumnData::DateTimeOffset(time.map(date_time_offset)),
        }
    }
}

/// A point in time as `datetimeoffset(7)` at UTC: days since the year 1 and 100 ns
/// since midnight.
fn date_time_offset(unix_ms: i64) -> DateTimeOffset {
    const DAY_MS: i64 = 86_400_000;
    const DAYS_AT_EPOCH: i64 = 719_162;
    let days = u32::try_from(unix_ms.div_euclid(DAY_MS) + DAYS_AT_EPOCH).unwrap_or(0);
    let since_midnight = u64::try_from(unix_ms.rem_euclid(DAY_MS)).unwrap_or(0);
    let time = Time::new(since_midnight * 10_000, 7);
    DateTimeOffset::new(DateTime2::new(Date::new(days), time), 0)
}

/// Asks for the value in the first row, if there is one.
pub(super) struct Ask {
    pub(super) statement: Statement,
    pub(super) values: Vec<Value>,
}

impl Request<Session> for Ask {
    type Answer = Option<Bytes>;

    async fn make(&self, on: &mut Session) -> Result<Option<Bytes>, Failure> {
        let text = self.statement.text(&on.table);
        let values: Vec<&dyn ToSql> = self
            .values
            .iter()
            .map(|value| value as &dyn ToSql)
            .collect();
        let stream = on.client.query(text, &values).await;
        let stream = stream.map_err(|error| failure(&error))?;
        let row = stream.into_row().await.map_err(|error| failure(&error))?;
        let Some(row) = row else { return Ok(None) };
        let value: Option<&[u8]> = row.try_get(0).map_err(|error| failure(&error))?;
        Ok(Some(Bytes::copy_from_slice(value.unwrap_or_default())))
    }
}

/// Asks whether any row changed.
pub(super) struct Change {
    pub(super) statement: Statement,
    pub(super) values: Vec<Value>,
}

impl Request<Session> for Change {
    type Answer = bool;

    async fn make(&self, on: &mut Session) -> Result<bool, Failure> {
        let text = self.statement.text(&on.table);
        let values: Vec<&dyn ToSql> = self
            .values
            .iter()
            .map(|value| value as &dyn ToSql)
            .collect();
        let mut tried = 0;
        loop {
            tried += 1;
            match on.client.execute(text.as_str(), &values).await {
                Ok(changed) => return Ok(changed.total() > 0),
                // Another inserted the row between our update and our insert:
                // now there is one to update, or to find.
                Err(error) if tried == 1 && is_duplicate(&error) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }
}

fn is_duplicate(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| DUPLICATE_KEY.contains(&code))
}

/// The server's words, by number; some of its messages quote a value, which
/// stands in parentheses or quotes after them.
fn told(error: &Error) -> String {
    match error {
        Error::Server(error) => {
            let said = error.message();
            let end = said.find(['(', '\'']).unwrap_or(said.len());
            format!("{} (error {})", said[..end].trim_end(), error.code())
        }
        other => other.to_string(),
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(server) if server.class() < FATAL_CLASS => Failure::Refused(told(error)),
        _ => Failure::Broken(told(error)),
    }
}
