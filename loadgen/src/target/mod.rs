//! What is driven: a service's instances with their caches, and the identity
//! provider behind them.

pub mod contents;
pub mod directory;
mod embedded;
pub mod fleet;
pub mod heard;
pub mod in_process;
mod instance;
pub mod key_rings;
pub mod latency;
pub mod overlap;
pub mod provider;
pub mod remote;
pub mod store;
pub mod web_session;

pub use directory::Directory;
pub use fleet::Fleet;
pub use heard::Listener;
pub use provider::Provider;
