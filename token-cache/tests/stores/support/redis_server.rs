//! A Redis for tests, whichever crate's.

use std::process::Command;

use super::server::Server;

/// Starts one that keeps all in memory, with these words more.
pub(crate) fn redis(port: u16, more: &[&str]) -> Server {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no", "--dir", "/tmp"]);
    command.args(more);
    Server::start(port, command)
}
