//! Scenario files: what was written, validated, becomes the plan of what will
//! run.
//!
//! Text is read into a tree with places ([`yaml`]), laid over the files it extends
//! (`compose`), its `${VARIABLES}` filled in (`variables`), overrides are laid over
//! it ([`overrides`]), sections take their fields from it ([`reader`],
//! [`sections`]), meaning is checked across sections ([`lint`]), and what is
//! left without problems is a [`plan::Plan`].

pub mod address;
mod compose;
pub mod feature;
pub mod lint;
pub mod load;
pub mod overrides;
pub mod plan;
pub mod problem;
pub mod reader;
pub mod reference;
pub mod resolved;
pub mod schema;
pub mod sections;
pub mod span;
mod trace;
pub mod units;
mod variables;
pub mod yaml;

pub use load::{LoadError, load};
pub use overrides::Overrides;
pub use plan::Plan;
