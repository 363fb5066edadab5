//! One plan on three clocks: the model of an ideal cache, the real cache in
//! virtual time, and sockets in real time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "clocks/lab.rs"]
mod lab;

#[path = "clocks/agreement.rs"]
mod agreement;
#[path = "clocks/course.rs"]
mod course;
#[path = "clocks/early_end.rs"]
mod early_end;
#[path = "clocks/explained.rs"]
mod explained;
#[path = "clocks/fleet.rs"]
mod fleet;
#[path = "clocks/formulas.rs"]
mod formulas;
#[path = "clocks/full.rs"]
mod full;
#[path = "clocks/gate.rs"]
mod gate;
#[path = "clocks/repetition.rs"]
mod repetition;
#[path = "clocks/retries.rs"]
mod retries;
#[path = "clocks/sessions.rs"]
mod sessions;
#[path = "clocks/snapshot.rs"]
mod snapshot;
#[path = "clocks/stationary.rs"]
mod stationary;
#[path = "clocks/trace.rs"]
mod trace;
#[path = "clocks/users.rs"]
mod users;
