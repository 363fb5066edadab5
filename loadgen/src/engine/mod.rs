//! Turns arrivals into samples.

mod in_flight;
mod pacer;
pub mod real;
