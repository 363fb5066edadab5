//! Scenarios and their twins.

use crate::program::{Ended, Lab};

const GOOD: &str = "\
version: 1
name: proven
mode: virtual
duration: 1m
population: { tenants: 5 }
traffic: [{ flow: client_credentials, rate: 5/s }]
thresholds: [hit_ratio >= 90%, errors == 0]
twin:
  why: nothing is kept
  breaks: hit_ratio >= 90%
  change: { cache: { l1: none, l2: none } }
";

fn prove(scenario: &str) -> Ended {
    let lab = Lab::new();
    lab.write("proven.yaml", scenario);
    lab.start(&["gate", "--prove", "proven.yaml"]).end()
}

#[test]
fn a_scenario_that_passes_and_whose_twin_fails_as_named_is_proven() {
    let ended = prove(GOOD);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("fails on hit_ratio >= 90%"),
        "{ended:?}"
    );
}

#[test]
fn what_proves_nothing_is_red() {
    let cases = [
        (
            "breaks: hit_ratio >= 90%",
            "breaks: errors == 0",
            "the twin fails, but not on `errors == 0`",
        ),
        (
            "change: { cache: { l1: none, l2: none } }",
            "change: { cache: { l2: { store: memory } } }",
            "the twin does not fail: it is pass",
        ),
        (
            "thresholds: [hit_ratio >= 90%, errors == 0]",
            "thresholds: [hit_ratio >= 90%, errors == 0, acquisitions >= 9999]",
            "the scenario itself does not pass",
        ),
    ];
    for (old, new, expected) in cases {
        let scenario = GOOD.replace(old, new);
        assert_ne!(scenario, GOOD);
        let ended = prove(&scenario);
        assert_eq!(ended.code, Some(1), "{expected}: {ended:?}");
        assert!(ended.stdout.contains(expected), "{expected}: {ended:?}");
    }
}
