//! The server as its clients see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../../../loadgen/tests/support/promtool.rs"]
mod promtool;
#[path = "../support/client.rs"]
mod support;
#[path = "../support/temp_dir.rs"]
mod temp_dir;

mod admin;
mod assertions;
mod authorize;
mod closed;
mod contract;
mod control;
mod cross_origin;
mod devices;
mod discovery;
mod faults;
mod forgeries;
mod grants;
mod keys;
mod ledger;
mod limits;
mod managed_identity;
mod pages;
mod proxy;
mod refresh;
mod refusals;
mod tenants;
mod throttles;
mod time;
mod tokens;
mod users;
mod versions;
