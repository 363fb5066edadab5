//! The metrics a threshold can name: the closed list, as data.
//!
//! A reading is `None` where the report has nothing to judge by. That is never
//! a pass, so each metric says below what it takes for its number to mean
//! something: no wrong token among zero checked tokens is no evidence.

mod catalogue;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::model::{Acquisitions, Distribution, Report};

pub use catalogue::METRICS;

/// What a metric's numbers are, and so which limits it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// How many: zero or more.
    Count,
    /// A part of a whole, from 0 to 1.
    Share,
    /// Bytes.
    Bytes,
    /// Microseconds, as in `report.json`.
    Microseconds,
}

/// What of the scenario a metric depends on: without it the number is zero
/// whatever happens, and a threshold on it could not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing beyond acquisitions.
    Nothing,
    /// `cache.l1` must not be `none`.
    L1,
    /// `cache.l2` must not be `none`.
    L2,
    /// `cache.provider` must be `session_cookie`.
    Cookies,
}

/// A value of a closed label, and the count it picks.
pub type Counted<T> = (&'static str, fn(&T) -> u64);

/// A value of a closed label, and the distribution it picks.
pub type Narrowed = (&'static str, fn(&Acquisitions) -> &Distribution);

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More of it is better.
    Higher,
    /// Less of it is better.
    Lower,
    /// Neither way: it describes the load or the shape of the run.
    Neither,
}

/// Where a metric's number comes from.
#[derive(Debug, Clone, Copy)]
pub enum Reading {
    /// Of all acquisitions, or of one flow's by the label `flow`.
    Flow(fn(&Acquisitions) -> Option<f64>),
    /// The same, split by a label that must be given.
    FlowBy(&'static str, &'static [Counted<Acquisitions>]),
    /// A distribution of all acquisitions, or of one flow's.
    FlowTimes(fn(&Acquisitions) -> &Distribution),
    /// The same, which a label may narrow down.
    FlowTimesBy(
        fn(&Acquisitions) -> &Distribution,
        &'static str,
        &'static [Narrowed],
    ),
    /// Of the whole run.
    Run(fn(&Report) -> Option<f64>),
    /// Of the whole run, split by a label that must be given.
    RunBy(&'static str, &'static [Counted<Report>]),
    /// A distribution of the whole run.
    RunTimes(fn(&Report) -> &Distribution),
}

/// A metric of the closed list.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What its numbers are.
    pub unit: Unit,
    /// What it takes to mean something.
    pub needs: Needs,
    /// Where its number comes from.
    pub reading: Reading,
    /// One line on what it says.
    pub doc: &'static str,
}

impl Metric {
    /// The metric of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Whether it is a distribution, read through `p99(...)` and its like.
    pub fn is_distribution(&self) -> bool {
        matches!(
            self.reading,
            Reading::FlowTimes(_) | Reading::FlowTimesBy(..) | Reading::RunTimes(_)
        )
    }

    /// Which way it is better; `label` is the value of its required label.
    pub fn better(&self, label: Option<&str>) -> Better {
        match (self.name, label) {
            ("hit_ratio", _) | ("token_source", Some("cache")) | ("cache_level", Some("l1")) => {
                Better::Higher
            }
            ("acquisitions" | "offered" | "started" | "coalesced" | "cache_level", _)
            | ("cache_refresh_reason", Some("not_applicable" | "proactively_refreshed")) => {
                Better::Neither
            }
            _ => Better::Lower,
        }
    }

    /// Whether a model of an ideal cache can tell it. What never fails, waits or
    /// weighs anything there says nothing of a cache.
    pub fn is_known_to_the_model(&self) -> bool {
        matches!(
            self.name,
            "acquisitions"
                | "hit_ratio"
                | "coalesced"
                | "background_refreshes"
                | "token_source"
                | "cache_level"
                | "cache_refresh_reason"
                | "offered"
                | "started"
                | "token_requests"
                | "idp_calls_per_1k"
        )
    }

    /// Whether it is known before a run has ended: by what the generator itself
    /// records.
    pub fn is_known_as_the_run_goes(&self) -> bool {
        self.by_flow()
            || matches!(self.reading, Reading::RunTimes(_))
            || matches!(
                self.name,
                "offered"
                    | "started"
                    | "dropped"
                    | "timeout"
                    | "wrong_token"
                    | "expired_served"
                    | "under_scoped"
                    | "not_issued"
                    | "interaction_required"
                    | "stale_served"
                    | "served_after_sign_out"
            )
    }

    /// Whether it is kept for each interval, so that a window can be judged.
    pub fn is_kept_over_time(&self) -> bool {
        self.by_flow() && !matches!(self.name, "acquire_cache" | "acquire_http")
    }

    /// Whether it takes the label `flow`.
    pub fn by_flow(&self) -> bool {
        matches!(
            self.reading,
            Reading::Flow(_)
                | Reading::FlowBy(..)
                | Reading::FlowTimes(_)
                | Reading::FlowTimesBy(..)
        )
    }

    /// The label it must have, with its values.
    pub fn required_label(&self) -> Option<(&'static str, Vec<&'static str>)> {
        match self.reading {
            Reading::FlowBy(label, values) => {
                Some((label, values.iter().map(|(value, _)| *value).collect()))
            }
            Reading::RunBy(label, values) => {
                Some((label, values.iter().map(|(value, _)| *value).collect()))
            }
            Reading::Flow(_)
            | Reading::FlowTimes(_)
            | Reading::FlowTimesBy(..)
            | Reading::Run(_)
            | Reading::RunTimes(_) => None,
        }
    }

    /// The label it may have, with its values.
    pub fn optional_label(&self) -> Option<(&'static str, Vec<&'static str>)> {
        match self.reading {
            Reading::FlowTimesBy(_, label, values) => {
                Some((label, values.iter().map(|(value, _)| *value).collect()))
            }
            _ => None,
        }
    }

    /// How it is written, for hints: `token_source{source=cache}`, `p99(lag)`.
    pub fn example(&self) -> String {
        let name = self.name;
        match self.required_label() {
            Some((label, values)) => format!(
                "{name}{{{label}={}}}",
                values.first().copied().unwrap_or_default()
            ),
            None if self.is_distribution() => format!("p99({name})"),
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_written_small() {
        let names: HashSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        let small = |name: &str| {
            name.bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        assert!(names.iter().all(|name| small(name)));
    }
}
