//! One verb each.

pub mod report;
pub mod run;
pub mod validate;
