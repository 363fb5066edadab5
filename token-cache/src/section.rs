//! A section of a partition: its entries, sorted by key.
//!
//! A sorted slice: most sections hold one entry or none, which a tree node
//! would spend 280 bytes on, and a snapshot's copy of thousands is one pass. It
//! has no room to grow, as snapshots are read far more often than made.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::key::ItemKey;

/// Entries of one kind, sorted by key.
#[derive(Debug, Clone)]
pub(crate) struct Section<T> {
    entries: Box<[(ItemKey, Arc<T>)]>,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self {
            entries: Box::default(),
        }
    }
}

impl<T> Section<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(ItemKey, Arc<T>)> {
        self.entries.iter()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.entries.iter().map(|(_, item)| item)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Arc<T>> {
        let at = self.position(key).ok()?;
        Some(&self.entries[at].1)
    }

    /// Puts an entry under `key`, in place of what was there.
    pub(crate) fn insert(&mut self, key: ItemKey, item: Arc<T>) {
        match self.position(&key) {
            Ok(at) => self.entries[at].1 = item,
            Err(at) => self.change(|entries| {
                entries.reserve_exact(1);
                entries.insert(at, (key, item));
            }),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Arc<T>) -> bool) {
        self.change(|entries| entries.retain(|(_, item)| keep(item)));
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<(ItemKey, Arc<T>)>)) {
        let mut entries = std::mem::take(&mut self.entries).into_vec();
        change(&mut entries);
        self.entries = entries.into_boxed_slice();
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(known, _)| (**known).cmp(key))
    }
}

/// Of two entries with one key the later stays.
impl<T> FromIterator<(ItemKey, Arc<T>)> for Section<T> {
    fn from_iter<I: IntoIterator<Item = (ItemKey, Arc<T>)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.reverse();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        entries.dedup_by(|later, first| later.0 == first.0);
        Self {
            entries: entries.into_boxed_slice(),
        }
    }
}

impl<T: Serialize> Serialize for Section<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|(key, item)| (key, item)))
    }
}
