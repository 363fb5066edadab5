//! Waiting times.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::units::show_duration;

/// A distribution of waiting times.
#[derive(Debug, Clone, PartialEq)]
pub enum LatencyPlan {
    /// No wait.
    None,
    /// Always the same wait.
    Fixed(Duration),
    /// Evenly spread between two bounds, `min <= max`.
    Uniform {
        /// Shortest wait.
        min: Duration,
        /// Longest wait.
        max: Duration,
    },
    /// Lognormal, by the two numbers people know; `0 < median <= p99`.
    LogNormal {
        /// Half of all waits are shorter.
        median: Duration,
        /// 99 of 100 waits are shorter.
        p99: Duration,
    },
    /// Exponential, as between independent events; the mean is above zero.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// One of these, each as likely, as measured somewhere; never empty.
    Empirical(Arc<[Duration]>),
}

impl fmt::Display for LatencyPlan {
    /// As in "it takes ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no time"),
            Self::Fixed(wait) => f.write_str(&show_duration(*wait)),
            Self::Uniform { min, max } => {
                write!(f, "{} to {}", show_duration(*min), show_duration(*max))
            }
            Self::LogNormal { median, p99 } => write!(
                f,
                "{} at the median and {} at p99",
                show_duration(*median),
                show_duration(*p99)
            ),
            Self::Exponential { mean } => write!(f, "{} on average", show_duration(*mean)),
            Self::Empirical(waits) => write!(f, "one of {} measured times", waits.len()),
        }
    }
}

impl LatencyPlan {
    /// The wait that half of all are shorter than.
    pub fn median(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(wait) => *wait,
            Self::Uniform { min, max } => (*min + *max) / 2,
            Self::LogNormal { median, .. } => *median,
            Self::Exponential { mean } => mean.mul_f64(std::f64::consts::LN_2),
            Self::Empirical(waits) => {
                let mut sorted = waits.to_vec();
                sorted.sort_unstable();
                sorted.get(sorted.len() / 2).copied().unwrap_or_default()
            }
        }
    }

    /// The mean wait.
    pub fn mean(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(wait) => *wait,
            Self::Uniform { min, max } => (*min + *max) / 2,
            Self::LogNormal { median, p99 } => {
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / Z99;
                median.mul_f64((sigma * sigma / 2.0).exp())
            }
            Self::Exponential { mean } => *mean,
            Self::Empirical(waits) => {
                let count = u32::try_from(waits.len()).unwrap_or(u32::MAX).max(1);
                waits.iter().sum::<Duration>() / count
            }
        }
    }
}

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;
