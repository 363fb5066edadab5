//! `report.json`'s `theory`: what was predicted beside what was measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part of a gap that no cause was found for.
pub const UNNAMED: &str = "other";

/// A predicted hit ratio beside the measured one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Theory {
    /// `totals` or a flow's name.
    pub scope: String,
    /// `model`, the same arrivals at an ideal cache, or `closed form`.
    #[serde(default)]
    pub predicted_by: String,
    /// What an ideal cache would do.
    pub predicted_hit_ratio: f64,
    /// What this one did.
    pub measured_hit_ratio: f64,
    /// Token requests an ideal cache would send, refreshes behind served tokens
    /// included; for all flows together alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_idp_calls_per_1k: Option<f64>,
    /// How far chance alone moves a hit ratio of such load: of a renewal process,
    /// not of coin tosses.
    #[serde(default)]
    pub standard_error: f64,
    /// The difference in standard errors, of which one call is the least.
    pub z: f64,
    /// What the prediction takes for granted, and was so.
    pub assumptions: Vec<String>,
    /// What it takes for granted, and was not so.
    #[serde(default)]
    pub broken_assumptions: Vec<String>,
    /// Where the gap comes from, in acquisitions.
    pub attribution: BTreeMap<String, i64>,
    /// What a closed form says, where one covers the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_form: Option<ClosedForm>,
}

impl Theory {
    /// Where the gap comes from, the largest cause first and what has none last.
    /// That is left out where chance alone moves as much: of `tokens` served, one
    /// standard error.
    pub fn causes(&self, tokens: u64) -> Vec<(&str, i64)> {
        let chance = self.standard_error * tokens as f64;
        let mut causes: Vec<(&str, i64)> = self
            .attribution
            .iter()
            .map(|(cause, many)| (cause.as_str(), *many))
            .filter(|(cause, many)| *cause != UNNAMED || many.unsigned_abs() as f64 > chance)
            .collect();
        causes.sort_by_key(|(cause, many)| (*cause == UNNAMED, std::cmp::Reverse(many.abs())));
        causes
    }
}

/// What a formula says of such load, whatever its arrivals were this time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedForm {
    /// Which: F1 to F13 of `docs/measurement.md`.
    pub formula: String,
    /// What it predicts.
    pub hit_ratio: f64,
    /// How far chance moves what is measured.
    pub standard_error: f64,
    /// The measured hit ratio's distance from it, in standard errors.
    pub z: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_alone_moves_is_no_cause() {
        let theory = Theory {
            standard_error: 0.002,
            attribution: [("eviction", 3), (UNNAMED, -20), ("restart", -7)]
                .map(|(cause, many)| (cause.to_owned(), many))
                .into(),
            ..Theory::default()
        };
        let named = [("restart", -7), ("eviction", 3)];
        assert_eq!(theory.causes(10_000), named);
        let all = [("restart", -7), ("eviction", 3), (UNNAMED, -20)];
        assert_eq!(theory.causes(9_000), all);
    }
}
