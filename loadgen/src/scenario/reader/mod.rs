//! The one way values are read from a scenario.
//!
//! A section is a function over a [`Table`] that takes its fields by name. A
//! bad value notes a problem and reading goes on, so all problems of a file
//! come at once. The same function, run over a describing table, yields the
//! section's [`Shape`]: the published schema cannot drift from what is read.

mod compound;
mod kind;
mod shape;
mod table;

pub use compound::{AnyTable, ListOf, Located, ScalarOr, TableOf};
pub use kind::{
    AnyRate, AnyShare, Choice, DurationIn, Flag, Integer, Kind, Number, Quantity, Text,
};
pub use shape::{Default, Field, Shape};
pub use table::{Bad, Table};
