//! One line of CSV a run, under a heading: append the second lines of many runs
//! and a change-point tool (Otava, Nyrkiö) reads them as a history.

use super::escape::csv;
use super::figure::figures;
use super::model::Report;

/// Renders `report`: a heading and a line.
pub fn render(report: &Report) -> String {
    let mut heading = vec![
        "time".to_owned(),
        "scenario".to_owned(),
        "scenario_hash".to_owned(),
        "mode".to_owned(),
        "seed".to_owned(),
        "verdict".to_owned(),
    ];
    let mut line = vec![
        csv(&report.started_at),
        csv(&report.scenario.name),
        csv(&report.scenario.hash),
        report.mode.as_str().to_owned(),
        report.seed.to_string(),
        report.verdict.word().to_lowercase(),
    ];
    for figure in figures(report) {
        heading.push(csv(&figure.name));
        line.push(figure.value.to_string());
    }
    format!("{}\n{}\n", heading.join(","), line.join(","))
}
