//! A server program of the system: started on a free port of loopback, stopped
//! by its process id when the test ends, also when it fails.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
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

    /// The ids of its processes, its own last; Postgres has one for each session.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let mut ids: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        ids.push(id.to_string());
        ids
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut children = self.ids();
        children.pop();
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
