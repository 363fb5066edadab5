//! `loadgen report RUN_DIR --format FORMAT`: a run's report, rendered again.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::report::model::Report;
use crate::report::{
    bmf, csv, gha_benchmark, github, hlog, html, junit, markdown, openmetrics, read, sarif, text,
};

/// What a report can be rendered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, 80 columns.
    Text,
    /// `report.json` itself, checked.
    Json,
    /// One page with charts, for a browser, without a network.
    Html,
    /// GitHub Markdown, for job summaries and pull requests.
    Markdown,
    /// JUnit XML, for GitLab, Azure Pipelines and Jenkins.
    Junit,
    /// Annotations on the lines of the scenario, for GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Bencher Metric Format.
    Bmf,
    /// github-action-benchmark, `customSmallerIsBetter`.
    GhaBenchmark,
    /// The numbers as `OpenMetrics` text.
    Openmetrics,
    /// The course of the run as `OpenMetrics` text with time stamps.
    OpenmetricsSeries,
    /// A heading and a line of CSV, for change-point tools.
    Csv,
    /// An HdrHistogram interval log.
    Hlog,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::Text,
        Self::Json,
        Self::Html,
        Self::Markdown,
        Self::Junit,
        Self::Github,
        Self::Sarif,
        Self::Bmf,
        Self::GhaBenchmark,
        Self::Openmetrics,
        Self::OpenmetricsSeries,
        Self::Csv,
        Self::Hlog,
    ];
}

/// What `loadgen report` was asked.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The directory that `--out` named, or a report.json.
    run: PathBuf,
    /// What to render.
    #[arg(long, default_value = "text", value_enum)]
    format: Format,
    /// A run to lay under the charts of the HTML page, in dashes.
    #[arg(long, value_name = "RUN_DIR")]
    base: Option<PathBuf>,
}

impl ReportArgs {
    /// Renders the report; that the run failed is told in it, and not by the exit
    /// code.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the report cannot be read or used.
    pub fn execute(&self) -> Result<(String, Exit), Failure> {
        Ok((
            report(&self.run, self.format, self.base.as_deref())?,
            Exit::Pass,
        ))
    }
}

/// Reads the report at `path`, a file or a directory of `--out`, and renders it.
///
/// # Errors
///
/// A [`Failure`] when a report cannot be read or used.
pub fn report(path: &Path, format: Format, base: Option<&Path>) -> Result<String, Failure> {
    let base = base.map(read::read).transpose()?;
    render(&read::read(path)?, format, base.as_ref())
}

/// Renders a report that is at hand.
///
/// # Errors
///
/// A [`Failure`] when the report does not hold what the format needs.
pub fn render(report: &Report, format: Format, base: Option<&Report>) -> Result<String, Failure> {
    Ok(match format {
        Format::Text => text::render(report),
        Format::Json => json(report)?,
        Format::Html => html::render(report, base),
        Format::Markdown => markdown::render(report),
        Format::Junit => junit::render(report),
        Format::Github => github::render(report),
        Format::Sarif => sarif::render(report),
        Format::Bmf => bmf::render(report),
        Format::GhaBenchmark => gha_benchmark::render(report),
        Format::Openmetrics => openmetrics::snapshot(report),
        Format::OpenmetricsSeries => openmetrics::series(report),
        Format::Csv => csv::render(report),
        Format::Hlog => hlog::render(report).map_err(Failure::internal)?,
    })
}

/// `report.json` as it is written.
///
/// # Errors
///
/// A [`Failure`] for numbers that JSON cannot hold.
pub fn json(report: &Report) -> Result<String, Failure> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|error| Failure::internal(format!("the report has no JSON form: {error}")))
}
