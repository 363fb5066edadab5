//! Turns arrivals into samples, on one of three clocks: `model` simulates an
//! ideal cache, `virtual_time` runs the real one on a paused clock, `real`
//! on the wall clock. Arrivals and whom they are about are the same in all.

mod beforehand;
mod early_end;
mod gauges;
mod in_flight;
mod machine;
pub mod model;
mod pacer;
pub mod past;
mod real;
mod run;
mod subjects;
mod users;
mod virtual_time;

pub use run::{Abort, Ended, Run, Stop};
