//! A session's cache that the browser keeps: sealed, in cookies.
//!
//! A request brings the cookies, [`CookieSession::from_cookies`] opens them, the
//! request works on that, and its response sets [`CookieSession::to_cookies`].
//! Two requests of one session at once each answer with their own: the last
//! response wins.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::adapter::CacheLevel;
use crate::clock::{Clock, Timestamp};
use crate::seal::Sealing;
use crate::secret::Secret;
use crate::store::{Expiration, Store, StoreFuture};

/// What browsers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieLimits {
    /// Bytes of a cookie's name and value together. Browsers keep 4 096 and drop
    /// a larger one without a word.
    pub cookie_bytes: usize,
    /// How many cookies the cache may be cut into. All are sent with every
    /// request, and servers refuse requests with too long a head, many at 16 KiB.
    pub cookies: usize,
}

impl Default for CookieLimits {
    /// 4 096 bytes, three cookies: about what one user's tokens for one API take.
    fn default() -> Self {
        Self {
            cookie_bytes: 4_096,
            cookies: 3,
        }
    }
}

/// A session's cache that browsers would not keep.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the session's cache takes {needed_bytes} bytes of cookies, and browsers keep {limit_bytes}; \
     keep it in a store instead"
)]
pub struct CookieTooLarge {
    /// Bytes of all names and values.
    pub needed_bytes: usize,
    /// The most that the limits allow.
    pub limit_bytes: usize,
}

/// A session's cache, out of its cookies. It is a [`Store`] for the length of a
/// request.
pub struct CookieSession {
    name: String,
    session_id: Secret,
    sealing: Arc<dyn Sealing>,
    limits: CookieLimits,
    clock: Clock,
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: AtomicBool,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// Base64url: the blob may be sealed itself.
    blob: String,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    absolute_ms: Option<i64>,
}

/// What a piece's name and value take together, the digit of its number counted.
fn size(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

impl CookieSession {
    /// The cache of a session without cookies yet.
    pub fn new(name: &str, session_id: Secret, sealing: Arc<dyn Sealing>, clock: Clock) -> Self {
        Self {
            name: name.to_owned(),
            session_id,
            sealing,
            limits: CookieLimits::default(),
            clock,
            entries: Mutex::default(),
            changed: AtomicBool::new(false),
        }
    }

    /// With other limits.
    #[must_use]
    pub fn limits(mut self, limits: CookieLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes in the cookies of a request, by name and value in any order; those
    /// of others are passed over. Cookies that do not open, as they are
    /// another session's or damaged, leave the cache empty.
    #[must_use]
    pub fn with_cookies<'c>(self, cookies: impl IntoIterator<Item = (&'c str, &'c str)>) -> Self {
        let mut pieces: BTreeMap<usize, &str> = BTreeMap::new();
        for (name, value) in cookies {
            let number = name
                .strip_prefix(&self.name)
                .and_then(|it| it.strip_prefix('.'));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                pieces.insert(number, value);
            }
        }
        let sealed: String = pieces.into_values().collect();
        let entries = URL_SAFE_NO_PAD
            .decode(sealed)
            .ok()
            .and_then(|sealed| self.sealing.open(&self.place(), &sealed).ok())
            .and_then(|plain| serde_json::from_slice(&plain).ok());
        *self.entries.lock() = entries.unwrap_or_default();
        self
    }

    /// Whether anything was put in or taken out since the cookies came: a response
    /// to a request that changed nothing need not set them, and had better not, as
    /// another's may have set newer ones meanwhile.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// The cookies to set, as name and value; none when nothing is cached. The
    /// application adds `HttpOnly`, `Secure` and `SameSite`, and expires the
    /// pieces of an earlier, longer answer.
    ///
    /// # Errors
    ///
    /// [`CookieTooLarge`] when browsers would not keep them all.
    pub fn to_cookies(&self) -> Result<Vec<(String, String)>, CookieTooLarge> {
        let sealed = self.sealed();
        let limit_bytes = self.limits.cookies * self.limits.cookie_bytes;
        let piece_name = |number: usize| format!("{}.{number}", self.name);
        let mut cookies = Vec::new();
        let mut rest = &*sealed;
        while !rest.is_empty() {
            let name = piece_name(cookies.len());
            let room = self.limits.cookie_bytes.saturating_sub(name.len());
            if room == 0 || cookies.len() == self.limits.cookies {
                return Err(CookieTooLarge {
                    needed_bytes: self.size_bytes(),
                    limit_bytes,
                });
            }
            // Base64 is ASCII: every byte is a border.
            let (piece, after) = rest.split_at(rest.len().min(room));
            cookies.push((name, piece.to_owned()));
            rest = after;
        }
        Ok(cookies)
    }

    /// Bytes that the cookies take, names and values, whatever the limits.
    pub fn size_bytes(&self) -> usize {
        let sealed = self.sealed();
        let room = self.limits.cookie_bytes.saturating_sub(self.name.len() + 2);
        let pieces = sealed.len().div_ceil(room.max(1));
        pieces * (self.name.len() + 2) + size("", &sealed)
    }

    /// What the cookies hold before they are cut, base64url; empty for nothing.
    fn sealed(&self) -> String {
        let now_ms = self.now_ms();
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| entry.absolute_ms.is_none_or(|end| end > now_ms));
        if entries.is_empty() {
            return String::new();
        }
        let plain = serde_json::to_vec(&*entries).unwrap_or_default();
        let sealed = self.sealing.seal(&self.place(), &plain);
        sealed
            .map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
            .unwrap_or_default()
    }

    /// Binds the cookies to session and name.
    fn place(&self) -> String {
        format!("cookie:{}:{}", self.name, self.session_id.expose())
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().unix_millis()
    }
}

impl Store for CookieSession {
    /// A session is no shared cache: MSAL's session provider names no level either.
    fn level(&self) -> CacheLevel {
        CacheLevel::Unknown
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        let now_ms = self.now_ms();
        let entries = self.entries.lock();
        let blob = entries
            .get(key)
            .filter(|entry| entry.absolute_ms.is_none_or(|end| end > now_ms))
            .and_then(|entry| URL_SAFE_NO_PAD.decode(&entry.blob).ok());
        Box::pin(ready(Ok(blob.map(Bytes::from))))
    }

    /// A sliding window has no meaning here: the cookie goes with the session.
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        let entry = Entry {
            blob: URL_SAFE_NO_PAD.encode(&blob),
            absolute_ms: expiration.absolute.map(Timestamp::unix_millis),
        };
        self.entries.lock().insert(key.to_owned(), entry);
        self.changed.store(true, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn refresh<'a>(&'a self, _key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        if self.entries.lock().remove(key).is_some() {
            self.changed.store(true, Ordering::Relaxed);
        }
        Box::pin(ready(Ok(())))
    }
}

impl fmt::Debug for CookieSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieSession")
            .field("name", &self.name)
            .field("entries", &self.entries.lock().len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
