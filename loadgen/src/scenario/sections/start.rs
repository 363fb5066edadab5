//! `start`: what the caches hold before the first arrival.

use std::path::PathBuf;

use crate::scenario::plan::Start;
use crate::scenario::reader::{Choice, Kind, ScalarOr, Table, TableOf, Text};

pub(super) fn start() -> impl Kind<Value = Start> {
    ScalarOr {
        short: Choice(&[("cold", Start::Cold), ("stationary", Start::Stationary)]),
        long: TableOf(snapshot),
    }
}

fn snapshot(table: &mut Table<'_>) -> Option<Start> {
    let file = table.required("snapshot", "A file that the caches are filled from", &Text);
    file.map(PathBuf::from).map(Start::Snapshot)
}
