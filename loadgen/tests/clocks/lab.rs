//! Runs scenarios in this process, on any clock.

use std::path::Path;

use loadgen::command::run::{Options, run};
use loadgen::report::model::Report;
use loadgen::scenario::load::parse;
use loadgen::scenario::plan::Mode;
use loadgen::scenario::{Overrides, Plan};

/// The plan of a scenario, with a seed and changes laid over it.
pub(crate) fn plan(scenario: &str, seed: u64, set: &[&str]) -> Plan {
    let overrides = Overrides {
        seed: Some(seed),
        set: set.iter().map(|&change| change.to_owned()).collect(),
        ..Overrides::default()
    };
    let file = Path::new("scenario.yaml");
    parse(file, scenario.as_bytes(), &overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `plan` and returns `report.json`, as written.
pub(crate) fn written(plan: &Plan, mode: Mode) -> String {
    written_with(plan, mode, 2)
}

/// As [`written`], on so many worker threads.
pub(crate) fn written_with(plan: &Plan, mode: Mode, workers: usize) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(quiet(plan, mode))).unwrap().printed
}

/// Options that show nothing.
pub(crate) fn quiet(plan: &Plan, mode: Mode) -> Options {
    Options::quiet(Plan {
        mode,
        ..plan.clone()
    })
}

/// Runs `plan` and returns its report.
pub(crate) fn report(plan: &Plan, mode: Mode) -> Report {
    serde_json::from_str(&written(plan, mode)).unwrap()
}
