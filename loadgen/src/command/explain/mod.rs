//! `loadgen explain SCENARIO`: what will run, what to expect of it, and where
//! each value comes from, before anything runs.

mod memory;
mod prediction;
mod sentences;

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::scenario::load::LoadError;
use crate::scenario::resolved::{ResolvedValue, resolve};
use crate::scenario::{Overrides, Plan, load};

pub use memory::Memory;
pub use prediction::Prediction;

/// A scenario explained.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// `name` of the scenario.
    pub name: String,
    /// The clock that drives it.
    pub mode: &'static str,
    /// Seed of every random stream.
    pub seed: u64,
    /// What will run, in sentences.
    pub what_will_run: Vec<String>,
    /// What to expect of an ideal cache.
    pub prediction: Prediction,
    /// What the caches will hold.
    pub memory: Memory,
    /// Every value, with its origin.
    pub values: Vec<ResolvedValue>,
}

/// Explains the scenario at `path` with `overrides` laid over it.
///
/// # Errors
///
/// As [`load()`].
pub fn explain(path: &Path, overrides: &Overrides) -> Result<Explanation, LoadError> {
    let plan: Plan = load(path, overrides)?;
    Ok(Explanation {
        name: plan.name.clone(),
        mode: plan.mode.as_str(),
        seed: plan.seed,
        what_will_run: sentences::of(&plan),
        prediction: Prediction::of(&plan),
        memory: Memory::of(&plan),
        values: resolve(path, overrides)?,
    })
}

impl Explanation {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\nWhat will run\n", self.name);
        for sentence in &self.what_will_run {
            let _ = writeln!(out, "  {sentence}");
        }
        out.push_str("\nWhat to expect\n");
        for (what, value) in self.prediction.rows().into_iter().chain(self.memory_rows()) {
            let _ = writeln!(out, "  {what:<22}{value}");
        }
        for remark in &self.prediction.remarks {
            let _ = writeln!(out, "  - {remark}");
        }
        out.push_str("\nWhere each value comes from\n");
        let longest = |text: fn(&ResolvedValue) -> &str, most: usize| {
            let lengths = self.values.iter().map(|value| text(value).chars().count());
            lengths.max().unwrap_or(0).min(most)
        };
        let (paths, values) = (
            longest(|value| &value.path, 40),
            longest(|value| &value.value, 44),
        );
        for ResolvedValue {
            path,
            value,
            origin,
        } in &self.values
        {
            let _ = writeln!(out, "  {path:<paths$}  {value:<values$}  {origin}");
        }
        out
    }

    /// As JSON.
    pub fn json(&self) -> String {
        // The type has no map with keys that are no text, so this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn memory_rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if self.memory.application_bytes > 0 {
            rows.push((
                "application tokens",
                format!(
                    "up to {} entries, about {}",
                    self.memory.application_entries,
                    rough(self.memory.application_bytes)
                ),
            ));
        }
        if self.memory.user_bytes > 0 {
            rows.push((
                "user tokens",
                format!(
                    "up to {} partitions, about {}",
                    self.memory.user_partitions,
                    rough(self.memory.user_bytes)
                ),
            ));
        }
        rows
    }
}

/// A size as people say it: two digits that mean something, and a unit.
fn rough(bytes: u64) -> String {
    let (size, unit) = match bytes {
        0..1_000_000 => (bytes as f64 / 1e3, "kB"),
        1_000_000..1_000_000_000 => (bytes as f64 / 1e6, "MB"),
        _ => (bytes as f64 / 1e9, "GB"),
    };
    if size < 10.0 {
        format!("{size:.1} {unit}")
    } else {
        format!("{size:.0} {unit}")
    }
}
