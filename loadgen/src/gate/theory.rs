//! What an ideal cache would have done, as a threshold's limit.

use super::metric::Metric;
use super::subject::Subject;
use crate::report::model::Report;

/// The metrics that theory predicts.
const PREDICTED: [&str; 2] = ["hit_ratio", "idp_calls_per_1k"];

/// A prediction, and how far chance alone moves what is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// In the metric's unit.
    pub value: f64,
    /// In the same unit; `None` when the report does not tell.
    pub standard_error: Option<f64>,
}

/// Whether `theory` may stand for a limit of `metric`.
pub fn predicts(metric: &Metric) -> bool {
    PREDICTED.contains(&metric.name)
}

/// Which metrics those are, for hints.
pub fn predicted_metrics() -> String {
    PREDICTED.map(|name| format!("`{name}`")).join(" and ")
}

/// What the report's theory says of `subject`; `None` when it says nothing.
pub fn predict(subject: &Subject, report: &Report) -> Option<Prediction> {
    let scope = subject.flow.as_deref().unwrap_or("totals");
    let theory = report.theory.iter().find(|theory| theory.scope == scope)?;
    // A report of an earlier build does not say.
    let standard_error = (theory.standard_error > 0.0).then_some(theory.standard_error);
    // Measured exactly as predicted: any standard error is wide enough.
    let exact = (theory.measured_hit_ratio - theory.predicted_hit_ratio).abs() <= 0.0;
    let standard_error = standard_error.or(exact.then_some(0.0));
    let prediction = match subject.metric.name {
        "hit_ratio" => Prediction {
            value: theory.predicted_hit_ratio,
            standard_error,
        },
        "idp_calls_per_1k" => Prediction {
            value: theory.predicted_idp_calls_per_1k?,
            standard_error: standard_error.map(|error| error * 1_000.0),
        },
        _ => return None,
    };
    (prediction.value.is_finite() && prediction.standard_error.is_none_or(f64::is_finite))
        .then_some(prediction)
}
