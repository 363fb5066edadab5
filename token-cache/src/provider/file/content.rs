//! What is in the file once it is opened: entries by cache key, as JSON.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{Expiration, Version, Versioned};

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    version: u32,
    entries: BTreeMap<String, Entry>,
}

/// An entry; times in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    blob: String,
    used_at_ms: i64,
    absolute_ms: Option<i64>,
    sliding_ms: Option<i64>,
}

impl Entry {
    fn has_expired(&self, now_ms: i64) -> bool {
        let idle = now_ms.saturating_sub(self.used_at_ms);
        self.absolute_ms.is_some_and(|end| end <= now_ms)
            || self.sliding_ms.is_some_and(|window| window <= idle)
    }
}

/// An entry that was read.
pub(super) struct Touched {
    pub(super) found: Versioned,
    /// Whether reading it has put off its end.
    pub(super) slides: bool,
}

fn version(blob: &[u8]) -> Version {
    Version::new(digest(&SHA256, blob).as_ref().to_vec())
}

impl Content {
    const VERSION: u32 = 1;

    pub(super) fn from_json(text: &[u8]) -> Option<Self> {
        let content: Self = serde_json::from_slice(text).ok()?;
        (content.version == Self::VERSION).then_some(content)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let content = Borrowed {
            version: Self::VERSION,
            entries: &self.entries,
        };
        // Strings and numbers only: this form cannot fail to be written.
        serde_json::to_vec(&content).unwrap_or_default()
    }

    /// The entry, its window extended.
    pub(super) fn touch(&mut self, key: &str, now: Timestamp) -> Option<Touched> {
        let now_ms = now.unix_millis();
        let entry = self.entries.get_mut(key)?;
        if entry.has_expired(now_ms) {
            return None;
        }
        let blob = Bytes::from(STANDARD_NO_PAD.decode(&entry.blob).ok()?);
        let slides = entry.sliding_ms.is_some();
        if slides {
            entry.used_at_ms = now_ms;
        }
        let version = version(&blob);
        Some(Touched {
            found: Versioned { blob, version },
            slides,
        })
    }

    pub(super) fn version(&self, key: &str, now: Timestamp) -> Option<Version> {
        let entry = self.entries.get(key)?;
        if entry.has_expired(now.unix_millis()) {
            return None;
        }
        Some(version(&STANDARD_NO_PAD.decode(&entry.blob).ok()?))
    }

    pub(super) fn put(&mut self, key: String, blob: &[u8], expiration: Expiration, now: Timestamp) {
        let sliding_ms = expiration
            .sliding
            .map(|window| i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        let entry = Entry {
            blob: STANDARD_NO_PAD.encode(blob),
            used_at_ms: now.unix_millis(),
            absolute_ms: expiration.absolute.map(Timestamp::unix_millis),
            sliding_ms,
        };
        self.entries.insert(key, entry);
    }

    /// Whether there was something to remove.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        self.entries.remove(key).is_some()
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        let now_ms = now.unix_millis();
        self.entries.retain(|_, entry| !entry.has_expired(now_ms));
    }
}

#[derive(Serialize)]
struct Borrowed<'c> {
    version: u32,
    entries: &'c BTreeMap<String, Entry>,
}
