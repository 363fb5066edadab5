//! Caches that belong to one session of a web application.

mod cookie;

pub use cookie::{CookieLimits, CookieSession, CookieTooLarge};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::adapter::CacheLevel;
use crate::secret::Secret;
use crate::store::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};

/// ASP.NET's `IdleTimeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// The part of a store that belongs to one session: another session, whatever
/// key it asks for, finds nothing there. Entries go when the session is idle.
pub struct SessionStore {
    store: Arc<dyn Store>,
    /// The session's id hashed, so that keys do not let anyone in.
    prefix: String,
    idle_timeout: Duration,
}

impl SessionStore {
    /// The part of `store` that belongs to the session. It goes when left alone
    /// for 20 minutes.
    pub fn new(store: Arc<dyn Store>, session_id: &Secret) -> Self {
        let hash = digest(&SHA256, session_id.expose().as_bytes());
        Self {
            store,
            prefix: format!("session:{}:", URL_SAFE_NO_PAD.encode(hash)),
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// With another idle timeout.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Under which key a session's cache asked for what lies in the store under
    /// `stored`; `None` for what no session put there.
    pub fn cache_key(stored: &str) -> Option<&str> {
        let (_, key) = stored.strip_prefix("session:")?.split_once(':')?;
        Some(key)
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn within_session(&self, expiration: Expiration) -> Expiration {
        let idle = self.idle_timeout;
        Expiration {
            absolute: expiration.absolute,
            sliding: Some(expiration.sliding.map_or(idle, |window| window.min(idle))),
        }
    }
}

impl Store for SessionStore {
    /// A session is no shared cache: MSAL's session provider names no level either.
    fn level(&self) -> CacheLevel {
        CacheLevel::Unknown
    }

    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        self.store
            .compare_and_set()
            .map(|_| self as &dyn CompareAndSet)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move { self.store.get(&self.key(key)).await })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        let expiration = self.within_session(expiration);
        Box::pin(async move { self.store.set(&self.key(key), blob, expiration).await })
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.store.refresh(&self.key(key)).await })
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.store.remove(&self.key(key)).await })
    }
}

impl CompareAndSet for SessionStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        Box::pin(async move {
            let cas = self.store.conditional()?;
            cas.get_versioned(&self.key(key)).await
        })
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        let expiration = self.within_session(expiration);
        Box::pin(async move {
            let cas = self.store.conditional()?;
            cas.set_if(&self.key(key), expected, blob, expiration).await
        })
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(async move {
            let cas = self.store.conditional()?;
            cas.remove_if(&self.key(key), expected).await
        })
    }
}

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore")
            .field("idle_timeout", &self.idle_timeout)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
