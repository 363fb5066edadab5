//! Watching a program under way, and telling it to stop.

use std::process::Command;
use std::thread;

use crate::program::{NAP, NAPS, Running};

impl Running<'_> {
    /// Waits until a whole line with `text` stands on stderr, and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        for _ in 0..NAPS {
            let (said, is_all) = self.stderr.so_far();
            let mut lines = said.split_inclusive('\n');
            if let Some(line) = lines.find(|line| line.contains(text) && line.ends_with('\n')) {
                return line.to_owned();
            }
            assert!(!is_all, "ended without `{text}`: {said}");
            thread::sleep(NAP);
        }
        panic!("no `{text}` in time: {}", self.stderr.so_far().0);
    }

    /// Sends the program a signal, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }
}
