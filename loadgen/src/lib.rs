//! Drives an OAuth token cache with realistic flows and judges what it measured.

pub mod arrival;
pub mod gate;
pub mod population;
pub mod scenario;
/// What a run has to say.
pub mod report {
    pub mod model;
}
