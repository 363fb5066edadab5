//! A run that is stopped writes what there is.

use loadgen::report::model::Verdict;

use crate::program::Lab;
use crate::report::{Run, read};
use crate::{COLD_BURST, THREE_FLOWS};

/// Starts `scenario` for an hour, with `set` laid over it, and once it runs does
/// `stop` to it.
fn stopped(
    scenario: &str,
    set: &[&str],
    stop: impl FnOnce(&crate::program::Running<'_>),
) -> (Lab, Run) {
    let lab = Lab::new();
    lab.write("x.yaml", scenario);
    let mut arguments = vec!["run", "x.yaml", "--out", "out", "--set", "duration=1h"];
    arguments.extend(set.iter().flat_map(|set| ["--set", set]));
    let running = lab.start(&arguments);
    // The first line of progress comes after two seconds of arrivals.
    running.wait_for("s of 3600s  offered ");
    stop(&running);
    let run = read(&lab, running.end());
    assert_eq!(run.report.verdict, Verdict::Interrupted);
    assert_eq!(run.ended.code, Some(130));
    assert!(
        run.ended.stdout.starts_with("INTERRUPTED  "),
        "{:?}",
        run.ended
    );
    run.adds_up();
    (lab, run)
}

#[test]
fn a_signal_ends_the_arrivals_and_what_is_under_way_ends_well() {
    for signal in ["INT", "TERM"] {
        let (lab, run) = stopped(THREE_FLOWS, &[], |running| running.signal(signal));
        run.is_wrong_only_in(&["stopped before its time"]);
        let load = &run.report.load;
        assert!(load.ok > 0 && load.ok == load.offered, "{signal}: {load:?}");
        assert!(lab.path("out/report.txt").is_file());
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let slow = [
        "idp.latency.token=10m",
        "acquire_timeout=10m",
        "graceful_stop=10m",
        "traffic[0].rate=10/s",
    ];
    let (_lab, run) = stopped(COLD_BURST, &slow, |running| {
        running.signal("INT");
        running.wait_for("once more stops at once");
        running.signal("INT");
    });
    let load = &run.report.load;
    assert_eq!((load.ok, load.censored), (0, load.started));
    assert!(load.censored > 0 && run.report.ledger.unsettled > 0);
}

#[test]
fn a_signal_before_the_first_arrival_ends_the_program_too() {
    // Two thousand sign-ins of one request each take longer than the signal.
    let scenario = "\
version: 1
duration: 1h
idp: { latency: { token: 1s } }
population: { users: 2000 }
traffic:
  - { flow: on_behalf_of, rate: 10/s }
";
    let lab = Lab::new();
    lab.write("x.yaml", scenario);
    let running = lab.start(&[
        "run",
        "x.yaml",
        "--log",
        "info",
        "--metrics-addr",
        "127.0.0.1:0",
    ]);
    running.wait_for("serving metrics");
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(
        ended.stderr.contains("before the first arrival"),
        "{ended:?}"
    );
    assert_eq!(ended.stdout, "");
}
