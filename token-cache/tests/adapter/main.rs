//! L1 over L2, on the paused clock: a store in memory that is watched and
//! disturbed, and instances over it.

mod lab;
#[path = "../support/watched.rs"]
mod watched;

mod events;
mod expirations;
mod late;
mod layers;
mod options;
