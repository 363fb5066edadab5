//! Whatever happens to a run, it ends with a code of its own and what was measured
//! is written.

use loadgen::report::model::{ThresholdVerdict, Verdict};

use crate::THREE_FLOWS;
use crate::program::Lab;
use crate::report::{read, run};

#[test]
fn results_that_cannot_be_written_are_an_environment_error_and_are_printed() {
    let lab = Lab::new();
    lab.write("x.yaml", THREE_FLOWS);
    std::fs::create_dir(lab.path("out")).unwrap();
    // A disk without room for one of the files.
    std::os::unix::fs::symlink("/dev/full", lab.path("out/report.json")).unwrap();
    let ended = lab.start(&["run", "x.yaml", "--out", "out"]).end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let said = "error: `out/report.json` cannot be written: No space left on device";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(ended.stdout.contains("WHERE TOKENS CAME FROM"));
    let text = std::fs::read_to_string(lab.path("out/report.txt")).unwrap();
    assert_eq!(text, ended.stdout, "what has room is written");
}

#[test]
fn a_place_for_results_that_cannot_be_made_is_told_before_the_run() {
    let lab = Lab::new();
    lab.write("x.yaml", THREE_FLOWS);
    lab.write("file", "");
    let ended = lab
        .start(&["run", "x.yaml", "--out", "file/out", "--set", "duration=1h"])
        .end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("`file/out` cannot be written"));
}

#[test]
fn a_store_that_dies_costs_speed_and_no_answer() {
    let scenario = format!("{THREE_FLOWS}faults: [{{ at: 500ms, l2: {{ is: refuse }} }}]\n");
    let run = run(&Lab::new(), &scenario, &[]);
    run.adds_up();
    run.is_clean();
    assert!(run.report.cache.l2.errors > 0, "{:?}", run.report.cache);
    assert_eq!(run.report.totals.errors, 0);
    assert_eq!(run.report.series.marks[0].label, "L2 refuses connections");
}

#[test]
fn a_run_too_short_for_a_quantile_says_so_and_does_not_pass() {
    // Validation sees that coming; an arrival rate that is merely low does not
    // show before it has run.
    let scenario = "\
version: 1
duration: 2s
traffic:
  - { flow: client_credentials, rate: 510/s, name: jobs }
thresholds:
  - p99(acquire{flow=jobs}) < 1h min_samples 5000
";
    let run = run(&Lab::new(), scenario, &[]);
    run.adds_up();
    run.is_wrong_only_in(&["has nothing, or too little, to judge by"]);
    let threshold = &run.report.thresholds[0];
    assert_eq!(threshold.verdict, ThresholdVerdict::NoData);
    assert_ne!(run.ended.code, Some(0));
}

#[test]
fn a_virtual_run_that_is_stopped_writes_what_there_is() {
    // Both a first signal alone, and a second one right behind it.
    for signals in [&["INT"][..], &["TERM"], &["INT", "INT"]] {
        let lab = Lab::new();
        lab.write(
            "x.yaml",
            THREE_FLOWS.replace("duration: 2s", "duration: 3000h"),
        );
        let running = lab.start(&[
            "run", "x.yaml", "--mode", "virtual", "--out", "out", "--log", "info",
        ]);
        running.wait_for("simulation began");
        for signal in signals {
            running.signal(signal);
        }
        let run = read(&lab, running.end());
        assert_eq!(run.report.verdict, Verdict::Interrupted);
        assert_eq!(run.ended.code, Some(130));
        run.adds_up();
        assert!(run.report.load.offered > 0, "{:?}", run.report.load);
        assert!(run.report.duration_s < 3_000.0 * 3_600.0);
        assert!(lab.path("out/acquire.hlog").is_file());
    }
}
