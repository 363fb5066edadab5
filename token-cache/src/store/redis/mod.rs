//! Redis and its kin, in the layout of ASP.NET's `RedisCache`.
//!
//! An entry is a hash at *instance name + key* with three fields: `absexp` and
//! `sldexp` (.NET ticks, `-1` for none) and `data`. Its time to live is the
//! earlier of the two, in whole seconds. A write is one script on one key, so it
//! is atomic and goes to one slot of a cluster. Whether an absolute end has
//! passed is judged by the caller's clock; a sliding window is kept by the
//! server's time to live, as the layout has no time of last use.
//!
//! A read is one round trip of plain commands, which a server answers sooner
//! than a script. Where the window has moved, it is extended behind the caller's
//! back, by what the entry says of its times then; ASP.NET's store makes its
//! caller wait for a second round trip.

mod link;
mod script;

use std::fmt;
use std::sync::Arc;
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
    pub fn new(url: impl Into<Arc<str>>) -> Self {
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
    link: Arc<Link>,
    scripts: Arc<Scripts>,
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
            link: Arc::new(Link::try_new(options)?),
            scripts: Arc::new(Scripts::new()),
            instance_name: options.instance_name.clone(),
            clock,
            slides: AtomicBool::new(false),
        })
    }

    fn redis_key(&self, key: &str) -> String {
        format!("{}{key}", self.instance_name)
    }

    /// What stands under the key now.
    async fn read(&self, redis_key: &str) -> Result<Option<Found>, StoreError> {
        let mut fields = redis::cmd("HMGET");
        fields.arg(redis_key).arg(&["absexp", "sldexp", "data"]);
        let (fields, left_ms): (Fields, Option<i64>) = if self.slides.load(Ordering::Relaxed) {
            let mut commands = redis::pipe();
            commands.add_command(fields).cmd("PTTL").arg(redis_key);
            let (fields, left_ms) = self.link.ask(&Call::Commands(&commands)).await?;
            (fields, Some(left_ms))
        } else {
            (self.link.ask(&Call::Command(&fields)).await?, None)
        };
        let (absolute, window, Some(data)) = fields else {
            return Ok(None);
        };
        let now = ticks_at(self.clock.now());
        let [absolute, window] = [absolute, window].map(|ticks| ticks.filter(|&ticks| ticks != -1));
        if absolute.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let window_has_moved = window.is_some_and(|window| {
            self.slides.store(true, Ordering::Relaxed);
            let full = absolute.map_or(window, |end| window.min(end - now));
            left_ms.is_none_or(|left_ms| has_moved(full / TICKS_A_MILLISECOND, left_ms))
        });
        Ok(Some(Found {
            data: data.into(),
            window_has_moved,
        }))
    }

    /// Extends the window of an entry that was read, while its reader goes on. A
    /// failure leaves it as it was, and the next read tries again.
    fn touch_behind(&self, redis_key: String) {
        let (link, scripts) = (Arc::clone(&self.link), Arc::clone(&self.scripts));
        let now = ticks_at(self.clock.now());
        tokio::spawn(async move {
            let _ = touch(&link, &scripts, &redis_key, now).await;
        });
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

/// `absexp`, `sldexp` and `data`, as far as they are there.
type Fields = (Option<i64>, Option<i64>, Option<Vec<u8>>);

struct Found {
    data: Bytes,
    window_has_moved: bool,
}

const TICKS_A_MILLISECOND: i64 = 10_000;

/// Whether a window of `full_ms`, of which `left_ms` are left, is worth
/// extending. Times to live are whole seconds in this layout, so a second more or
/// less is none; of a short window it would be much.
fn has_moved(full_ms: i64, left_ms: i64) -> bool {
    left_ms < full_ms - (full_ms / 20).min(1_000)
}

async fn touch(link: &Link, scripts: &Scripts, key: &str, now: i64) -> Result<(), StoreError> {
    let mut call = scripts.refresh.prepare_invoke();
    call.key(key).arg(now);
    link.call(&call).await
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
            let Some(found) = self.read(&redis_key).await? else {
                return Ok(None);
            };
            if found.window_has_moved {
                self.touch_behind(redis_key);
            }
            Ok(Some(found.data))
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
            let now = ticks_at(self.clock.now());
            touch(&self.link, &self.scripts, &self.redis_key(key), now).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_extended_when_it_has_moved_by_a_second_or_by_a_twentieth_if_it_is_short() {
        for (full_ms, left_ms, expected) in [
            (1_200_000, 1_199_000, false),
            (1_200_000, 1_198_999, true),
            (1_200_000, 1_200_000, false),
            (2_000, 1_900, false),
            (2_000, 1_899, true),
            // Without a time to live, which an entry that slides ought to have.
            (1_200_000, -1, true),
            // The absolute end is nearer than the window: nothing to extend.
            (500_000, 500_000, false),
        ] {
            assert_eq!(has_moved(full_ms, left_ms), expected, "{full_ms} {left_ms}");
        }
    }
}
