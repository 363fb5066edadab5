//! Real, unmodified clients against the real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;
#[path = "support/temp_dir.rs"]
mod temp_dir;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::Program;

/// A Python that has `msal` and `PyJWT[crypto]`.
fn python() -> PathBuf {
    let path = std::env::var_os("TOKEN_CACHE_LAB_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop-venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "no Python with msal at `{}`\nhint: run scripts/test once, or name one in \
         TOKEN_CACHE_LAB_PYTHON",
        path.display()
    );
    path
}

/// A directory whose `node_modules` has `@azure/msal-node`.
fn node_modules() -> PathBuf {
    let path = std::env::var_os("TOKEN_CACHE_LAB_NODE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop-node"),
        PathBuf::from,
    );
    assert!(
        path.join("node_modules/@azure/msal-node").exists(),
        "no @azure/msal-node in `{}`\nhint: run scripts/test once, or name a directory in \
         TOKEN_CACHE_LAB_NODE",
        path.display()
    );
    path
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// Runs a client's cases against a program of its own; `client` is the command without the
/// origins.
fn assert_passes(client: &mut Command) {
    let program = Program::serve(&["--imds", "127.0.0.1:0"]);
    let output = client
        .args([&program.https, &program.http, &program.imds])
        .env("REQUESTS_CA_BUNDLE", program.ca_certificate())
        .env("SSL_CERT_FILE", program.ca_certificate())
        .env("NODE_EXTRA_CA_CERTS", program.ca_certificate())
        // Nothing else of the surroundings decides where requests go or whom they trust.
        .env_remove("CURL_CA_BUNDLE")
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let data_dir = program.data_dir().to_owned();
    let (status, log) = program.terminate();
    assert!(
        output.status.success(),
        "{stdout}\n{stderr}\nserver:\n{log}"
    );
    assert!(stdout.ends_with("all passed\n"), "{stdout}");
    assert!(status.success() && !data_dir.exists(), "{log}");
}

#[test]
fn msal_for_python_works_unmodified() {
    assert_passes(Command::new(python()).arg(script("msal_python.py")));
}

#[test]
fn msal_for_node_works_unmodified() {
    assert_passes(
        Command::new("node")
            .arg(script("msal_node.mjs"))
            .arg(node_modules()),
    );
}
