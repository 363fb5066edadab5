//! The metric catalogue as data, its Prometheus exposition, and logging.
//!
//! A metric's name, kind, unit, help, labels and bucket edges live in
//! [`catalogue`] and nowhere else. A program keeps its numbers in whatever form
//! suits its hot path and, when scraped, builds [`Family`] values from them; so
//! a scrape and a report made from the same numbers cannot differ.

pub mod catalogue;
pub mod errors;
pub mod exposition;
pub mod histogram;
pub mod levels;
pub mod logging;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod process;
pub mod serve;
#[cfg(feature = "service")]
pub mod service;
pub mod store;

pub use catalogue::{Kind, Label, Metric, Unit, Values};
#[cfg(feature = "exponential")]
pub use exposition::Exponential;
pub use exposition::{Exemplar, Family, Format, HistogramSample, Timeline, encode, render};
pub use histogram::Histogram;
pub use levels::{LetGo, Level};
pub use store::{StoreCall, StoreMeter};
