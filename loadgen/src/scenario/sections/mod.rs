//! The sections of a scenario file, each from table to the plan's types.

mod cache;
mod fleet;
mod idp;
mod latency;
mod population;
mod scenario;
mod traffic;

pub use scenario::{Draft, read};
pub use traffic::TrafficDraft;
