//! A threshold: `hit_ratio{flow=obo} >= 95%`, `p99(acquire{flow=obo}) < 50ms`.
//!
//! The grammar is in `reference`, of which `docs/thresholds.md` is made. `theory` is
//! what an ideal cache would do under the same load, and `se` the standard error of
//! that prediction. `after` and `until` judge a part of the run alone. A threshold with
//! `abort_on_fail` is also judged as the run goes on, and ends it when it does not hold.

mod check;
mod cursor;
mod limit;
mod parse;
pub mod reference;

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use super::metric::Unit;
use super::subject::{Subject, Window};
use crate::scenario::units::{Bytes, show_duration};

pub use check::{Context, parse};

/// What must hold of a run.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// As written.
    pub expression: String,
    /// Line it is written on, from 1.
    pub line: u32,
    /// Column it begins at, from 1.
    pub column: u32,
    /// What is measured.
    pub subject: Subject,
    /// The part of the run that is judged.
    pub window: Window,
    /// How the measured number must stand to the limit.
    pub operator: Operator,
    /// The limit.
    pub limit: Limit,
    /// With fewer samples than this it is not judged.
    pub min_samples: Option<u64>,
    /// From so long after the first arrival on, the run ends when it does not hold.
    pub abort_on_fail: Option<Duration>,
}

/// What a measured number is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A number in the metric's unit.
    Number(f64),
    /// What theory predicts for the same subject, times a factor.
    Theory {
        /// More than zero.
        factor: f64,
    },
}

/// Equal when they say the same, wherever they stand.
impl PartialEq for Threshold {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.window == other.window
            && self.operator == other.operator
            && self.limit == other.limit
            && self.min_samples == other.min_samples
            && self.abort_on_fail == other.abort_on_fail
    }
}

impl Threshold {
    /// A measured value as a person reads it: `95.2%`, `12.4ms`, `500MB`.
    pub fn show(&self, value: f64) -> String {
        show(self.subject.metric.unit, value)
    }
}

/// A number of a metric as a person reads it, rounded where that helps.
pub fn show(unit: Unit, value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return value.to_string();
    }
    match unit {
        Unit::Count => ((value * 1e3).round() / 1e3).to_string(),
        Unit::Share => format!("{}%", (value * 1e5).round() / 1e3),
        Unit::Bytes => {
            let whole = format!("{value:.0}");
            whole
                .parse()
                .map_or(whole, |bytes| Bytes::new(bytes).to_string())
        }
        Unit::Microseconds => Duration::try_from_secs_f64(value / 1e6).map_or_else(
            |_| value.to_string(),
            |duration| {
                // Three digits say enough of a time, and `12ms345us678ns` says it badly.
                let (scale, unit) = match value {
                    value if value < 1e3 => (1.0, "us"),
                    value if value < 1e6 => (1e3, "ms"),
                    value if value < 60e6 => (1e6, "s"),
                    _ => return show_duration(Duration::from_secs(duration.as_secs())),
                };
                let scaled = value / scale;
                let decimals = if scaled < 10.0 { 100.0 } else { 10.0 };
                format!("{}{unit}", (scaled * decimals).round() / decimals)
            },
        ),
    }
}

/// Which number of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// Longest.
    Max,
    /// Mean.
    Mean,
}

impl Statistic {
    /// Every statistic.
    pub const ALL: [Self; 6] = [
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Mean,
    ];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Max => "max",
            Self::Mean => "mean",
        }
    }

    /// Samples it takes to mean anything: for a quantile `q`, ten beyond it.
    pub fn samples_needed(self) -> u64 {
        match self {
            Self::P50 => 20,
            Self::P90 => 100,
            Self::P99 => 1_000,
            Self::P999 => 10_000,
            Self::Max | Self::Mean => 1,
        }
    }
}

/// How far from its limit a number may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// This much, in the metric's unit.
    Absolute(f64),
    /// This many standard errors of the prediction.
    StandardErrors(f64),
}

/// How a measured number must stand to its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operator {
    /// Below.
    Less,
    /// Below or equal.
    LessOrEqual,
    /// Above.
    Greater,
    /// Above or equal.
    GreaterOrEqual,
    /// Equal.
    Equal,
    /// Anything else.
    NotEqual,
    /// Near it, on either side.
    Within(Tolerance),
}

impl Operator {
    /// Every operator of one sign, longer ones first, as they are looked for.
    pub const ALL: [Self; 6] = [
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::Greater,
    ];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Within(_) => "within",
        }
    }

    /// Whether `measured` stands to `limit` as it says; `None` when one of
    /// them is not a number, or a tolerance in standard errors has none.
    pub fn holds(self, measured: f64, limit: f64) -> Option<bool> {
        let order = measured.partial_cmp(&limit)?;
        Some(match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Within(Tolerance::Absolute(tolerance)) => {
                (measured - limit).abs().partial_cmp(&tolerance)? != Ordering::Greater
            }
            Self::Within(Tolerance::StandardErrors(_)) => return None,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ThresholdError {
    /// Where in the text it goes wrong, in characters from 0.
    pub offset: usize,
    /// Characters concerned, at least 1.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_compare_as_written_and_never_with_what_is_not_a_number() {
        let cases = [
            (Operator::Less, [true, false, false]),
            (Operator::LessOrEqual, [true, true, false]),
            (Operator::Equal, [false, true, false]),
            (Operator::NotEqual, [true, false, true]),
            (Operator::GreaterOrEqual, [false, true, true]),
            (Operator::Greater, [false, false, true]),
        ];
        for (operator, expected) in cases {
            for (measured, expected) in [1.0, 2.0, 3.0].into_iter().zip(expected) {
                assert_eq!(
                    operator.holds(measured, 2.0),
                    Some(expected),
                    "{measured} {operator} 2"
                );
            }
            assert_eq!(operator.holds(f64::NAN, 2.0), None, "NaN {operator} 2");
        }
    }

    #[test]
    fn measured_values_are_shown_for_people() {
        let cases = [
            (Unit::Count, 1234.0, "1234"),
            (Unit::Count, 7.123_456, "7.123"),
            (Unit::Share, 0.951_234, "95.123%"),
            (Unit::Bytes, 1_500_000.0, "1500kB"),
            (Unit::Microseconds, 1.234, "1.23us"),
            (Unit::Microseconds, 12_345.6, "12.3ms"),
            (Unit::Microseconds, 1_234_567.0, "1.23s"),
            (Unit::Microseconds, 90e6, "1m30s"),
            (Unit::Microseconds, f64::NAN, "NaN"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(show(unit, value), expected);
        }
    }
}
