//! What is wrong with a scenario although each value is fine: a run that could
//! not do what the file asks for fails here, not at its end.

use std::time::Duration;

use super::plan::{IdpPlan, LatencyPlan};
use super::problem::{Problem, Problems};
use super::sections::{Draft, TrafficDraft};
use super::units::show_duration;
use super::yaml::{Node, Value};
use crate::gate::threshold::{self, Context, Statistic, Threshold};

/// Reads the thresholds and checks what spans sections.
pub(super) fn check(draft: &Draft, problems: &mut Problems) -> Vec<Threshold> {
    concurrency(draft, problems);
    let context = context(draft);
    let mut thresholds = Vec::new();
    for (text, node) in &draft.thresholds {
        if let Some(threshold) = read_threshold(text, node, &context, problems) {
            enough_samples(&threshold, node, draft, problems);
            thresholds.push(threshold);
        }
    }
    thresholds
}

/// Were every acquisition to ask the provider, as all do at a cold start, this
/// many would be in flight (Little's law).
fn concurrency(draft: &Draft, problems: &mut Problems) {
    let (Some(IdpPlan::Embedded(idp)), Some(max_in_flight), Some(total)) =
        (&draft.idp, draft.max_in_flight, total_rate(draft))
    else {
        return;
    };
    let median = median(idp.token_latency);
    let in_flight = total * median.as_secs_f64();
    if in_flight > max_in_flight as f64 {
        problems.add_with_hint(
            draft.max_in_flight_span,
            format!(
                "{} arrivals a second at a median latency of {} are {in_flight:.0} in flight, above `max_in_flight`, \
                 which is {max_in_flight}",
                (total * 1e3).round() / 1e3,
                show_duration(median),
            ),
            format!("write `max_in_flight: {:.0}` or more, or offer less", in_flight.ceil() * 2.0),
        );
    }
}

fn median(latency: LatencyPlan) -> Duration {
    match latency {
        LatencyPlan::None => Duration::ZERO,
        LatencyPlan::Fixed(wait) => wait,
        LatencyPlan::Uniform { min, max } => (min + max) / 2,
        LatencyPlan::LogNormal { median, .. } => median,
    }
}

fn context(draft: &Draft) -> Context {
    let names =
        |traffic: &Vec<TrafficDraft>| traffic.iter().map(|entry| entry.name.clone()).collect();
    Context {
        flows: draft.traffic.as_ref().and_then(names),
        has_l1: draft.cache.as_ref().map(|cache| cache.l1.is_some()),
        has_l2: draft.cache.as_ref().map(|cache| cache.l2.is_some()),
    }
}

fn read_threshold(
    text: &str,
    node: &Node,
    context: &Context,
    problems: &mut Problems,
) -> Option<Threshold> {
    // A text that does not stand in the file as it is (a folded or escaped one)
    // has no places inside: its problems point at its beginning.
    let verbatim_at = match &node.value {
        Value::Scalar(scalar) => scalar.verbatim_at,
        Value::Sequence(_) | Value::Mapping(_) => None,
    };
    match threshold::parse(text, node.span.line, node.span.column, context) {
        Ok(threshold) => Some(threshold),
        Err(error) => {
            let span = match verbatim_at {
                Some(start) => node.span.part(start + error.offset, error.length),
                None => node.span,
            };
            problems.push(Problem {
                span,
                message: error.message,
                hint: Some(error.hint),
            });
            None
        }
    }
}

/// A quantile needs samples beyond it. What a run will have is known before it
/// starts; for distributions only some acquisitions feed, this is the most.
fn enough_samples(threshold: &Threshold, node: &Node, draft: &Draft, problems: &mut Problems) {
    let Some(statistic) = threshold.subject.statistic else {
        return;
    };
    let rate = match &threshold.subject.flow {
        None => total_rate(draft),
        Some(name) => flow_rate(draft, name),
    };
    let (Some(rate), Some(duration)) = (rate, draft.duration) else {
        return;
    };
    let (needed, expected) = (statistic.samples_needed(), rate * duration.as_secs_f64());
    if expected >= needed as f64 {
        return;
    }
    let enough =
        Duration::try_from_secs_f64((needed as f64 / rate).ceil()).unwrap_or(Duration::MAX);
    let smaller = Statistic::ALL
        .into_iter()
        .filter(|other| other.samples_needed() > 1 && other.samples_needed() as f64 <= expected)
        .max_by_key(|other| other.samples_needed());
    problems.add_with_hint(
        node.span,
        format!(
            "`{}` needs {needed} samples to mean anything, and this run has about {expected:.0}",
            statistic.as_str()
        ),
        match smaller {
            Some(smaller) => format!(
                "use `{}`, or a duration of `{}`",
                smaller.as_str(),
                show_duration(enough)
            ),
            None => format!("use `max`, or a duration of `{}`", show_duration(enough)),
        },
    );
}

fn flow_rate(draft: &Draft, name: &str) -> Option<f64> {
    let entry = draft
        .traffic
        .as_ref()?
        .iter()
        .find(|entry| entry.name.as_deref() == Some(name))?;
    entry.rate.map(super::units::Rate::per_second)
}

/// Of all flows; `None` when one of them is not known.
fn total_rate(draft: &Draft) -> Option<f64> {
    let traffic = draft.traffic.as_ref()?;
    traffic
        .iter()
        .map(|entry| entry.rate.map(super::units::Rate::per_second))
        .sum()
}
