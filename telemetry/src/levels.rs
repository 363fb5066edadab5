//! What the levels of a token cache hold and have let go, as a scrape shows it.

use crate::catalogue as metric;
use crate::exposition::Family;

/// The kind of what a level holds that does not look into it: a blob, which is a
/// partition.
const BLOB: &str = "blob";

/// The kind that holds what is none of the others.
const OTHER: &str = "other";

/// One level, now.
#[derive(Debug, Clone)]
pub struct Level {
    /// `l1` or `l2`.
    pub name: &'static str,
    /// Partitions held; to a shared store, blobs.
    pub partitions: u64,
    /// What they weigh.
    pub bytes: u64,
    /// What they may weigh, where that is bounded and known.
    pub capacity_bytes: Option<u64>,
    /// Items by kind, their number and payload; empty where nobody looks into them.
    pub kinds: Vec<(&'static str, u64, u64)>,
    /// Partitions that went, and why.
    pub let_go: LetGo,
}

/// Partitions that left a level, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetGo {
    /// Pushed out by the size limit, or not let in by it.
    pub size: u64,
    /// Found past their time.
    pub expired: u64,
    /// Removed on request.
    pub explicit: u64,
    /// Replaced by a newer state of theirs.
    pub replaced: u64,
}

impl LetGo {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.size += other.size;
        self.expired += other.expired;
        self.explicit += other.explicit;
        self.replaced += other.replaced;
    }
}

impl Level {
    /// Its kinds, which add up to all it holds: what it weighs beyond the items it
    /// knows is `other`'s.
    fn all_kinds(&self) -> Vec<(&'static str, u64, u64)> {
        if self.kinds.is_empty() {
            return vec![(BLOB, self.partitions, self.bytes)];
        }
        let known: u64 = self.kinds.iter().map(|(_, _, bytes)| bytes).sum();
        let beyond = self.bytes.saturating_sub(known);
        let kinds = self.kinds.iter();
        kinds
            .map(|&(kind, entries, bytes)| {
                let more = if kind == OTHER { beyond } else { 0 };
                (kind, entries, bytes + more)
            })
            .collect()
    }
}

/// Everything about `levels`, for a scrape.
pub fn families(levels: &[Level]) -> Vec<Family> {
    let mut partitions = Family::of(&metric::TOKENCACHE_PARTITIONS);
    let mut entries = Family::of(&metric::TOKENCACHE_ENTRIES);
    let mut sizes = Family::of(&metric::TOKENCACHE_SIZE_BYTES);
    let mut capacity = Family::of(&metric::TOKENCACHE_CAPACITY_BYTES);
    let mut evictions = Family::of(&metric::TOKENCACHE_EVICTIONS);
    for level in levels {
        let name = level.name;
        partitions = partitions.count(&[name], level.partitions);
        for (kind, number, bytes) in level.all_kinds() {
            entries = entries.count(&[name, kind], number);
            sizes = sizes.count(&[name, kind], bytes);
        }
        if let Some(bytes) = level.capacity_bytes {
            capacity = capacity.count(&[name], bytes);
        }
        for (cause, count) in [
            ("size", level.let_go.size),
            ("expired", level.let_go.expired),
            ("explicit", level.let_go.explicit),
            ("replaced", level.let_go.replaced),
        ] {
            evictions = evictions.count(&[name, cause], count);
        }
    }
    vec![partitions, entries, sizes, capacity, evictions]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::render;

    #[test]
    fn kinds_add_up_to_the_level_and_a_store_holds_blobs() {
        let l1 = Level {
            name: "l1",
            partitions: 2,
            bytes: 5_000,
            capacity_bytes: Some(10_000),
            kinds: vec![("access_token", 3, 4_000), ("other", 1, 100)],
            let_go: LetGo {
                size: 1,
                expired: 2,
                explicit: 3,
                replaced: 4,
            },
        };
        let l2 = Level {
            name: "l2",
            kinds: Vec::new(),
            capacity_bytes: None,
            ..l1.clone()
        };
        let text = render(families(&[l1, l2]));
        for line in [
            r#"tokencache_partitions{level="l1"} 2"#,
            r#"tokencache_entries{level="l1",kind="access_token"} 3"#,
            r#"tokencache_size_bytes{level="l1",kind="access_token"} 4000"#,
            r#"tokencache_size_bytes{level="l1",kind="other"} 1000"#,
            r#"tokencache_entries{level="l2",kind="blob"} 2"#,
            r#"tokencache_size_bytes{level="l2",kind="blob"} 5000"#,
            r#"tokencache_capacity_bytes{level="l1"} 10000"#,
            r#"tokencache_evictions_total{level="l1",cause="explicit"} 3"#,
            r#"tokencache_evictions_total{level="l2",cause="replaced"} 4"#,
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(
            !text.contains(r#"capacity_bytes{level="l2"}"#),
            "no bound is known: {text}"
        );
    }
}
