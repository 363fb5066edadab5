//! A partition as L1 holds it, laid out for a hit that touches little memory:
//! with a million partitions every object on the way costs a cache miss. The
//! key's text lies beside the partition, and so does the way to its token where
//! there is only one.

use std::hash::{BuildHasher as _, Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::item::AccessToken;
use crate::key::{AssertionHash, HomeAccountId, PartitionKey, PartitionKeyRef};
use crate::partition::Partition;
use crate::query::{Query, TokenFacts, is_as_key_says};

/// A key as bytes that no other key has, with their hash. Client and tenant ids
/// of 36 characters fit in place.
#[derive(Debug, Clone)]
pub(super) struct KeyText {
    bytes: SmallVec<[u8; 88]>,
    hash: u64,
}

/// What a key's bytes begin with. Of applications it also says which of the optional parts
/// are there.
mod kind {
    pub(super) const APPLICATION: u8 = 0;
    pub(super) const WITH_KEY_ID: u8 = 1;
    pub(super) const WITH_COMPONENTS: u8 = 2;
    pub(super) const ASSERTION: u8 = 4;
    pub(super) const ACCOUNT: u8 = 5;
}

/// An application's kind, and how long its client id and its tenant id are.
const HEAD: usize = 9;

impl KeyText {
    pub(super) fn of(key: PartitionKeyRef<'_>) -> Self {
        let bytes = match key {
            PartitionKeyRef::Application {
                client_id,
                tenant_id,
                key_id,
                components,
            } => {
                let mut head = [kind::APPLICATION; HEAD];
                head[1..5].copy_from_slice(&length(client_id));
                head[5..].copy_from_slice(&length(tenant_id));
                let (client_id, tenant_id) = (client_id.as_bytes(), tenant_id.as_bytes());
                if key_id.is_none() && components.is_none() {
                    joined([&head, client_id, tenant_id])
                } else {
                    head[0] += key_id.map_or(0, |_| kind::WITH_KEY_ID)
                        + components.map_or(0, |_| kind::WITH_COMPONENTS);
                    // Each part but the last behind its length: no two keys have the same bytes.
                    let key_length = key_id.map(length);
                    let key_length = key_length.as_ref().map_or(&[][..], |length| length);
                    let [key_id, components] =
                        [key_id, components].map(|part| part.unwrap_or_default().as_bytes());
                    joined([&head, client_id, tenant_id, key_length, key_id, components])
                }
            }
            PartitionKeyRef::Assertion(hash) => {
                joined([&[kind::ASSERTION], hash.as_str().as_bytes()])
            }
            PartitionKeyRef::Account(id) => joined([&[kind::ACCOUNT], id.as_str().as_bytes()]),
        };
        // Not seeded at random: eviction depends on it, and runs must repeat.
        let hash = FixedState::default().hash_one(&bytes[..]);
        Self { bytes, hash }
    }

    pub(super) fn hash64(&self) -> u64 {
        self.hash
    }

    /// The key that it is the text of.
    pub(super) fn to_key(&self) -> Option<PartitionKey> {
        let (&kind, mut rest) = self.bytes.split_first()?;
        match kind {
            kind::ASSERTION => {
                let hash = AssertionHash::of_session(text(rest)?);
                Some(PartitionKey::Assertion(hash))
            }
            kind::ACCOUNT => Some(PartitionKey::Account(HomeAccountId::new(text(rest)?))),
            optional => {
                let lengths = [taken_length(&mut rest)?, taken_length(&mut rest)?];
                let [client_id, tenant_id] = lengths.map(|length| taken(&mut rest, length));
                let key_id = if optional & kind::WITH_KEY_ID > 0 {
                    let length = taken_length(&mut rest)?;
                    Some(taken(&mut rest, length)?)
                } else {
                    None
                };
                let components = if optional & kind::WITH_COMPONENTS > 0 {
                    Some(text(rest)?)
                } else {
                    None
                };
                Some(PartitionKey::Application {
                    client_id: client_id?,
                    tenant_id: tenant_id?,
                    key_id,
                    components,
                })
            }
        }
    }
}

fn length(part: &str) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// The parts one behind the other, each copied at once: this is done for every hit.
fn joined<const PARTS: usize>(parts: [&[u8]; PARTS]) -> SmallVec<[u8; 88]> {
    let mut bytes = SmallVec::from_elem(0, parts.iter().map(|part| part.len()).sum());
    let mut rest = &mut bytes[..];
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    bytes
}

/// A length from the front of `bytes`.
fn taken_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, behind) = bytes.split_first_chunk()?;
    *bytes = behind;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// A text of this length from the front of `bytes`.
fn taken(bytes: &mut &[u8], length: usize) -> Option<Arc<str>> {
    let (part, behind) = bytes.split_at_checked(length)?;
    *bytes = behind;
    text(part)
}

fn text(bytes: &[u8]) -> Option<Arc<str>> {
    std::str::from_utf8(bytes).ok().map(Into::into)
}

impl PartialEq for KeyText {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for KeyText {}

impl Hash for KeyText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Ord for KeyText {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl PartialOrd for KeyText {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A partition in L1, and the token in it where that is the only one. A map slot
/// holds both: the two objects that a hit touches are fetched from memory at the
/// same time, not one after the other.
#[derive(Debug)]
pub(super) struct Slot {
    held: Arc<Held>,
    sole: Option<Arc<AccessToken>>,
}

/// How a hit takes a slot out of the map. The processor begins no load behind an
/// atomic addition before that is done, and each of the two counts of references
/// lies where only memory has it. So whatever the hit will look at is asked for
/// before the first count is changed, and all of it arrives at once.
impl Clone for Slot {
    fn clone(&self) -> Self {
        // The key was compared just now; facts and expiry lie behind it.
        black_box(self.held.facts.as_ref().map(|facts| facts.expires_on));
        black_box(self.held.expires_at);
        black_box(self.sole.as_ref().map(Arc::strong_count));
        Self {
            held: Arc::clone(&self.held),
            sole: self.sole.clone(),
        }
    }
}

/// What a slot leads to.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: KeyText,
    /// All that a hit looks at of the partition's only access token, if what the
    /// key says of that one is so.
    facts: Option<TokenFacts>,
    pub(super) expires_at: Option<Timestamp>,
    partition: Arc<Partition>,
    pub(super) payload_bytes: u64,
}

impl Slot {
    pub(super) fn new(
        text: KeyText,
        key: &PartitionKey,
        partition: Arc<Partition>,
        expires_at: Option<Timestamp>,
        payload_bytes: usize,
    ) -> Self {
        let sole = partition
            .sole_access_token()
            .filter(|token| is_as_key_says(key.borrowed(), token))
            .cloned();
        let held = Held {
            key: text,
            facts: sole.as_deref().map(TokenFacts::of),
            expires_at,
            partition,
            payload_bytes: payload_bytes as u64,
        };
        Self {
            held: Arc::new(held),
            sole,
        }
    }

    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }
}

impl Held {
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }
}

/// What L1 has under a key: a partition, and a short way to its only token.
#[derive(Debug, Clone)]
pub struct Cached(Slot);

impl Cached {
    pub(super) fn new(slot: Slot) -> Self {
        Self(slot)
    }

    /// The partition.
    pub fn partition(&self) -> &Arc<Partition> {
        &self.0.held.partition
    }

    /// The partition's only token, if it answers; else what it was looked for in,
    /// which may have others. It takes a hit to the end without a look at the
    /// partition, or at more of the token than its count of references.
    ///
    /// # Errors
    ///
    /// The partition, where its only token does not answer or it has several.
    pub fn into_sole(self, query: &Query<'_>, now: Timestamp) -> Result<FoundSole, Self> {
        match (&self.0.held.facts, self.0.sole) {
            (Some(facts), Some(token)) if query.admits_sole(facts, now) => Ok(FoundSole {
                token,
                expires_on: facts.expires_on,
                refresh_on: facts.refresh_on,
            }),
            (_, sole) => Err(Self(Slot {
                held: self.0.held,
                sole,
            })),
        }
    }
}

/// The only token of an application's partition.
#[derive(Debug, Clone)]
pub struct FoundSole {
    /// The token. No account is beside it.
    pub token: Arc<AccessToken>,
    /// When it ends.
    pub expires_on: Timestamp,
    /// When the provider advises to replace it.
    pub refresh_on: Option<Timestamp>,
}
