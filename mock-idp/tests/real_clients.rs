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

#[test]
fn msal_for_python_works_unmodified() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/msal_python.py");
    let python = python();
    let program = Program::serve(&["--imds", "127.0.0.1:0"]);
    let output = Command::new(&python)
        .arg(script)
        .args([&program.https, &program.http, &program.imds])
        .env("REQUESTS_CA_BUNDLE", program.ca_certificate())
        .env("SSL_CERT_FILE", program.ca_certificate())
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
