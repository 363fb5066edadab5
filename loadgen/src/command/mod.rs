//! One verb each.

pub mod explain;
pub mod report;
pub mod run;
pub mod validate;
