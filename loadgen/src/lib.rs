//! Drives an OAuth token cache with realistic flows and judges what it measured.

pub mod arrival;
/// One verb each, thin.
pub mod command {
    pub mod validate;
}
pub mod gate;
pub mod population;
pub mod scenario;
/// What a run has to say.
pub mod report {
    pub mod model;
}
