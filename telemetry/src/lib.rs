//! The metric catalogue as data, its Prometheus exposition, and logging.
//!
//! A metric's name, kind, unit, help, labels and bucket edges live in
//! [`catalogue`] and nowhere else. A program keeps its numbers in whatever form
//! suits its hot path and, when scraped, builds [`Family`] values from them; so
//! a scrape and a report made from the same numbers cannot differ.

pub mod catalogue;
pub mod exposition;
pub mod logging;
pub mod serve;

pub use catalogue::{Kind, Label, Metric, Values};
pub use exposition::{CONTENT_TYPE, Family, HistogramSample, render};
