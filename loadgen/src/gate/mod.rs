//! What must hold of a run: thresholds written in scenarios, parsed with
//! places, judged over a report.

pub mod judge;
pub mod metric;
pub mod subject;
pub mod theory;
pub mod threshold;
pub mod uncertainty;

pub use judge::judge;
pub use subject::Subject;
pub use threshold::{Operator, Statistic, Threshold, ThresholdError};
