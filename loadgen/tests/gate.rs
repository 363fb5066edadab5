//! `loadgen gate` as CI calls it: what is red, what is green, what is neither, and
//! the code that each ends with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;

#[path = "gate/baseline.rs"]
mod baseline;
#[path = "gate/costs.rs"]
mod costs;
#[path = "gate/pairs.rs"]
mod pairs;
#[path = "gate/proof.rs"]
mod proof;
