//! The live view, on a terminal and where there is none.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::program::{Lab, NAP, NAPS};

const THREE_SECONDS: &str = "
version: 1
name: three-seconds
duration: 3s
traffic: [{ flow: client_credentials, rate: 50/s }]
";

/// What a pseudo-terminal of 80 columns shows of `loadgen run` with `options`.
fn on_a_terminal(options: &str, variables: &[(&str, &str)]) -> String {
    let lab = Lab::new();
    lab.write("x.yaml", THREE_SECONDS);
    let program = env!("CARGO_BIN_EXE_loadgen");
    let run = format!("stty cols 80; {program} run x.yaml {options}");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &run, "/dev/null"])
        .current_dir(lab.path("."))
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", lab.path("."))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    // A busy machine may make the run an invalid one; what is shown is the same.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{output:?}: {shown}"
    );
    shown
}

#[test]
fn a_terminal_gets_a_view_that_is_wiped_before_the_report() {
    let shown = on_a_terminal("--progress auto", &[]);
    let (view, report) = shown.split_once("  three-seconds (real time").unwrap();
    let (view, verdict) = view.rsplit_once('\u{1b}').unwrap();
    assert!(verdict.starts_with("[J"), "{verdict:?}");
    for row in [
        "acquisitions/s",
        "hit ratio",
        "p99 acquire",
        "in flight",
        "of 3 s",
    ] {
        assert!(view.matches(row).count() >= 4, "{row}: {view}");
    }
    assert!(view.contains('▁') || view.contains('█'), "{view}");
    assert!(!report.contains("p99 acquire"), "{report}");
    for line in view.split("\r\n").filter(|line| !line.contains('\u{1b}')) {
        assert!(line.chars().count() <= 79, "{line}");
    }
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let shown = on_a_terminal("--progress auto", &[("TERM", "dumb")]);
    assert!(shown.contains("2s of 3s  offered"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn no_color_takes_the_colours_from_the_log() {
    let options = "--progress none --log info --metrics-addr 127.0.0.1:0";
    let coloured = on_a_terminal(options, &[]);
    assert!(coloured.contains("serving metrics"), "{coloured}");
    assert!(coloured.contains("\u{1b}[32m"), "{coloured:?}");
    let plain = on_a_terminal(options, &[("NO_COLOR", "1")]);
    assert!(plain.contains("serving metrics"), "{plain}");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_terminal_that_nobody_reads_holds_no_run_up() {
    let lab = Lab::new();
    lab.write("x.yaml", THREE_SECONDS);
    // A pipe holds 64 KiB; what does not fit blocks whoever writes it.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    std::thread::spawn(move || {
        use std::io::Write as _;
        let _ = filler.write_all(&vec![b'x'; 1 << 20]);
    });
    let mut child = lab
        .command(&["run", "x.yaml", "--progress", "tui", "--out", "out"])
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let ended = (0..NAPS).find_map(|_| {
        std::thread::sleep(NAP);
        child.try_wait().unwrap()
    });
    let _ = child.kill();
    drop(reader);
    let code = ended.and_then(|ended| ended.code());
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(lab.path("out/report.json").is_file());
}
