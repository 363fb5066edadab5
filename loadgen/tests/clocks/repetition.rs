//! A virtual run is decided by its seed alone.

use loadgen::scenario::plan::Mode;

use crate::lab::{plan, written};

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
