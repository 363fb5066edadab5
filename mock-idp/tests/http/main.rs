//! The server as its clients see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../support/client.rs"]
mod support;
#[path = "../support/temp_dir.rs"]
mod temp_dir;

mod assertions;
mod authorize;
mod closed;
mod devices;
mod discovery;
mod grants;
mod ledger;
mod limits;
mod managed_identity;
mod refresh;
mod refusals;
mod time;
mod users;
mod versions;
