//! memcached, by its classic text protocol, which the memcached gateways of
//! other caches (NCache's among them) speak as well.
//!
//! memcached knows one end of an entry, so the value begins with a head that
//! holds both: the absolute end, judged by the caller's clock, and the sliding
//! window, which reading extends by `touch`. There is no layout of ASP.NET's to
//! follow. Our own client, because the one kept crate calls itself work in
//! progress and depends on an unmaintained one.

mod command;
mod connection;
mod key;
mod value;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::command::{Condition, Delete, Found, Get, Put, Touch};
use self::connection::Connector;
use self::key::wire_key;
use self::value::Head;
use super::lifetime::{Lifetime, seconds_up, unix_millis};
use super::pool::Pool;
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;

/// Where the server is and how to speak with it.
#[derive(Debug, Clone)]
pub struct MemcachedOptions {
    /// `host:port`.
    pub address: Arc<str>,
    /// Put before each key.
    pub instance_name: String,
    /// The most connections at once.
    pub connections: usize,
    /// An operation that takes longer has failed; connecting counts.
    pub timeout: Duration,
}

impl MemcachedOptions {
    /// The server at `host:port`, no instance name, up to eight connections, a
    /// second for each operation.
    pub fn new(address: impl Into<Arc<str>>) -> Self {
        Self {
            address: address.into(),
            instance_name: String::new(),
            connections: 8,
            timeout: Duration::from_secs(1),
        }
    }
}

/// A store in memcached.
pub struct MemcachedStore {
    pool: Pool<Connector>,
    instance_name: String,
    clock: Clock,
}

impl MemcachedStore {
    /// A store on the server of `options`. Nothing is asked of it before the
    /// first operation.
    pub fn new(options: &MemcachedOptions, clock: Clock) -> Self {
        let connector = Connector {
            address: Arc::clone(&options.address),
        };
        Self {
            pool: Pool::new(connector, options.connections, options.timeout),
            instance_name: options.instance_name.clone(),
            clock,
        }
    }

    fn key(&self, key: &str) -> String {
        wire_key(&self.instance_name, key)
    }

    /// The value under a key of the wire; `None` when it is over or not ours.
    async fn standing(&self, key: &str, now: Timestamp) -> Result<Read, StoreError> {
        let Some(Found {
            flags,
            value,
            unique,
        }) = self.pool.request(&Get { key }).await?
        else {
            return Ok(Read::Absent);
        };
        let Some((head, blob)) = Head::split(flags, &value) else {
            return Ok(Read::Over { unique });
        };
        if head.absolute_ms.is_some_and(|end| end <= unix_millis(now)) {
            return Ok(Read::Over { unique });
        }
        if head.sliding_s.is_some() {
            let time_to_live = head.time_to_live(now);
            self.pool.request(&Touch { key, time_to_live }).await?;
        }
        Ok(Read::Standing { unique, blob })
    }

    async fn put(
        &self,
        key: &str,
        condition: Condition,
        blob: &[u8],
        expiration: Expiration,
    ) -> Result<Swap, StoreError> {
        let now = self.clock.now();
        let head = Head {
            absolute_ms: expiration.absolute.map(unix_millis),
            sliding_s: expiration.sliding.map(seconds_up),
        };
        let time_to_live = match expiration.lifetime(now) {
            Lifetime::Over => OVER,
            Lifetime::Unlimited | Lifetime::For(_) => head.time_to_live(now),
        };
        let value = head.join(blob);
        let put = Put {
            key,
            condition,
            time_to_live,
            value: &value,
        };
        self.pool.request(&put).await
    }
}

/// What stands under a key.
enum Read {
    Absent,
    /// An entry past its end, or a value that is none of ours.
    Over {
        unique: u64,
    },
    Standing {
        unique: u64,
        blob: Bytes,
    },
}

/// The time to live that removes an entry at once.
const OVER: i64 = -1;

fn version(unique: u64) -> Version {
    Version::new(unique.to_be_bytes().to_vec())
}

/// The number of a version; no entry has zero, which stands for one that this
/// store did not give.
fn unique(version: &Version) -> u64 {
    version.as_bytes().try_into().map_or(0, u64::from_be_bytes)
}

impl CompareAndSet for MemcachedStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        Box::pin(async move {
            Ok(
                match self.standing(&self.key(key), self.clock.now()).await? {
                    Read::Standing { unique, blob } => Some(Versioned {
                        blob,
                        version: version(unique),
                    }),
                    Read::Absent | Read::Over { .. } => None,
                },
            )
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
            let key = self.key(key);
            let condition = match expected {
                Some(version) => Condition::Unique(unique(version)),
                None => match self.standing(&key, self.clock.now()).await? {
                    Read::Absent => Condition::Absent,
                    Read::Over { unique } => Condition::Unique(unique),
                    Read::Standing { .. } => return Ok(Swap::Conflict),
                },
            };
            self.put(&key, condition, &blob, expiration).await
        })
    }

    /// The classic protocol deletes without condition only, so the entry is
    /// replaced on condition by one that is over.
    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let key = self.key(key);
            let condition = Condition::Unique(unique(expected));
            let put = Put {
                key: &key,
                condition,
                time_to_live: OVER,
                value: &[],
            };
            if self.pool.request(&put).await? == Swap::Done {
                return Ok(Swap::Done);
            }
            Ok(match self.standing(&key, self.clock.now()).await? {
                Read::Standing { .. } => Swap::Conflict,
                Read::Absent | Read::Over { .. } => Swap::Done,
            })
        })
    }
}

impl Store for MemcachedStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = self.get_versioned(key).await?;
            Ok(found.map(|found| found.blob))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.put(&self.key(key), Condition::None, &blob, expiration)
                .await?;
            Ok(())
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            // Only the entry knows its window.
            self.get_versioned(key).await?;
            Ok(())
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.pool
                .request(&Delete {
                    key: &self.key(key),
                })
                .await
        })
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedStore")
            .field("pool", &self.pool)
            .field("instance_name", &self.instance_name)
            .finish_non_exhaustive()
    }
}
