//! What L1 holds and has let go, counted as it comes and goes: a scrape reads a
//! dozen numbers, however many partitions there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::item::{AccessToken, Account, AppMetadata, IdToken, RefreshToken};
use crate::partition::Partition;
use crate::section::Section;

/// Entries of one kind and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// How many.
    pub entries: u64,
    /// Their payload.
    pub bytes: u64,
}

/// Entries by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSizes {
    /// Access tokens.
    pub access_token: Sizes,
    /// Refresh tokens.
    pub refresh_token: Sizes,
    /// ID tokens.
    pub id_token: Sizes,
    /// Accounts.
    pub account: Sizes,
    /// Application metadata.
    pub other: Sizes,
}

impl KindSizes {
    /// What `partition` holds.
    pub fn of(partition: &Partition) -> Self {
        fn sizes<T>(section: &Section<T>, size_bytes: impl Fn(&T) -> usize) -> Sizes {
            Sizes {
                entries: section.len() as u64,
                bytes: section.values().map(|item| size_bytes(item) as u64).sum(),
            }
        }
        Self {
            access_token: sizes(&partition.access_tokens, AccessToken::size_bytes),
            refresh_token: sizes(&partition.refresh_tokens, RefreshToken::size_bytes),
            id_token: sizes(&partition.id_tokens, IdToken::size_bytes),
            account: sizes(&partition.accounts, Account::size_bytes),
            other: sizes(&partition.app_metadata, AppMetadata::size_bytes),
        }
    }

    /// Each kind's label in metrics, with its sizes.
    pub fn by_name(&self) -> [(&'static str, Sizes); 5] {
        [
            ("access_token", self.access_token),
            ("refresh_token", self.refresh_token),
            ("id_token", self.id_token),
            ("account", self.account),
            ("other", self.other),
        ]
    }
}

/// The numbers behind `L1Stats` and [`KindSizes`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) evicted: Count,
    pub(super) rejected: Count,
    pub(super) expired: Count,
    pub(super) removed: Count,
    pub(super) replaced: Count,
    /// Entries and bytes of each kind, in the order of [`KindSizes::by_name`].
    held: [(Count, Count); 5],
}

impl Tally {
    /// A partition is let in.
    pub(super) fn came(&self, partition: &Arc<Partition>) {
        self.each(partition, Count::add);
    }

    /// A partition that was let in is no longer held.
    pub(super) fn went(&self, partition: &Arc<Partition>) {
        self.each(partition, Count::subtract);
    }

    fn each(&self, partition: &Partition, change: impl Fn(&Count, u64)) {
        let kinds = KindSizes::of(partition).by_name();
        for ((entries, bytes), (_, sizes)) in self.held.iter().zip(kinds) {
            if sizes.entries > 0 {
                change(entries, sizes.entries);
                change(bytes, sizes.bytes);
            }
        }
    }

    pub(super) fn kinds(&self) -> KindSizes {
        let [access_token, refresh_token, id_token, account, other] =
            self.held.each_ref().map(|(entries, bytes)| Sizes {
                entries: entries.read(),
                bytes: bytes.read(),
            });
        KindSizes {
            access_token,
            refresh_token,
            id_token,
            account,
            other,
        }
    }
}

/// A number that threads change at once.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    /// One more, if it `happened`.
    pub(super) fn count(&self, happened: bool) {
        self.add(u64::from(happened));
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
