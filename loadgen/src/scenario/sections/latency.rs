//! Waiting times: `2ms`, `none`, or one of several distributions.

use std::time::Duration;

use crate::scenario::plan::LatencyPlan;
use crate::scenario::problem::Problems;
use crate::scenario::reader::{DurationIn, Kind, ListOf, ScalarOr, Shape, Table, TableOf};
use crate::scenario::units::show_duration;
use crate::scenario::yaml::{Node, Value};

/// Longest wait worth modelling.
const MAX: Duration = Duration::from_secs(86_400);

/// Most measured waits in a file.
const MAX_MEASURED: usize = 1_000;

/// Any latency.
pub(super) fn latency() -> impl Kind<Value = LatencyPlan> {
    ScalarOr {
        short: NoneOrFixed,
        long: TableOf(distribution),
    }
}

/// `none` or a duration.
struct NoneOrFixed;

impl Kind for NoneOrFixed {
    type Value = LatencyPlan;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<LatencyPlan> {
        if let Value::Scalar(scalar) = &node.value
            && scalar.text == "none"
        {
            return Some(LatencyPlan::None);
        }
        wait().read(node, problems).map(fixed)
    }

    fn shape(&self) -> Shape {
        Shape::OneOf(vec![Shape::Choice(vec!["none"]), wait().shape()])
    }
}

/// The distributions, in the order of hints.
const DISTRIBUTIONS: [&str; 5] = ["fixed", "uniform", "lognormal", "exponential", "empirical"];

fn distribution(table: &mut Table<'_>) -> Option<LatencyPlan> {
    let fixed_wait = table.optional("fixed", "Always this wait", &wait());
    let uniform = table.optional(
        "uniform",
        "Evenly spread from `min` to `max`",
        &TableOf(uniform),
    );
    let lognormal = table.optional(
        "lognormal",
        "Lognormal, by its `median` and `p99`",
        &TableOf(lognormal),
    );
    let exponential = table.optional(
        "exponential",
        "Exponential, by its mean, as between independent events",
        &above_zero(),
    );
    let empirical = table.optional(
        "empirical",
        "One of these waits, each as likely, as measured somewhere",
        &ListOf {
            item: wait(),
            min: 1,
            max: MAX_MEASURED,
        },
    );
    let written: Vec<&str> = DISTRIBUTIONS
        .into_iter()
        .filter(|name| table.has(name))
        .collect();
    if written.len() != 1 {
        let span = table.key_span(written.get(1).copied().unwrap_or_default());
        table.problems().add_with_hint(
            span,
            format!("a latency is one distribution, found {}", written.len()),
            "write one of `fixed`, `uniform`, `lognormal`, `exponential` and `empirical`, or `none`",
        );
        return None;
    }
    fixed_wait
        .ok()?
        .map(fixed)
        .or(uniform.ok()?)
        .or(lognormal.ok()?)
        .or(exponential
            .ok()?
            .map(|mean| LatencyPlan::Exponential { mean }))
        .or(empirical
            .ok()?
            .filter(|waits| !waits.is_empty())
            .map(|waits| LatencyPlan::Empirical(waits.into())))
}

fn uniform(table: &mut Table<'_>) -> Option<LatencyPlan> {
    let min = table.required("min", "Shortest wait", &wait());
    let max = table.required("max", "Longest wait", &wait());
    let (min, max) = (min?, max?);
    if min > max {
        let span = table.value_span("min");
        table.problems().add_with_hint(
            span,
            format!("`min` is above `max`, which is `{}`", show_duration(max)),
            "swap the two",
        );
        return None;
    }
    Some(LatencyPlan::Uniform { min, max })
}

fn lognormal(table: &mut Table<'_>) -> Option<LatencyPlan> {
    let median = table.required("median", "Half of all waits are shorter", &above_zero());
    let p99 = table.required("p99", "99 of 100 waits are shorter", &above_zero());
    let (median, p99) = (median?, p99?);
    if p99 < median {
        let span = table.value_span("p99");
        table.problems().add_with_hint(
            span,
            format!(
                "`p99` is below `median`, which is `{}`",
                show_duration(median)
            ),
            "99 of 100 waits are shorter than `p99`, so it is the longer one",
        );
        return None;
    }
    Some(LatencyPlan::LogNormal { median, p99 })
}

fn fixed(wait: Duration) -> LatencyPlan {
    if wait.is_zero() {
        LatencyPlan::None
    } else {
        LatencyPlan::Fixed(wait)
    }
}

fn wait() -> DurationIn {
    DurationIn {
        min: Duration::ZERO,
        max: MAX,
    }
}

fn above_zero() -> DurationIn {
    DurationIn {
        min: Duration::from_nanos(1),
        max: MAX,
    }
}
