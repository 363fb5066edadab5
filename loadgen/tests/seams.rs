//! What scenarios can ask of the engine does what it says: flows, faults of
//! keys and clocks, encryption, wording, sessions.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "seams/faults.rs"]
mod faults;
#[path = "seams/flows.rs"]
mod flows;
#[path = "clocks/lab.rs"]
mod lab;
#[path = "seams/sessions.rs"]
mod sessions;
