//! The sections of a scenario file, each from table to the plan's types.

mod cache;
mod faults;
mod fleet;
mod idp;
mod idp_fault;
mod l2_fault;
mod latency;
mod load;
mod policy;
mod population;
mod rate;
mod scenario;
mod session;
mod start;
mod throttle;
mod traffic;
mod twin;

pub use faults::FaultDraft;
pub use fleet::FleetDraft;
pub(in crate::scenario) use population::MAX_COUNT;
pub use scenario::{Draft, read};
pub use start::StartDraft;
pub use traffic::TrafficDraft;
pub use twin::TwinDraft;
