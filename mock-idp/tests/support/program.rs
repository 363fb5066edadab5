//! The real `mock-idp` program, started for a test and stopped with it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::temp_dir::TempDir;

/// A running server on free ports, with a data directory of its own.
pub(crate) struct Program {
    child: Child,
    stderr: Option<ChildStderr>,
    data: TempDir,
    /// Such as `https://127.0.0.1:12345`.
    pub(crate) https: String,
    /// Such as `http://127.0.0.1:12346`.
    pub(crate) http: String,
    /// As `http`, when managed identities were asked for.
    pub(crate) imds: String,
}

impl Program {
    /// Starts `mock-idp serve` and waits until it says that it is ready.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        let data = TempDir::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mock-idp"))
            .args([
                "serve",
                "--https",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take();
        let mut program = Self {
            child,
            stderr,
            data,
            https: String::new(),
            http: String::new(),
            imds: String::new(),
        };
        for line in BufReader::new(stdout).lines() {
            match line.unwrap().split_once(' ') {
                Some(("https", origin)) => origin.clone_into(&mut program.https),
                // Tests of Service Fabric take it from the certificate itself.
                Some(("thumbprint", _)) => {}
                Some(("http", origin)) => origin.clone_into(&mut program.http),
                Some(("imds", origin)) => origin.clone_into(&mut program.imds),
                Some(other) => panic!("printed {other:?}"),
                None => return program,
            }
        }
        panic!("ended before it was ready: {}", program.log());
    }

    pub(crate) fn ca_certificate(&self) -> PathBuf {
        self.data_dir().join("ca/ca.pem")
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Asks the program to stop, as a service manager would, and waits for its end.
    pub(crate) fn terminate(mut self) -> (ExitStatus, String) {
        let killed = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(killed.success());
        let mut tries = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            tries += 1;
            assert!(tries < 600, "still runs 30 s after SIGTERM");
            thread::sleep(Duration::from_millis(50));
        };
        (status, self.log())
    }

    /// Everything on stderr, once the program has ended.
    fn log(&mut self) -> String {
        let mut log = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Also when the test failed. A program that has ended already is no concern.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
