//! What a run has to say: `report.json` as types, made from what was recorded,
//! judged, and rendered for people.

pub mod build;
pub mod hdr;
pub mod judge;
pub mod model;
pub mod series;
pub mod text;

#[cfg(test)]
pub(crate) mod sample;
