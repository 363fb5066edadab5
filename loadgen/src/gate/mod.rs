//! What must hold of a run: thresholds written in scenarios, judged over a
//! report; and whether it got worse: counts against a baseline, costs, and pairs
//! of runs of two builds.

pub mod judge;
pub mod metric;
pub mod subject;
pub mod theory;
pub mod threshold;

pub mod baseline;
pub mod cost;
pub mod discordance;
pub mod exact;
pub mod pairs;
pub mod runner;
pub mod why;

pub mod uncertainty;

pub use judge::judge;
pub use subject::Subject;
pub use threshold::{Operator, Statistic, Threshold, ThresholdError};
