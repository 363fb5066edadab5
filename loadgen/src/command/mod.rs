//! One verb each.

pub mod run;
pub mod validate;
