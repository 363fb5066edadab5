//! A rate over time: `rate`, `arrivals` and `stages`.

use std::time::Duration;

use crate::scenario::plan::{Arrivals, RatePlan, Stage};
use crate::scenario::reader::{AnyRate, Bad, Choice, DurationIn, ListOf, Table, TableOf};
use crate::scenario::units::Rate;

/// Most stages of one rate.
const MAX_STAGES: usize = 1_000;

/// The three keys, read but not yet put together.
#[derive(Debug, Clone)]
pub(super) struct RateKeys {
    arrivals: Option<Arrivals>,
    rate: Result<Option<Rate>, Bad>,
    stages: Result<Option<Vec<StageDraft>>, Bad>,
}

#[derive(Debug, Clone, Copy)]
enum StageDraft {
    To(Stage),
    Hold(Duration),
}

/// Takes the keys.
pub(super) fn keys(table: &mut Table<'_>, rate_doc: &'static str) -> RateKeys {
    RateKeys {
        arrivals: table.or(
            "arrivals",
            "How arrivals are spaced",
            "poisson",
            &Choice(&[
                ("constant", Arrivals::Constant),
                ("poisson", Arrivals::Poisson),
            ]),
        ),
        rate: table.optional("rate", rate_doc, &AnyRate),
        stages: table.optional(
            "stages",
            "Where the rate goes from `rate`; after the last it stays",
            &ListOf {
                item: TableOf(stage),
                min: 1,
                max: MAX_STAGES,
            },
        ),
    }
}

fn stage(table: &mut Table<'_>) -> Option<StageDraft> {
    let to = table.optional("to", "The rate at the end of the stage", &AnyRate);
    let over = table.or(
        "over",
        "How long it takes to get there, along a straight line; `0s` jumps",
        "0s",
        &DurationIn::any(),
    );
    let hold = table.optional(
        "hold",
        "How long the rate stays where it is; instead of `to`",
        &DurationIn::above_zero(),
    );
    match (to.ok()?, hold.ok()?) {
        (Some(to), None) => Some(StageDraft::To(Stage { to, over: over? })),
        (None, Some(hold)) if !table.has("over") => Some(StageDraft::Hold(hold)),
        _ => {
            let span = table.key_span("hold");
            table.problems().add_with_hint(
                span,
                "a stage goes to a rate or holds one",
                "write `{ to: 20/s, over: 1h }` or `{ hold: 22h }`",
            );
            None
        }
    }
}

impl RateKeys {
    /// The rate over time; problems for what makes none.
    pub(super) fn into_plan(self, table: &mut Table<'_>) -> Option<RatePlan> {
        let (arrivals, rate, stages) = (self.arrivals, self.rate.ok()?, self.stages.ok()?);
        let Some(rate) = rate else {
            let span = table.key_span("stages");
            table
                .problems()
                .add_with_hint(span, "`rate` is missing", "write `rate: 200/s`");
            return None;
        };
        let mut level = rate;
        let stages = stages.unwrap_or_default().into_iter().map(|stage| {
            let stage = match stage {
                StageDraft::To(stage) => stage,
                StageDraft::Hold(over) => Stage { to: level, over },
            };
            level = stage.to;
            stage
        });
        let plan = RatePlan {
            arrivals: arrivals?,
            rate,
            stages: stages.collect(),
        };
        if plan.peak() <= 0.0 {
            let span = table.value_span("rate");
            table.problems().add_with_hint(
                span,
                format!("`{rate}` is nothing"),
                "leave the entry out instead",
            );
            return None;
        }
        Some(plan)
    }
}
