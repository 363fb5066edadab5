//! `promtool check metrics`. It is in Debian's package `prometheus`, which
//! `scripts/test` installs.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What Prometheus' own linter says of these metrics: nothing, if all is well.
pub(crate) fn lint(metrics: &[u8]) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install prometheus, or scripts/test");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(metrics).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}
