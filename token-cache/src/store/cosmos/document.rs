//! An entry as a document.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::Expiration;
use crate::store::lifetime::seconds_up;

/// Cosmos takes ids of up to 1 023 bytes without `/`, `\`, `?` and `#`.
const LONGEST_ID: usize = 1_023;

/// Marks an id that stands for a hash.
const HASHED: &str = "sha256:";

/// The key itself where Cosmos takes it, else its hash.
pub(super) fn document_id(key: &str) -> String {
    let plain = |letter: char| !letter.is_control() && !"/\\?#".contains(letter);
    let fits = (1..=LONGEST_ID).contains(&key.len())
        && key.chars().all(plain)
        && !key.starts_with(HASHED)
        // Some of its clients cut spaces off at the end.
        && !key.ends_with(' ');
    if fits {
        return key.to_owned();
    }
    let hash = digest(&SHA256, key.as_bytes());
    format!("{HASHED}{}", URL_SAFE_NO_PAD.encode(hash))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    id: String,
    /// Base64.
    content: String,
    /// Seconds from the last write until the server may delete it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    is_sliding_expiration: Option<bool>,
    /// The absolute end of an entry that slides, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    absolute_sliding_expiration: Option<i64>,
    /// When it goes if left alone, in Unix milliseconds by our clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_at_ms: Option<i64>,
    /// When the server wrote it last, in Unix seconds.
    #[serde(rename = "_ts", skip_serializing, default)]
    written_at: Option<i64>,
}

impl Document {
    pub(super) fn new(id: &str, blob: &[u8], expiration: Expiration, now: Timestamp) -> Self {
        let Expiration { absolute, sliding } = expiration;
        let left_s = absolute.map(|end| seconds_up(end.since(now)));
        let window_s = sliding.map(seconds_up);
        let ends = [absolute, sliding.map(|window| now.plus(window))];
        Self {
            id: id.to_owned(),
            content: STANDARD.encode(blob),
            ttl: [left_s, window_s].into_iter().flatten().min(),
            is_sliding_expiration: Some(sliding.is_some()),
            absolute_sliding_expiration: sliding.and(absolute).map(Timestamp::unix_seconds),
            expires_at_ms: ends.into_iter().flatten().map(Timestamp::unix_millis).min(),
            written_at: None,
        }
    }

    pub(super) fn blob(&self) -> Option<Bytes> {
        STANDARD.decode(&self.content).ok().map(Bytes::from)
    }

    /// By our own field, or, where Microsoft's store wrote it, by `ttl` from the
    /// time of writing on.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        let by_ttl = || {
            Some(
                self.written_at?
                    .saturating_add(self.ttl?)
                    .saturating_mul(1_000),
            )
        };
        let end = self.expires_at_ms.or_else(by_ttl);
        end.is_some_and(|end| end <= now.unix_millis())
    }

    /// Extends the window, which is what `ttl` holds of an entry that slides, but
    /// not past the absolute end. Whether it slides.
    pub(super) fn slide(&mut self, now: Timestamp) -> bool {
        let (Some(true), Some(window)) = (self.is_sliding_expiration, self.ttl) else {
            return false;
        };
        let left = self
            .absolute_sliding_expiration
            .map_or(i64::MAX, |end| end.saturating_sub(now.unix_seconds()));
        let ttl = window.min(left).max(1);
        self.ttl = Some(ttl);
        self.expires_at_ms = Some(now.unix_millis().saturating_add(ttl.saturating_mul(1_000)));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

    fn document(absolute_s: Option<u64>, sliding_s: Option<u64>) -> serde_json::Value {
        let expiration = Expiration {
            absolute: absolute_s.map(|seconds| NOW.plus(Duration::from_secs(seconds))),
            sliding: sliding_s.map(Duration::from_secs),
        };
        serde_json::to_value(Document::new("k", b"\0\xff", expiration, NOW)).unwrap()
    }

    #[test]
    fn b3_the_document_is_microsoft_s_with_ttl_in_seconds() {
        let expected = serde_json::json!({
            "id": "k", "content": "AP8=", "ttl": 600, "isSlidingExpiration": true,
            "absoluteSlidingExpiration": 1_003_600, "expiresAtMs": 1_000_600_000_i64,
        });
        assert_eq!(document(Some(3_600), Some(600)), expected);
        let absolute = document(Some(3_600), None);
        assert_eq!(absolute["ttl"], 3_600);
        assert_eq!(absolute["isSlidingExpiration"], false);
        assert!(absolute.get("absoluteSlidingExpiration").is_none());
        assert!(document(None, None).get("ttl").is_none(), "it stays");
    }

    #[test]
    fn b3_a_document_that_microsoft_s_store_wrote_is_judged_by_ttl_and_time_of_writing() {
        let text = r#"{"id":"k","content":"AP8=","ttl":60,"isSlidingExpiration":true,"_ts":999970,"_etag":"x"}"#;
        let mut document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(document.blob().unwrap(), b"\0\xff"[..]);
        assert!(!document.has_expired(NOW));
        assert!(document.has_expired(NOW.plus(Duration::from_secs(30))));
        assert!(document.slide(NOW));
        assert!(!document.has_expired(NOW.plus(Duration::from_secs(59))));
    }

    #[test]
    fn an_id_that_cosmos_does_not_take_is_hashed_and_cannot_be_feigned() {
        assert_eq!(document_id("uid.utid"), "uid.utid");
        let long = "k".repeat(LONGEST_ID + 1);
        for key in ["", "a/b", "a\\b", "a?b", "a#b", "a\r\nb", "a ", &long] {
            let id = document_id(key);
            assert!(id.starts_with(HASHED), "{key:?}");
            assert_ne!(document_id(&id), id, "{key:?}");
        }
    }
}
