//! A server program of the system: started on a free port of loopback, stopped
//! by its process id when the test ends, also when it fails.
#![cfg_attr(
    not(any(feature = "redis", feature = "postgres", feature = "memcached")),
    expect(dead_code, reason = "no store of this build has a server")
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A directory that goes when the test ends.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("token-cache-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that runs until this goes.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts what `command` makes for a port, and waits until it listens.
    pub(crate) fn start(port: u16, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{program}: {error}; `scripts/test` installs what the tests need")
        });
        let mut server = Self { child, port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let step = Duration::from_millis(10);
        for _ in 0..PATIENCE.as_millis() / step.as_millis() {
            if TcpStream::connect_timeout(&address, step).is_ok() {
                return server;
            }
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program} ended at once: {ended:?}");
            thread::sleep(step);
        }
        panic!("{program} does not listen on {address} after {PATIENCE:?}");
    }

    /// Lets it stand still, its connections open: it hangs.
    pub(crate) fn suspend(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// The processes that it has made; Postgres has one for each session.
    fn children(&self) -> Vec<String> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }

    fn signal(&self, name: &str) {
        let mut all = self.children();
        all.push(self.child.id().to_string());
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .args(all)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let children = self.children();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !children.is_empty() {
            // Those that have ended with it are no failure.
            let mut kill = Command::new("kill");
            let _ = kill
                .arg("-KILL")
                .args(children)
                .stderr(Stdio::null())
                .status();
        }
    }
}
