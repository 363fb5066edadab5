//! One verb each.

pub mod compare;
pub mod explain;
pub mod gate;
pub mod merge;
pub mod report;
pub mod run;
pub mod validate;
