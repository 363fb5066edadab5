//! One way to run the real `loadgen` program: in a directory of its own, to its
//! end, and with the promises that every run keeps checked on the way.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

/// A wait takes this many naps at most: two minutes.
pub(crate) const NAPS: u32 = 2_400;
pub(crate) const NAP: Duration = Duration::from_millis(50);

/// A directory for one test: where the program runs, and its temporary
/// directory below.
pub(crate) struct Lab(PathBuf);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program under way. It is killed when dropped.
pub(crate) struct Running<'a> {
    lab: &'a Lab,
    pub(crate) child: Child,
    stdout: Reader,
    pub(crate) stderr: Reader,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let name = format!("test-of-loadgen-{}", uuid::Uuid::new_v4());
        let lab = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(lab.temporary()).unwrap();
        lab
    }

    /// A file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            lab: self,
            stdout: Reader::of(child.stdout.take().unwrap()),
            stderr: Reader::of(child.stderr.take().unwrap()),
            child,
        }
    }

    /// The program, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command
            .args(arguments)
            .current_dir(&self.0)
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null());
        command
    }

    /// What the program left in its temporary directory.
    fn leftovers(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.temporary())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    fn temporary(&self) -> PathBuf {
        self.0.join("temporary")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Running<'_> {
    /// Waits for the program's end.
    pub(crate) fn end(mut self) -> Ended {
        let mut naps = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            naps += 1;
            assert!(naps < NAPS, "still runs: {}", self.stderr.so_far().0);
            thread::sleep(NAP);
        };
        let ended = Ended {
            code: status.code(),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
        };
        ended.keeps_its_promises(self.lab);
        ended
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Also when the test failed. A program that has ended is no concern.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// What holds of every run, whatever it was asked.
    fn keeps_its_promises(&self, lab: &Lab) {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains("panicked"), "{self:?}");
            assert!(!text.contains('\u{1b}'), "colours in a pipe: {self:?}");
        }
        assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "{self:?}");
    }
}

/// Reads a pipe as it fills, so that the program never waits for its reader.
pub(crate) struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    is_done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let is_done = Arc::new(AtomicBool::new(false));
        let (sink, done) = (Arc::clone(&text), Arc::clone(&is_done));
        let thread = thread::spawn(move || {
            let mut chunk = [0; 4_096];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                sink.lock().extend_from_slice(&chunk[..read]);
            }
            done.store(true, Ordering::SeqCst);
        });
        Self {
            text,
            is_done,
            thread: Some(thread),
        }
    }

    /// What was read so far, and whether that is all.
    pub(crate) fn so_far(&self) -> (String, bool) {
        // In this order: after the end nothing is added.
        let is_done = self.is_done.load(Ordering::SeqCst);
        (self.text(), is_done)
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().clone()).unwrap()
    }

    fn rest(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.text()
    }
}
