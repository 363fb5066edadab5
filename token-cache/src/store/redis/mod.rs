//! Redis and its kin, in the layout of ASP.NET's `RedisCache`.
//!
//! An entry is a hash at *instance name + key* with three fields: `absexp` and
//! `sldexp` (.NET ticks, `-1` for none) and `data`. Its time to live is the
//! earlier of the two, in whole seconds. Every operation is one script, or one
//! command, on one key, so it is atomic and goes to one slot of a cluster. Whether an absolute
//! end has passed is judged by the caller's clock; a sliding window is kept by
//! the server's time to live, as the layout has no time of last use.

mod link;
mod script;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;

use self::link::{Call, Link};
use self::script::Scripts;
use super::lifetime::{Lifetime, ticks_at, ticks_of};
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::secret::Secret;

/// Where the server is and how to speak with it.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
    /// Secret, as it may hold a password.
    pub url: Secret,
    /// Put before each key; ASP.NET's `InstanceName`.
    pub instance_name: String,
    /// An operation that takes longer has failed; connecting counts.
    pub timeout: Duration,
    /// The certificate authorities to trust, in PEM; the system's when `None`.
    pub ca_pem: Option<String>,
}

impl RedisOptions {
    /// The server at `url`, no instance name, a second for each operation.
    pub fn new(url: impl Into<std::sync::Arc<str>>) -> Self {
        Self {
            url: Secret::new(url),
            instance_name: String::new(),
            timeout: Duration::from_secs(1),
            ca_pem: None,
        }
    }
}

/// A store in Redis.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
    instance_name: String,
    clock: Clock,
    /// Whether an entry with a sliding window was seen. Entries of one store
    /// mostly all have one or none have.
    slides: AtomicBool,
}

impl RedisStore {
    /// A store on the server of `options`. Nothing is asked of it before the
    /// first operation.
    ///
    /// # Errors
    ///
    /// When the URL or the certificates cannot be read.
    pub fn try_new(options: &RedisOptions, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self {
            link: Link::try_new(options)?,
            scripts: Scripts::new(),
            instance_name: options.instance_name.clone(),
            clock,
            slides: AtomicBool::new(false),
        })
    }

    fn redis_key(&self, key: &str) -> String {
        format!("{}{key}", self.instance_name)
    }

    /// One plain command, which the server answers sooner than a script: enough
    /// for an entry whose window need not be extended.
    async fn get_without_touch(&self, redis_key: &str) -> Result<Found, StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(redis_key).arg(&["absexp", "sldexp", "data"]);
        let (absolute, sliding, data): (Option<i64>, Option<i64>, Option<Vec<u8>>) =
            self.link.ask(&Call::Command(&command)).await?;
        let is_over = |&end: &i64| end != -1 && end <= ticks_at(self.clock.now());
        Ok(match data {
            None => Found::Nothing,
            Some(_) if absolute.as_ref().is_some_and(is_over) => Found::Nothing,
            Some(_) if sliding.is_some_and(|window| window != -1) => Found::Sliding,
            Some(data) => Found::Standing(data.into()),
        })
    }

    /// What the scripts that write take: `absexp`, `sldexp`, time to live.
    /// The latter is whole seconds, `-1` for none and 0 for over.
    fn times(&self, expiration: Expiration) -> [i64; 3] {
        let time_to_live = match expiration.lifetime(self.clock.now()) {
            Lifetime::Unlimited => -1,
            Lifetime::For(span) => i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            Lifetime::Over => 0,
        };
        [
            expiration.absolute.map_or(-1, ticks_at),
            expiration.sliding.map_or(-1, ticks_of),
            time_to_live,
        ]
    }
}

/// What a read without touch finds.
enum Found {
    Nothing,
    Standing(Bytes),
    /// Something whose window is to be extended.
    Sliding,
}

/// The SHA-1 of the data in hex, which the server computes as well.
fn version(blob: &[u8]) -> Version {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, blob);
    let mut hex = String::with_capacity(2 * hash.as_ref().len());
    for byte in hash.as_ref() {
        let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        hex.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    Version::new(hex)
}

fn swap(done: bool) -> Swap {
    if done { Swap::Done } else { Swap::Conflict }
}

impl CompareAndSet for RedisStore {
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
            let mut call = self.scripts.set_if.prepare_invoke();
            call.key(self.redis_key(key));
            call.arg(expected.map_or(&[][..], Version::as_bytes));
            call.arg(ticks_at(self.clock.now()));
            for time in self.times(expiration) {
                call.arg(time);
            }
            call.arg(&blob[..]);
            Ok(swap(self.link.call(&call).await?))
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let mut call = self.scripts.remove_if.prepare_invoke();
            call.key(self.redis_key(key));
            call.arg(expected.as_bytes());
            call.arg(ticks_at(self.clock.now()));
            Ok(swap(self.link.call(&call).await?))
        })
    }
}

impl Store for RedisStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let redis_key = self.redis_key(key);
            if !self.slides.load(Ordering::Relaxed) {
                match self.get_without_touch(&redis_key).await? {
                    Found::Sliding => self.slides.store(true, Ordering::Relaxed),
                    Found::Standing(blob) => return Ok(Some(blob)),
                    Found::Nothing => return Ok(None),
                }
            }
            let mut call = self.scripts.get.prepare_invoke();
            call.key(redis_key);
            call.arg(ticks_at(self.clock.now()));
            let blob: Option<Vec<u8>> = self.link.call(&call).await?;
            Ok(blob.map(Bytes::from))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut call = self.scripts.set.prepare_invoke();
            call.key(self.redis_key(key));
            for time in self.times(expiration) {
                call.arg(time);
            }
            call.arg(&blob[..]);
            self.link.call(&call).await
        })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut call = self.scripts.refresh.prepare_invoke();
            call.key(self.redis_key(key));
            call.arg(ticks_at(self.clock.now()));
            self.link.call(&call).await
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut call = self.scripts.remove.prepare_invoke();
            call.key(self.redis_key(key));
            self.link.call(&call).await
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("link", &self.link)
            .field("instance_name", &self.instance_name)
            .finish_non_exhaustive()
    }
}
