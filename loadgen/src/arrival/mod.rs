//! When work falls due: pure, seeded iterators over intended instants.
//!
//! An arrival's time depends on plan and seed alone, never on how the run is
//! doing: that is what keeps a slow answer from delaying the next question.

pub mod bursts;
pub mod constant;
pub mod curve;
pub mod poisson;
pub mod schedule;
pub mod visits;

pub use bursts::Bursts;
pub use constant::Constant;
pub use curve::Curve;
pub use poisson::Poisson;
pub use schedule::{Arrival, Schedule};
pub use visits::Visits;
