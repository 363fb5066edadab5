//! Two builds by pairs of runs, in real time and in random order.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Ended, Lab};

/// Every acquisition is a hit in L2, which takes 40 ms of its own.
const LATENCY: &str = "\
version: 1
name: latency
duration: 300ms
idp: { signing: es256 }
cache: { l1: none, l2: { store: memory, latency: 40ms } }
traffic: [{ flow: client_credentials, arrivals: constant, rate: 200/s }]
";

/// A directory with the scenario and a build that is slower, by what `--set` says.
fn lab(set: &str) -> Lab {
    let lab = Lab::new();
    lab.write("latency.yaml", LATENCY);
    let program = env!("CARGO_BIN_EXE_loadgen");
    lab.write(
        "head",
        format!("#!/bin/sh\nexec {program} \"$@\" --set {set}\n"),
    );
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(lab.path("head"), executable).unwrap();
    lab
}

fn gate(lab: &Lab, more: &[&str]) -> Ended {
    let arguments = [
        "gate",
        "latency.yaml",
        "--base",
        env!("CARGO_BIN_EXE_loadgen"),
    ];
    lab.start(&[&arguments[..], more].concat()).end()
}

#[test]
fn ten_percent_more_latency_is_caught() {
    let lab = lab("cache.l2.latency=44ms");
    let ended = gate(
        &lab,
        &["--head", "./head", "--pairs", "8", "--max-pairs", "24"],
    );
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("FAIL  "), "{ended:?}");
    assert!(ended.stdout.contains("x p50(acquire)"), "{ended:?}");
}

#[test]
fn a_build_beside_itself_does_not_fail() {
    let lab = lab("cache.l2.latency=40ms");
    let ended = gate(
        &lab,
        &["--head", "./head", "--pairs", "8", "--max-pairs", "24"],
    );
    // On a machine with other work it may be inconclusive, and never red.
    assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
    assert!(!ended.stdout.contains("FAIL"), "{ended:?}");
}

#[test]
fn a_self_test_says_how_often_a_build_alarms_at_itself() {
    let lab = lab("seed=1");
    let self_test = ["gate", "latency.yaml", "--self-test", "--pairs", "12"];
    let ended = lab.start(&self_test).end();
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    for part in [
        "p50(acquire): 12 pairs",
        "false alarms ",
        "+10 % let pass by",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn pairs_that_cannot_be_judged_are_refused() {
    let lab = lab("seed=1");
    for (more, code, expected) in [
        (&["--pairs", "5"][..], 2, "5 pairs tell nothing"),
        (&["--margin", "0%"], 2, "is not a margin"),
        (&["--metric", "p99(nothing)"], 2, "is not a metric"),
        (
            &["--pairs", "6", "--metric", "p999(acquire)"],
            3,
            "too few samples",
        ),
        (&["--pairs", "6", "--head", "./none"], 4, "cannot be run"),
    ] {
        let ended = gate(&lab, more);
        assert_eq!(ended.code, Some(code), "{more:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{more:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{more:?}: {ended:?}");
    }
}
