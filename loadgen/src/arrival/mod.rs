//! When work falls due: pure, seeded iterators over intended instants.
//!
//! An arrival's time depends on plan and seed alone, never on how the run is
//! doing: that is what keeps a slow answer from delaying the next question.

pub mod constant;
pub mod poisson;
pub mod schedule;

pub use constant::Constant;
pub use poisson::Poisson;
pub use schedule::{Arrival, Schedule};
