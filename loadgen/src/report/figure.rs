//! The numbers of a report as a flat list, for formats that are one.

use super::model::Report;
use crate::gate::metric::{Better, Unit};
use crate::gate::subject::{Subject, Window};
use crate::gate::threshold::Statistic;
use crate::gate::uncertainty::quantile_interval;

/// One number of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is of.
    pub subject: Subject,
    /// Its name, as thresholds write it: `p99(acquire{source=cache})`.
    pub name: String,
    /// In the metric's unit.
    pub value: f64,
    /// Where it lies with 95 % confidence; `None` for counts, which are exact,
    /// and without a series.
    pub interval: Option<(f64, f64)>,
}

impl Figure {
    /// What its number is.
    pub fn unit(&self) -> Unit {
        self.subject.metric.unit
    }

    /// Which way it is better.
    pub fn better(&self) -> Better {
        self.subject.metric.better(self.subject.label)
    }
}

/// Every number of `report`, in its order.
pub fn figures(report: &Report) -> Vec<Figure> {
    Subject::all(report)
        .into_iter()
        .filter_map(|subject| {
            let value = subject.measure(report, Window::default())?;
            let interval = interval(&subject, report);
            Some(Figure {
                name: subject.to_string(),
                value,
                interval,
                subject,
            })
        })
        .collect()
}

/// Of whole acquisitions, of which the series keeps histograms.
fn interval(subject: &Subject, report: &Report) -> Option<(f64, f64)> {
    let whole = subject.metric.name == "acquire" && subject.is_kept_over_time();
    let quantile = match subject.statistic? {
        Statistic::P50 => 0.5,
        Statistic::P90 => 0.9,
        Statistic::P99 => 0.99,
        Statistic::P999 => 0.999,
        Statistic::Max | Statistic::Mean => return None,
    };
    whole.then(|| quantile_interval(&report.series, quantile))?
}

/// How a unit is written for machines.
pub fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Share => "ratio",
        Unit::Bytes => "bytes",
        Unit::Microseconds => "microseconds",
    }
}
