//! Real, unmodified clients against the real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/interop.rs"]
mod interop;
#[path = "support/program.rs"]
mod program;
#[path = "support/temp_dir.rs"]
mod temp_dir;

use std::process::Command;

use interop::{node_modules, python, script};
use program::Program;

/// Runs a client's cases against a program of its own, started with these arguments; `client` is
/// the command without the origins.
fn assert_passes(client: &mut Command, arguments: &[&str]) {
    let program = Program::serve(&[&["--imds", "127.0.0.1:0"], arguments].concat());
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
    assert_passes(Command::new(python()).arg(script("msal_python.py")), &[]);
}

#[test]
fn msal_for_python_copes_with_trouble_as_it_is_known_to() {
    assert_passes(
        Command::new(python()).arg(script("msal_python_faults.py")),
        &["--refresh-in", "1s"],
    );
}

#[test]
fn msal_for_node_works_unmodified() {
    assert_passes(
        Command::new("node")
            .arg(script("msal_node.mjs"))
            .arg(node_modules()),
        &[],
    );
}

#[test]
fn msal_for_node_copes_with_trouble_as_it_is_known_to() {
    assert_passes(
        Command::new("node")
            .arg(script("msal_node_faults.mjs"))
            .arg(node_modules()),
        &["--refresh-in", "1s"],
    );
}

#[test]
fn msal_for_the_browser_works_unmodified() {
    assert_passes(
        Command::new("node")
            .arg(script("msal_browser.mjs"))
            .arg(node_modules()),
        &[],
    );
}

#[test]
fn people_sign_in_on_the_pages_in_a_real_browser() {
    assert_passes(
        Command::new("node")
            .arg(script("pages.mjs"))
            .arg(node_modules()),
        &["--sign-in", "page", "--device-code", "page"],
    );
}

#[test]
fn pyjwt_validates_across_rollovers() {
    assert_passes(Command::new(python()).arg(script("validators.py")), &[]);
}

#[test]
fn jose_validates_across_rollovers() {
    assert_passes(
        Command::new("node")
            .arg(script("validators.mjs"))
            .arg(node_modules()),
        &[],
    );
}
