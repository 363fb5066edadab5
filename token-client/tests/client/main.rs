//! The client as applications use it: flow, then cache, then identity provider.
//! Provider and store are in this process and the clock is paused, but for what
//! goes over HTTP. Names begin with the items of the checklist in
//! `shared/reference/token-cache.md` §9.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod in_process;
mod lab;
#[path = "../../../token-cache/tests/support/watched.rs"]
mod watched;

mod answers;
mod cold;
mod families;
mod faults;
mod flights;
mod managed_identity;
mod metadata;
mod on_behalf_of;
mod over_http;
mod providers;
mod refresh;
mod shared_accessor;
mod sizes;
mod users;

mod msal_metrics;
mod op_counts;
mod properties;
