//! `loadgen merge RUN...`: runs, shards or seeds as one report.

use std::path::PathBuf;

use clap::Args;

use super::report::json;
use super::run::Format;
use crate::exit::{Exit, Failure};
use crate::report::{merge, read, text};

/// What `loadgen merge` was asked.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Runs: their directories or report.json files.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Write report.json and report.txt into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How to print the merged report.
    #[arg(long, default_value = "text", value_enum)]
    format: Format,
}

impl MergeArgs {
    /// Merges and judges once, on the merged numbers.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a part is missing, cannot be used, or is of something
    /// else.
    pub fn execute(&self) -> Result<(String, Exit), Failure> {
        let merged = merge::merge(&read::read_all(&self.runs)?)?;
        let (json, text) = (json(&merged)?, text::render(&merged));
        if let Some(out) = &self.out {
            let written = std::fs::create_dir_all(out)
                .and_then(|()| std::fs::write(out.join("report.json"), &json))
                .and_then(|()| std::fs::write(out.join("report.txt"), &text));
            written.map_err(|error| {
                Failure::environment(
                    format!("`{}` cannot be written: {error}", out.display()),
                    "choose another --out",
                )
            })?;
        }
        let printed = match self.format {
            Format::Text => text,
            Format::Json => json,
        };
        Ok((printed, merged.verdict.into()))
    }
}
