//! How the work of one entry of `traffic` comes: at a rate, in visits, in
//! bursts, as a trace has it, or in a closed loop.

use std::time::Duration;

use super::latency::latency;
use super::rate::{self, RateKeys};
use crate::scenario::feature::Feature;
use crate::scenario::plan::{BurstPlan, Flow, LatencyPlan, Load, UsersPlan, VisitsPlan};
use crate::scenario::reader::{
    AnyShare, DurationIn, Integer, ListOf, Located, Number, ScalarOr, Table, TableOf, Text,
};
use crate::scenario::span::Span;
use crate::scenario::units::Share;
use crate::scenario::yaml::Node;

/// Most calls of a burst, and most users of a closed loop.
const MAX_CALLS: u64 = 1_000_000;

/// Most bursts that are written out.
const MAX_BURSTS: usize = 1_000;

/// The ways work comes, in the order of hints.
const WAYS: [&str; 5] = ["rate", "visits", "bursts", "trace", "users"];

/// How work comes, as far as the scenario alone says it.
#[derive(Debug, Clone)]
pub(super) enum LoadDraft {
    /// All of it.
    Ready(Load),
    /// In a file that is yet to be read.
    Trace {
        /// As written.
        file: String,
        /// How much faster than recorded.
        speed: f64,
        /// Where the file is named.
        span: Span,
    },
}

/// Reads the load of an entry, and where it is written.
pub(super) fn load(table: &mut Table<'_>, flow: Option<Flow>) -> (Option<LoadDraft>, Span) {
    let rate = rate::keys(table, "Mean arrivals; with `stages`, where they begin");
    let visits = table.optional(
        "visits",
        "Users who come, make some calls, think in between, and perhaps return",
        &TableOf(visits),
    );
    let bursts = table.optional(
        "bursts",
        "Calls that all fall due at the same instant",
        &ListOf {
            item: TableOf(burst),
            min: 1,
            max: MAX_BURSTS,
        },
    );
    let trace = table.optional(
        "trace",
        "A CSV file to replay: `t_ms`, and any of `tenant`, `application`, `user` and `resource`",
        &ScalarOr {
            short: FileAlone,
            long: TableOf(trace),
        },
    );
    let users = table.optional(
        "users",
        "A closed loop: so many users, each waiting for its answer before it thinks and calls again",
        &TableOf(users),
    );
    let written: Vec<&str> = WAYS.into_iter().filter(|way| table.has(way)).collect();
    let span = table.key_span(written.first().copied().unwrap_or_default());
    match written.as_slice() {
        [] => {
            table.problems().add_with_hint(
                span,
                "nothing says how work comes",
                "write `rate: 200/s`, or one of `visits`, `bursts`, `trace` and `users`",
            );
            return (None, span);
        }
        [_] => {}
        [first, second, ..] => {
            let span = table.key_span(second);
            table.problems().add_with_hint(
                span,
                format!("work comes by `{first}` already"),
                format!("leave one of `{first}` and `{second}` out, or write two entries"),
            );
            return (None, span);
        }
    }
    let way = written[0];
    if way != "rate" {
        for key in ["arrivals", "stages"] {
            if table.has(key) {
                let span = table.key_span(key);
                table.problems().add_with_hint(
                    span,
                    format!("`{key}` is for a `rate`, and work comes by `{way}`"),
                    format!("leave `{key}` out"),
                );
            }
        }
    }
    if way == "visits" && flow.is_some_and(|flow| !flow.has_user()) {
        table.problems().add_with_hint(
            span,
            "visits are made by users, and this flow has none",
            "write `rate:`, or another flow",
        );
    }
    let load = match way {
        "rate" => rate.into_plan(table).map(Load::Rate).map(LoadDraft::Ready),
        "visits" => visits
            .ok()
            .flatten()
            .map(|visits| LoadDraft::Ready(Load::Visits(visits))),
        "bursts" => bursts
            .ok()
            .flatten()
            .map(|bursts| LoadDraft::Ready(Load::Bursts(bursts))),
        "trace" => trace.ok().flatten(),
        _ => users
            .ok()
            .flatten()
            .map(|users| LoadDraft::Ready(Load::Users(users))),
    };
    (load, span)
}

fn visits(table: &mut Table<'_>) -> Option<VisitsPlan> {
    let starts: RateKeys = rate::keys(table, "Sessions that begin");
    let calls = table.or(
        "calls",
        "Calls of a visit on average, at least 1; geometrically distributed",
        "8",
        &Number { max: 100_000.0 },
    );
    let think = table.or("think", "Between the calls of a visit", "10s", &latency());
    let returns = table.or(
        "returns",
        "Part of the visits followed by another of the same user",
        "0%",
        &AnyShare,
    );
    let idle = table.or(
        "idle",
        "Between the visits of a user who returns",
        "30m",
        &latency(),
    );
    let sign_out = table.or(
        "sign_out",
        "Part of the sessions that end with the user signing out",
        "0%",
        &AnyShare,
    );
    let starts = starts.into_plan(table);
    if calls.is_some_and(|calls| calls < 1.0) {
        let span = table.value_span("calls");
        table
            .problems()
            .add_with_hint(span, "a visit has a call at least", "write `1` or more");
    }
    if returns.is_some_and(|share: Share| share.get() > 0.99) {
        let span = table.value_span("returns");
        table.problems().add_with_hint(
            span,
            "users who always return have one session without an end",
            "write `99%` or less",
        );
        return None;
    }
    Some(VisitsPlan {
        starts: starts?,
        calls: calls?.max(1.0),
        think: think?,
        returns: returns?,
        idle: idle?,
        sign_out: sign_out?,
    })
}

fn burst(table: &mut Table<'_>) -> Option<BurstPlan> {
    let at = table.required("at", "When, from the start of the run", &DurationIn::any());
    let calls = table.required("calls", "How many", &calls());
    let every = table.optional(
        "every",
        "And again, this long after each",
        &DurationIn {
            min: Duration::from_micros(1),
            max: DurationIn::YEAR,
        },
    );
    Some(BurstPlan {
        at: at?,
        calls: calls?,
        every: every.ok()?,
    })
}

fn users(table: &mut Table<'_>) -> Option<UsersPlan> {
    let count = table.required("count", "How many users", &calls());
    let think = table.or(
        "think",
        "Between an answer and the next call",
        "1s",
        &latency(),
    );
    let needs_none = |think: &LatencyPlan| {
        matches!(think, LatencyPlan::None) || think == &LatencyPlan::Fixed(Duration::ZERO)
    };
    if think.as_ref().is_some_and(needs_none) {
        table.needs(Feature::NoThink, "think");
    }
    Some(UsersPlan {
        count: count?,
        think: think?,
    })
}

/// A trace at its own speed.
struct FileAlone;

impl crate::scenario::reader::Kind for FileAlone {
    type Value = LoadDraft;

    fn read(
        &self,
        node: &Node,
        problems: &mut crate::scenario::problem::Problems,
    ) -> Option<LoadDraft> {
        Some(LoadDraft::Trace {
            file: Text.read(node, problems)?,
            speed: 1.0,
            span: node.span,
        })
    }

    fn shape(&self) -> crate::scenario::reader::Shape {
        Text.shape()
    }
}

fn trace(table: &mut Table<'_>) -> Option<LoadDraft> {
    let file = table.required(
        "file",
        "The file; its path is relative to the scenario's",
        &Located(Text),
    );
    let speed = table.or(
        "speed",
        "How much faster than recorded it is replayed",
        "1",
        &Number { max: 1e6 },
    );
    let (file, node) = file?;
    Some(LoadDraft::Trace {
        file,
        speed: speed?,
        span: node.span,
    })
}

fn calls() -> Integer {
    Integer {
        min: 1,
        max: MAX_CALLS,
    }
}
