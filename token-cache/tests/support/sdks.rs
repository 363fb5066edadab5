//! Runs the real msal and @azure/msal-node on a user's cache, without a network.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace, whichever crate's tests these are.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What `scripts/test` installs, or where the variable says.
fn installed(variable: &str, default: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| root().join(default), PathBuf::from);
    assert!(
        path.exists(),
        "nothing at `{}`\nhint: run scripts/test once, or name it in {variable}",
        path.display()
    );
    path
}

fn script(name: &str) -> PathBuf {
    root().join("token-cache/tests/clients").join(name)
}

pub(crate) fn python() -> Command {
    let python = installed("TOKEN_CACHE_LAB_PYTHON", "target/interop-venv/bin/python");
    let mut command = Command::new(python);
    command.arg(script("msal_python.py"));
    command
}

pub(crate) fn node() -> Command {
    let mut command = Command::new("node");
    let modules = installed("TOKEN_CACHE_LAB_NODE", "target/interop-node");
    command.arg(script("msal_node.mjs")).arg(modules);
    command
}

/// Runs a client and gives what it prints: with `read`, the name and the token of
/// the account in the blob `input`; with `write`, a blob. `who` is the application,
/// the tenant, and the user's id in it.
pub(crate) fn run(mut client: Command, mode: &str, who: [&str; 3], input: &[u8]) -> String {
    let mut child = client
        .arg(mode)
        .args(who)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(input).expect("the client reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the client ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).expect("the client prints text")
}
