//! `start`: what the caches hold before the first arrival.

use std::path::PathBuf;

use crate::scenario::reader::{Choice, Kind, ScalarOr, Table, TableOf, Text};

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartDraft {
    /// `cold`
    Cold,
    /// `stationary`
    Stationary,
    /// `{ snapshot: FILE }`, the file not read yet.
    Snapshot(PathBuf),
}

pub(super) fn start() -> impl Kind<Value = StartDraft> {
    ScalarOr {
        short: Choice(&[
            ("cold", StartDraft::Cold),
            ("stationary", StartDraft::Stationary),
        ]),
        long: TableOf(snapshot),
    }
}

fn snapshot(table: &mut Table<'_>) -> Option<StartDraft> {
    let file = table.required(
        "snapshot",
        "What `loadgen run --snapshot-out` wrote; its path is relative to the scenario's",
        &Text,
    );
    file.map(PathBuf::from).map(StartDraft::Snapshot)
}
