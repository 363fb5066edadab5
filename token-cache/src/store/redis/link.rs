//! One connection that all operations share, opened anew when it is lost.
//!
//! The crate's own connection manager keeps a connection on which answers stop
//! coming, so a peer that vanished without a word would cost every operation its
//! timeout for a quarter of an hour. Here a timeout gives the connection up.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult,
    ScriptInvocation, TlsCertificates,
};
use tokio::time::{Instant, timeout};

use super::RedisOptions;
use crate::error::StoreError;
use crate::store::backoff::Backoff;

/// A connection and its number, by which it is told from its successors.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

/// What the server is asked to do. It may be asked twice.
pub(super) enum Call<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
    /// In one round trip.
    Commands(&'a Pipeline),
}

impl Call<'_> {
    async fn over<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Command(command) => command.query_async(connection).await,
            Self::Commands(commands) => commands.query_async(connection).await,
        }
    }
}

/// The way to the server.
pub(super) struct Link {
    client: Client,
    limit: Duration,
    live: Mutex<Option<Live>>,
    /// Held while connecting; counts the connections.
    connecting: tokio::sync::Mutex<u64>,
    backoff: Backoff,
}

impl Link {
    pub(super) fn try_new(options: &RedisOptions) -> Result<Self, StoreError> {
        let url = options.url.expose();
        let client = match &options.ca_pem {
            None => Client::open(url),
            Some(pem) => Client::build_with_tls(
                url,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem.clone().into_bytes()),
                },
            ),
        };
        if url.starts_with("rediss:") {
            // Installed by whoever comes first; all of this workspace take this one.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Self {
            client: client.map_err(|error| told(&error))?,
            limit: options.timeout,
            live: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            backoff: Backoff::default(),
        })
    }

    /// [`Link::ask`], with a script.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        self.ask(&Call::Script(script)).await
    }

    /// Asks within the time limit. If the connection turns out to be lost, asks
    /// once more on a new one.
    pub(super) async fn ask<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, StoreError> {
        let ended = timeout(self.limit, self.call_unbounded(call)).await;
        ended.unwrap_or_else(|_| Err(StoreError::timed_out(self.limit)))
    }

    async fn call_unbounded<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, StoreError> {
        let mut tried = 0;
        loop {
            let mut live = self.connection().await?;
            let waiting = Waiting {
                link: self,
                number: live.number,
                since: Instant::now(),
                answered: false,
            };
            tried += 1;
            match waiting.answer(call.over(&mut live.connection)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let lost = error.is_unrecoverable_error() || error.is_io_error();
                    if lost {
                        self.give_up(live.number);
                    }
                    if !lost || tried == 2 {
                        return Err(told(&error));
                    }
                }
            }
        }
    }

    fn current(&self) -> Option<Live> {
        self.live.lock().clone()
    }

    fn give_up(&self, number: u64) {
        let mut live = self.live.lock();
        if live.as_ref().is_some_and(|live| live.number == number) {
            *live = None;
        }
    }

    async fn connection(&self) -> Result<Live, StoreError> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut opened = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        self.backoff.may_try()?;
        let connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                self.backoff.failed(&error);
                return Err(error);
            }
        };
        self.backoff.succeeded();
        *opened += 1;
        let live = Live {
            number: *opened,
            connection,
        };
        *self.live.lock() = Some(live.clone());
        Ok(live)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        // Shorter than an operation, whose end would hide what it waited for;
        // answers are bounded by the operation's own limit.
        let limit = self.limit * 4 / 5;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        match timeout(limit, connecting).await {
            Ok(connection) => connection.map_err(|error| told(&error)),
            Err(_) => Err(StoreError::timed_out(limit)),
        }
    }
}

/// A call that waits for its answer.
struct Waiting<'l> {
    link: &'l Link,
    number: u64,
    since: Instant,
    answered: bool,
}

impl Waiting<'_> {
    async fn answer<T>(mut self, call: impl Future<Output = T>) -> T {
        let answer = call.await;
        self.answered = true;
        answer
    }
}

/// Whoever stops waiting, our limit or the caller's own, may do so because
/// nothing comes any more. After a twentieth of the limit that is assumed, and the
/// next call takes a new connection: a guard in front of the store is often much less
/// patient than the store, and must not keep a dead connection alive. A caller who
/// only changed their mind costs nobody theirs.
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered && self.since.elapsed() >= self.link.limit / 20 {
            self.link.give_up(self.number);
        }
    }
}

/// The server's words, without the key or the blob, which it does not repeat.
fn told(error: &RedisError) -> StoreError {
    StoreError::new(error.to_string())
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("connected", &self.live.lock().is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
