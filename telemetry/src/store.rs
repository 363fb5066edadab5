//! A meter for the levels of a token cache: what was asked of them, how it
//! ended, how long it took, how much was moved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::catalogue::{
    DURATION_BUCKETS, SIZE_BUCKETS, TOKENCACHE_BLOB_SIZE, TOKENCACHE_OPERATION_DURATION,
    TOKENCACHE_OPERATIONS,
};
use crate::exposition::Family;
use crate::histogram::Histogram;

/// Operations, and how each can end. All of them are there from the first
/// scrape, at zero.
const OPERATIONS: [(&str, &str, &[&str]); 7] = [
    ("l1", "get", &["hit", "miss"]),
    ("l1", "set", &["ok"]),
    ("l1", "remove", &["ok"]),
    ("l2", "get", &["hit", "miss", "error", "timeout"]),
    ("l2", "set", &["ok", "error", "timeout", "conflict"]),
    ("l2", "refresh", &["ok", "error", "timeout"]),
    ("l2", "remove", &["ok", "error", "timeout", "conflict"]),
];

/// One operation that ended, in the words of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct StoreCall<'a> {
    /// `l1` or `l2`.
    pub level: &'a str,
    /// `get`, `set`, `refresh` or `remove`.
    pub operation: &'a str,
    /// `hit`, `miss`, `ok`, `error`, `timeout` or `conflict`.
    pub outcome: &'a str,
    /// How long the caller waited, where that was measured.
    pub took: Option<Duration>,
}

/// Counts calls; recording never waits.
#[derive(Debug)]
pub struct StoreMeter {
    calls: [[AtomicU64; 4]; OPERATIONS.len()],
    durations: [Histogram; OPERATIONS.len()],
    read: Histogram,
    written: Histogram,
}

impl Default for StoreMeter {
    fn default() -> Self {
        Self {
            calls: Default::default(),
            durations: OPERATIONS.map(|_| Histogram::new(DURATION_BUCKETS)),
            read: Histogram::new(SIZE_BUCKETS),
            written: Histogram::new(SIZE_BUCKETS),
        }
    }
}

impl StoreMeter {
    /// Takes note of `call`; words that are not the catalogue's count nowhere.
    pub fn record(&self, call: StoreCall<'_>) {
        let is_it = |(level, operation, _): &(&str, &str, &[&str])| {
            *level == call.level && *operation == call.operation
        };
        let Some(index) = OPERATIONS.iter().position(is_it) else {
            return;
        };
        let outcomes = OPERATIONS[index].2;
        if let Some(outcome) = outcomes.iter().position(|name| *name == call.outcome) {
            self.calls[index][outcome].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(took) = call.took {
            self.durations[index].record(took);
        }
    }

    /// Takes note of the size of a blob that was `read`, or else written.
    pub fn record_blob(&self, read: bool, bytes: usize) {
        let sizes = if read { &self.read } else { &self.written };
        sizes.record_bytes(bytes);
    }

    /// Everything, for a scrape.
    pub fn families(&self) -> [Family; 3] {
        let mut calls = Family::of(&TOKENCACHE_OPERATIONS);
        let mut durations = Family::of(&TOKENCACHE_OPERATION_DURATION);
        for (index, (level, operation, outcomes)) in OPERATIONS.iter().enumerate() {
            for (outcome, count) in outcomes.iter().zip(&self.calls[index]) {
                let count = count.load(Ordering::Relaxed);
                calls = calls.count(&[level, operation, outcome], count);
            }
            // Operations on L1 are not timed: that would cost more than they do.
            if *level == "l2" {
                durations = durations.histogram(&["l2", operation], self.durations[index].sample());
            }
        }
        let sizes = Family::of(&TOKENCACHE_BLOB_SIZE)
            .histogram(&["read"], self.read.sample())
            .histogram(&["write"], self.written.sample());
        [calls, durations, sizes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::render;

    #[test]
    fn calls_count_by_outcome_and_blobs_by_direction() {
        let meter = StoreMeter::default();
        let call = |operation, outcome| StoreCall {
            level: "l2",
            operation,
            outcome,
            took: Some(Duration::from_millis(2)),
        };
        meter.record(call("get", "hit"));
        meter.record_blob(true, 300);
        meter.record(call("get", "error"));
        meter.record(call("set", "ok"));
        meter.record_blob(false, 5_000);
        meter.record(call("drop", "ok"));
        let text = render(meter.families());
        for line in [
            r#"tokencache_operations_total{level="l2",operation="get",outcome="hit"} 1"#,
            r#"tokencache_operations_total{level="l2",operation="get",outcome="error"} 1"#,
            r#"tokencache_operations_total{level="l2",operation="remove",outcome="ok"} 0"#,
            r#"tokencache_operation_duration_seconds_count{level="l2",operation="get"} 2"#,
            r#"tokencache_blob_size_bytes_sum{direction="read"} 300"#,
            r#"tokencache_blob_size_bytes_sum{direction="write"} 5000"#,
        ] {
            assert!(text.contains(line), "no {line}: {text}");
        }
        assert!(!text.contains("drop"), "{text}");
    }
}
