//! What the cache's levels held and did: parts of `report.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the caches hold and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cache {
    /// All instances' L1 together.
    pub l1: L1,
    /// The shared store.
    pub l2: L2,
    /// Session caches that browsers keep.
    #[serde(default, skip_serializing_if = "Cookies::is_none")]
    pub cookies: Cookies,
}

/// Session caches in encrypted cookies: nothing where no session has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cookies {
    /// Responses that set them.
    pub set: u64,
    /// Responses whose cookies were more than browsers keep: they set none, and
    /// the browser went on with what it had.
    pub refused: u64,
    /// Bytes of the largest ones, names and values; those refused too.
    pub largest_bytes: u64,
    /// The most that browsers keep of them.
    pub limit_bytes: u64,
}

impl Cookies {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The memory layers of all instances, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct L1 {
    /// Partitions held.
    pub entries: u64,
    /// Bytes they weigh.
    pub bytes: u64,
    /// Partitions pushed out by the size limit.
    pub evictions: u64,
}

/// The shared store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct L2 {
    /// Blobs held.
    pub entries: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Operations asked of it.
    pub operations: L2Operations,
    /// Operations that failed.
    pub errors: u64,
    /// Blobs not stored for want of room.
    pub refused: u64,
    /// Blobs that went to make room.
    pub evictions: u64,
    /// Bytes of the blobs that were read.
    #[serde(default)]
    pub bytes_read: u64,
    /// Bytes of the blobs that were written.
    #[serde(default)]
    pub bytes_written: u64,
    /// What its entries hold at the end.
    #[serde(default)]
    pub contents: L2Contents,
}

/// What the entries of the shared store hold at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct L2Contents {
    /// Access tokens in all entries.
    pub access_tokens: u64,
    /// Those past their expiry.
    pub expired_access_tokens: u64,
    /// Most access tokens in one entry.
    pub most_access_tokens: u64,
    /// Most accounts in one entry; more than one is a mix of users.
    pub most_accounts: u64,
    /// Bytes of the largest entry.
    pub largest_entry: u64,
    /// Entries that are not encrypted although the scenario encrypts.
    pub plaintext: u64,
    /// Entries that no instance can read.
    pub unreadable: u64,
}

/// Operations asked of L2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct L2Operations {
    /// Reads.
    pub get: u64,
    /// Writes.
    pub set: u64,
    /// Touches that extend a sliding expiration.
    pub refresh: u64,
    /// Removals.
    pub remove: u64,
}
