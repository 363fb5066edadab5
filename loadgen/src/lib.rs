//! Drives an OAuth token cache with realistic flows and judges what it
//! measured.
//!
//! A scenario file becomes a [`scenario::Plan`], the plan becomes arrivals, the
//! [`engine`] turns arrivals into samples, and [`report`] says what they mean.

pub mod cli;
pub mod command;

pub mod scenario;

pub mod arrival;
pub mod population;

pub mod engine;
pub mod fault;
pub mod flow;
pub mod snapshot;
pub mod target;

pub mod oracle;
pub mod record;
pub mod theory;

pub mod gate;
pub mod library;
pub mod report;

pub mod progress;
pub mod scrape;

pub mod exit;
pub mod http;
