//! One verb each.

pub mod compare;
pub mod doctor;
pub mod explain;
pub mod gate;
pub mod init;
pub mod merge;
pub mod report;
pub mod run;
pub mod scenarios;
pub mod shell;
pub mod validate;
