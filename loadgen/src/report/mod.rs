//! What a run has to say: `report.json` as types, made from what was recorded,
//! judged, read back, and rendered, one file a format.

pub mod build;
mod checked;
pub mod conserve;
pub mod hdr;
pub mod judge;
mod levels;
pub(crate) mod marks;
pub mod merge;
pub mod model;
pub mod predicted;
pub mod read;
pub mod schema;
pub mod series;

pub mod bmf;
pub mod csv;
pub mod gha_benchmark;
pub mod github;
pub mod hlog;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod openmetrics;
pub mod sarif;
pub mod text;
mod ways;

pub mod escape;
pub mod figure;
pub mod number;

#[cfg(test)]
mod formats;
#[cfg(test)]
pub(crate) mod sample;
