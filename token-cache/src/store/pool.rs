//! Connections that serve one request at a time.
//!
//! A connection is taken out of the pool for a request and put back only after
//! a whole answer. A request that is cancelled or times out takes its connection
//! with it: half an answer can never be read by the next one.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::StoreFuture;
use super::backoff::Backoff;
use crate::error::StoreError;

/// How a store opens a connection.
pub(super) trait Connect: Send + Sync {
    /// What is pooled.
    type Connection: Send;

    /// Opens one, ready for requests.
    fn connect(&self) -> StoreFuture<'_, Self::Connection>;
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server refused it and is ready for the next.
    Refused(String),
    /// The connection is of no more use.
    Broken(String),
}

/// What is asked on a connection. It must bear being made twice.
pub(super) trait Request<C>: Sync {
    /// What the server says to it.
    type Answer: Send;

    /// Makes it; the connection is in order afterwards unless it is broken.
    fn make(&self, on: &mut C) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// Connections to one server.
pub(super) struct Pool<C: Connect> {
    connector: C,
    idle: Mutex<Vec<C::Connection>>,
    room: Semaphore,
    backoff: Backoff,
    limit: Duration,
}

impl<C: Connect> Pool<C> {
    /// At most `size` connections; every request, connecting included, ends
    /// within `limit`.
    pub(super) fn new(connector: C, size: usize, limit: Duration) -> Self {
        Self {
            connector,
            idle: Mutex::default(),
            room: Semaphore::new(size.max(1)),
            backoff: Backoff::default(),
            limit,
        }
    }

    /// Makes a request on a connection, and once more on a fresh one if that
    /// turns out to be broken.
    pub(super) async fn request<R>(&self, request: &R) -> Result<R::Answer, StoreError>
    where
        R: Request<C::Connection>,
    {
        let ended = timeout(self.limit, self.request_unbounded(request)).await;
        ended.unwrap_or_else(|_| Err(StoreError::timed_out(self.limit)))
    }

    async fn request_unbounded<R>(&self, request: &R) -> Result<R::Answer, StoreError>
    where
        R: Request<C::Connection>,
    {
        let _place = self.room.acquire().await.map_err(|_| closed())?;
        let pooled = self.idle.lock().pop();
        if let Some(connection) = pooled {
            match self.request_on(connection, request).await {
                // The others are most likely as old and as dead.
                Err(Failure::Broken(_)) => self.idle.lock().clear(),
                Err(Failure::Refused(reason)) => return Err(StoreError::new(reason)),
                Ok(answer) => return Ok(answer),
            }
        }
        let connection = self.connect().await?;
        match self.request_on(connection, request).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(reason) | Failure::Broken(reason)) => Err(StoreError::new(reason)),
        }
    }

    async fn request_on<R>(
        &self,
        mut connection: C::Connection,
        request: &R,
    ) -> Result<R::Answer, Failure>
    where
        R: Request<C::Connection>,
    {
        let answer = request.make(&mut connection).await;
        if !matches!(answer, Err(Failure::Broken(_))) {
            self.idle.lock().push(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<C::Connection, StoreError> {
        self.backoff.may_try()?;
        // Shorter than the request, whose end would hide what it waited for.
        let limit = self.limit * 4 / 5;
        let connection = match timeout(limit, self.connector.connect()).await {
            Ok(connection) => connection,
            Err(_) => Err(StoreError::timed_out(limit)),
        };
        match &connection {
            Ok(_) => self.backoff.succeeded(),
            Err(error) => self.backoff.failed(error),
        }
        connection
    }
}

fn closed() -> StoreError {
    StoreError::new("the pool is closed")
}

impl<C: Connect> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle.lock().len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
