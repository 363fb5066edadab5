//! What breaks, and when: the fault timeline of a plan, applied to whatever is
//! driven.

pub mod ground;
pub mod rules;
pub mod store;
pub mod timeline;

pub use ground::Driven;
pub use store::{FaultyStore, StoreFaults};
pub use timeline::{Breakable, Timeline};
