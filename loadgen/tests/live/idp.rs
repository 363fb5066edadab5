//! The real `mock-idp` program, for as long as a test runs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::http::ask;

pub(crate) struct MockIdp {
    child: Child,
    /// `host:port` of its plain HTTP.
    pub(crate) http: String,
    /// `https://host:port`.
    pub(crate) https: String,
    data: PathBuf,
}

impl MockIdp {
    pub(crate) fn serve(directory: &Path) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("mock-idp");
        assert!(
            program.is_file(),
            "{} is needed: `cargo build -p mock-idp`, or `cargo test --workspace`",
            program.display()
        );
        let data = directory.join("idp");
        let mut child = Command::new(program)
            .args(["serve", "--https", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut idp = Self {
            child,
            http: String::new(),
            https: String::new(),
            data,
        };
        for line in BufReader::new(stdout).lines() {
            match line.unwrap().split_once(' ') {
                Some(("https", origin)) => {
                    let port = origin.rsplit(':').next().unwrap();
                    idp.https = format!("https://localhost:{port}");
                }
                Some(("http", origin)) => {
                    "127.0.0.1:".clone_into(&mut idp.http);
                    idp.http += origin.rsplit(':').next().unwrap();
                }
                Some(_) => {}
                // An empty line: it is ready.
                None => return idp,
            }
        }
        panic!("mock-idp ended before it was ready");
    }

    /// The `idp` section of a scenario.
    pub(crate) fn section(&self) -> String {
        let ca = self.data.join("ca/ca.pem");
        format!("idp: {{ url: \"{}\", ca: {} }}", self.https, ca.display())
    }

    /// Adds a fault.
    pub(crate) fn fault(&self, rule: &str) {
        let (status, body) = ask(&self.http, "POST /admin/faults", rule).unwrap();
        assert!(status.contains(" 200 "), "{status}: {body}");
    }

    /// Removes a fault.
    pub(crate) fn end_fault(&self, name: &str) {
        let head = format!("DELETE /admin/faults/{name}");
        let (status, body) = ask(&self.http, &head, "").unwrap();
        assert!(status.contains(" 200 "), "{status}: {body}");
    }
}

impl Drop for MockIdp {
    fn drop(&mut self) {
        // Also when the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
