//! What the shared store holds at the end of a run: its entries, read as any
//! application would read them.

use bytes::Bytes;
use token_cache::protect::is_sealed;
use token_cache::{Timestamp, schema};

use super::key_rings::KeyRings;
use crate::report::model::L2Contents;

/// Looks into every entry, with the rings that sealed them.
pub fn contents(blobs: &[(String, Bytes)], rings: Option<&KeyRings>, now: Timestamp) -> L2Contents {
    let mut found = L2Contents::default();
    for (key, blob) in blobs {
        found.largest_entry = found.largest_entry.max(blob.len() as u64);
        let opened = match rings {
            Some(rings) if is_sealed(blob) => rings.open(key, blob),
            Some(_) => {
                found.plaintext += 1;
                Some(blob.to_vec())
            }
            None => Some(blob.to_vec()),
        };
        let Some(partition) = opened.and_then(|blob| schema::read(&blob).ok()) else {
            found.unreadable += 1;
            continue;
        };
        let tokens = partition.access_token_count() as u64;
        let expired = partition
            .access_tokens()
            .filter(|token| token.expires_on <= now)
            .count() as u64;
        let accounts = partition.accounts().count() as u64;
        found.access_tokens += tokens;
        found.expired_access_tokens += expired;
        found.most_access_tokens = found.most_access_tokens.max(tokens);
        found.most_accounts = found.most_accounts.max(accounts);
    }
    found
}
