//! A virtual run is decided by its seed alone.

use std::path::Path;

use loadgen::report::model::Report;
use loadgen::scenario::plan::Mode;
use loadgen::scenario::{Overrides, Plan, load};

use crate::lab::{plan, written, written_with};

/// Everything that could bring chance in: several instances, refreshes with
/// jitter, a store, evictions, sign-ins.
const BUSY: &str = "
version: 1
duration: 2h
idp: { expires_in: 1h, refresh_in: 30m, latency: { token: { lognormal: { median: 80ms, p99: 900ms } } } }
cache: { l1: { size_limit: 60KB }, l2: { store: memory, size_limit: 200KB, latency: { lognormal: { median: 1ms, p99: 20ms } } } }
fleet: { instances: 3 }
population:
  tenants: { count: 40, popularity: { zipf: 0.9 } }
  users: { count: 60, popularity: { zipf: 0.9 } }
traffic:
  - { flow: client_credentials, rate: 10/min }
  - { flow: authorization_code, rate: 10/min }
  - { flow: on_behalf_of, rate: 10/min }
";

/// `report.json` without what the wall clock says.
fn without_wall_clock(json: &str) -> String {
    let is_wall = |line: &&str| line.contains("\"started_at\"") || line.contains("\"wall_s\"");
    let kept: Vec<&str> = json.lines().filter(|line| !is_wall(line)).collect();
    assert_eq!(kept.len() + 2, json.lines().count());
    kept.join("\n")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    for preset in ["recommended", "msal_net"] {
        for mode in [Mode::Virtual, Mode::Model] {
            let set = [format!("cache.preset={preset}")];
            let run = |seed| {
                let plan = plan(BUSY, seed, &set.each_ref().map(String::as_str));
                without_wall_clock(&written(&plan, mode))
            };
            let first = run(42);
            assert_eq!(first, run(42), "{preset} {mode:?}");
            assert_ne!(first, run(43), "{preset} {mode:?}");
        }
    }
}

/// The shipped day, with an outage, restarts, scaling and three flows, and a tenth
/// of its traffic: code that is not optimised is slow.
fn day(seed: u64) -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/day-in-the-life.yaml");
    let set = [
        "traffic[0].rate=90/h",
        "traffic[1].visits.rate=1/h",
        "traffic[1].visits.stages[1].to=12/h",
        "traffic[1].visits.stages[3].to=1/h",
        "traffic[2].rate=6/h",
        "traffic[2].stages[1].to=90/h",
        "traffic[2].stages[3].to=6/h",
    ];
    let overrides = Overrides {
        seed: Some(seed),
        set: set.map(str::to_owned).into(),
        ..Overrides::default()
    };
    load(&file, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_day_in_the_life_repeats_to_the_byte_and_with_another_seed_does_not() {
    let run = |seed| without_wall_clock(&written(&day(seed), Mode::Virtual));
    let first = run(1);
    assert!(first == run(1), "the same seed differs");
    assert!(first != run(2), "another seed does not");
}

#[test]
fn eight_workers_offer_the_same_arrivals_as_one() {
    let set = [
        "duration=500ms",
        "traffic=[{ flow: client_credentials, rate: 400/s }]",
    ];
    let arrivals = |workers| {
        let run = written_with(&plan(BUSY, 5, &set), Mode::Real, workers);
        let run: Report = serde_json::from_str(&run).unwrap();
        (run.load.offered, run.load.started, run.load.fingerprint)
    };
    assert_eq!(arrivals(1), arrivals(8));
}
