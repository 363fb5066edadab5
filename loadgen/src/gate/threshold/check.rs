//! What a threshold's parts mean: known metric, known labels, a limit in the
//! metric's unit that the metric can both keep and break.

use super::cursor::Piece;
use super::limit::{clauses, condition};
use super::parse::{Parts, parts};
use super::{Threshold, ThresholdError};
use crate::gate::metric::{METRICS, Metric, Needs};
use crate::gate::subject::{Start, Subject, Window};
use crate::scenario::problem::{alternatives, did_you_mean, quoted};

/// What of a scenario its thresholds are checked against.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The names of its flows; `None` when they could not all be read, which
    /// lets any name pass.
    pub flows: Option<Vec<String>>,
    /// Whether it has an L1; `None` when that could not be read.
    pub has_l1: Option<bool>,
    /// Whether it has an L2; `None` when that could not be read.
    pub has_l2: Option<bool>,
    /// Whether sessions are in cookies; `None` when that could not be read.
    pub has_cookies: Option<bool>,
    /// Whether each session has a cache of its own, of which no theory knows; `None`
    /// when that could not be read.
    pub is_by_session: Option<bool>,
    /// Whether it has a warm-up; `None` when that could not be read.
    pub has_warmup: Option<bool>,
}

/// Reads a threshold that stands at `line` and `column`.
///
/// # Errors
///
/// The first thing wrong with it: its form, an unknown metric, label or flow, a
/// limit in another unit, a limit that always or never holds.
pub fn parse(
    text: &str,
    line: u32,
    column: u32,
    context: &Context,
) -> Result<Threshold, ThresholdError> {
    let parts = parts(text)?;
    let metric = metric(&parts)?;
    let (flow, label) = labels(metric, &parts, context)?;
    layer(metric, label, &parts.metric, context)?;
    let (operator, limit) = condition(metric, &parts, context)?;
    let subject = Subject {
        metric,
        statistic: parts.statistic.as_ref().map(|(statistic, _)| *statistic),
        flow,
        label,
    };
    let clauses = clauses(&subject, limit, &parts)?;
    warmup(&parts, clauses.window, context)?;
    Ok(Threshold {
        expression: text.trim().to_owned(),
        line,
        column,
        subject,
        window: clauses.window,
        operator,
        limit,
        min_samples: clauses.min_samples,
        abort_on_fail: clauses.abort_on_fail,
    })
}

fn metric(parts: &Parts) -> Result<&'static Metric, ThresholdError> {
    let name = &parts.metric.text;
    let Some(metric) = Metric::named(name) else {
        let names = || METRICS.iter().map(|metric| metric.name);
        let hint = match did_you_mean(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of {}", alternatives(names())),
        };
        return Err(parts
            .metric
            .error(format!("unknown metric {}", quoted(name)), hint));
    };
    match &parts.statistic {
        None if metric.is_distribution() => Err(parts.metric.error(
            format!("`{name}` is a distribution, not one number"),
            format!("choose a number of it: `p99({name})`, or `p50`, `p90`, `p999`, `max`, `mean`"),
        )),
        Some((statistic, piece)) if !metric.is_distribution() => Err(piece.error(
            format!(
                "`{name}` is one number, so it has no `{}`",
                statistic.as_str()
            ),
            format!("write `{}`", metric.example()),
        )),
        _ => Ok(metric),
    }
}

/// The flow and the value of the required label.
type Labels = (Option<String>, Option<&'static str>);

fn labels(
    metric: &'static Metric,
    parts: &Parts,
    context: &Context,
) -> Result<Labels, ThresholdError> {
    let required = metric.required_label();
    let known = required.clone().or_else(|| metric.optional_label());
    let (mut flow, mut chosen) = (None, None);
    for (index, (label, value)) in parts.labels.iter().enumerate() {
        if parts.labels[..index]
            .iter()
            .any(|(earlier, _)| earlier.text == label.text)
        {
            return Err(label.error(
                format!("the label {} is written twice", quoted(&label.text)),
                "keep one of the two",
            ));
        }
        match &known {
            _ if label.text == "flow" && metric.by_flow() => {
                flow = Some(known_flow(value, context)?);
            }
            Some((name, values)) if label.text == *name => {
                chosen = Some(known_value(name, values, value)?);
            }
            _ => return Err(unknown_label(metric, label)),
        }
    }
    if let Some((name, values)) = &required
        && chosen.is_none()
    {
        return Err(parts.metric.error(
            format!("`{}` is counted by `{name}`, which is missing", metric.name),
            format!(
                "write `{}`; `{name}` is {}",
                metric.example(),
                alternatives(values.iter().copied())
            ),
        ));
    }
    Ok((flow, chosen))
}

fn known_flow(value: &Piece, context: &Context) -> Result<String, ThresholdError> {
    match &context.flows {
        Some(flows) if !flows.contains(&value.text) => {
            let names = || flows.iter().map(String::as_str);
            let expected = format!("expected {}", alternatives(names()));
            let hint = match did_you_mean(&value.text, names()) {
                Some(near) => format!("did you mean `{near}`? {expected}"),
                None => expected,
            };
            Err(value.error(
                format!("no entry of `traffic` is named {}", quoted(&value.text)),
                hint,
            ))
        }
        _ => Ok(value.text.clone()),
    }
}

fn known_value(
    label: &str,
    values: &[&'static str],
    found: &Piece,
) -> Result<&'static str, ThresholdError> {
    values
        .iter()
        .copied()
        .find(|value| *value == found.text)
        .ok_or_else(|| {
            let expected = format!("expected {}", alternatives(values.iter().copied()));
            let hint = match did_you_mean(&found.text, values.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? {expected}"),
                None => expected,
            };
            found.error(
                format!("{} is not a value of `{label}`", quoted(&found.text)),
                hint,
            )
        })
}

fn unknown_label(metric: &Metric, label: &Piece) -> ThresholdError {
    let flow = metric.by_flow().then_some("flow");
    let labels: Vec<&str> = metric
        .required_label()
        .or_else(|| metric.optional_label())
        .map(|(name, _)| name)
        .into_iter()
        .chain(flow)
        .collect();
    let hint = match (
        did_you_mean(&label.text, labels.iter().copied()),
        labels.is_empty(),
    ) {
        (_, true) => format!("`{}` has no labels", metric.name),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) => format!(
            "its labels are {}",
            alternatives(labels).replace(" or ", " and ")
        ),
    };
    label.error(
        format!("`{}` has no label {}", metric.name, quoted(&label.text)),
        hint,
    )
}

/// A threshold on a layer that is not there could never fail.
fn layer(
    metric: &Metric,
    label: Option<&'static str>,
    place: &Piece,
    context: &Context,
) -> Result<(), ThresholdError> {
    let needs = match (metric.name, label) {
        ("cache_level", Some("l1")) => Needs::L1,
        ("cache_level", Some("l2")) => Needs::L2,
        _ => metric.needs,
    };
    let (present, key) = match needs {
        Needs::L1 => (context.has_l1, "cache.l1"),
        Needs::L2 => (context.has_l2, "cache.l2"),
        Needs::Cookies if context.has_cookies == Some(false) => {
            return Err(place.error(
                format!(
                    "`{}` says nothing here: no session is in cookies",
                    metric.name
                ),
                "write `provider: session_cookie` in `cache`, or leave the threshold out",
            ));
        }
        Needs::Nothing | Needs::Cookies => return Ok(()),
    };
    if present == Some(false) {
        return Err(place.error(
            format!("`{}` says nothing here: `{key}` is `none`", metric.name),
            format!("give the scenario that layer, or leave the threshold out: with `{key}: none` it cannot fail"),
        ));
    }
    Ok(())
}

/// A window that never begins has nothing to judge.
fn warmup(parts: &Parts, window: Window, context: &Context) -> Result<(), ThresholdError> {
    let after = parts.clauses.iter().find(|(name, _)| name.text == "after");
    match after {
        Some((_, value)) if window.from == Start::Warmup && context.has_warmup == Some(false) => {
            Err(value.error(
                "the scenario has no warm-up",
                "write `warmup: 30s` at its top level, or a time: `after 30s`",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
