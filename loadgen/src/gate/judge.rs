//! A threshold against a report. Anything the report cannot answer, or cannot
//! answer with enough samples, is `no_data`, which is never a pass.

use super::theory;
use super::threshold::{Limit, Operator, Threshold, Tolerance};
use crate::report::model::{Mode, Report, ThresholdResult, ThresholdVerdict};

/// Judges one threshold. `measured` and `limit` are in the metric's unit:
/// counts, shares from 0 to 1, bytes, microseconds.
pub fn judge(threshold: &Threshold, report: &Report) -> ThresholdResult {
    let subject = &threshold.subject;
    let window = threshold.window;
    let is_knowable = report.mode != Mode::Model || subject.metric.is_known_to_the_model();
    let measured = subject.measure(report, window).filter(|_| is_knowable);
    let enough = threshold
        .min_samples
        .is_none_or(|least| subject.samples(report, window) >= least);
    let (limit, operator) = against(threshold, report);
    let verdict = match measured
        .filter(|_| enough)
        .zip(limit)
        .and_then(|(measured, limit)| operator.holds(measured, limit))
    {
        Some(true) => ThresholdVerdict::Pass,
        Some(false) => ThresholdVerdict::Fail,
        None => ThresholdVerdict::NoData,
    };
    ThresholdResult {
        expression: threshold.expression.clone(),
        measured,
        limit,
        tolerance: match operator {
            Operator::Within(Tolerance::Absolute(tolerance)) => Some(tolerance),
            _ => None,
        },
        unit: subject.metric.unit,
        verdict,
        aborted_at_s: None,
        file: report.scenario.file.clone(),
        line: threshold.line,
    }
}

/// The limit and the operator with what theory says put in; no limit where it
/// says nothing.
fn against(threshold: &Threshold, report: &Report) -> (Option<f64>, Operator) {
    let factor = match threshold.limit {
        Limit::Number(limit) => return (Some(limit), threshold.operator),
        Limit::Theory { factor } => factor,
    };
    let Some(prediction) = theory::predict(&threshold.subject, report) else {
        return (None, threshold.operator);
    };
    let operator = match (threshold.operator, prediction.standard_error) {
        (Operator::Within(Tolerance::StandardErrors(times)), Some(error)) => {
            Operator::Within(Tolerance::Absolute(times * error))
        }
        (operator, _) => operator,
    };
    (Some(prediction.value * factor), operator)
}

#[cfg(test)]
mod tests;
