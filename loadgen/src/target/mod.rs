//! What is driven: a service's instances with their caches, and the identity
//! provider behind them.

pub mod directory;
pub mod fleet;
pub mod heard;
pub mod in_process;
pub mod latency;
pub mod provider;
pub mod store;

pub use directory::Directory;
pub use fleet::Fleet;
pub use provider::Provider;
