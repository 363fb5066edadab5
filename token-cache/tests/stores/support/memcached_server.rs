//! A memcached for tests, whichever crate's.

use std::process::Command;

use super::server::Server;

/// Starts one, with these words more.
pub(crate) fn memcached(port: u16, more: &[&str]) -> Server {
    let mut command = Command::new("memcached");
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0"]);
    // As root it wants to be told whom to become.
    command.args(["-u", "nobody"]).args(more);
    Server::start(port, command)
}
