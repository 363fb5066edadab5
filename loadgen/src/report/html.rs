//! The report as one page for a browser: no network, no script needed, dark and
//! light, for paper and for screen readers. The verdict comes first.

mod chart;
mod page;
mod section;

use super::model::Report;

/// Renders `report`, with `base` under its charts where there is one.
pub fn render(report: &Report, base: Option<&Report>) -> String {
    page::render(report, base)
}

#[cfg(test)]
mod tests;
