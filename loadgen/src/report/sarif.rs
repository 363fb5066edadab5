//! The report as SARIF 2.1.0: what did not hold, for code scanning, which keeps
//! what is new and what was fixed.

use serde_json::{Value, json};

use super::escape::uri;
use super::model::{Report, ThresholdResult, ThresholdVerdict};
use crate::gate::threshold::show;

/// Renders `report`; a run that passed has no results.
pub fn render(report: &Report) -> String {
    let failed: Vec<&ThresholdResult> = report
        .thresholds
        .iter()
        .filter(|threshold| threshold.verdict != ThresholdVerdict::Pass)
        .collect();
    let mut rules: Vec<Value> = failed
        .iter()
        .map(|threshold| {
            json!({
                "id": rule(threshold),
                "shortDescription": { "text": format!("`{}` must hold", threshold.expression) },
                "defaultConfiguration": { "level": "error" }
            })
        })
        .collect();
    let mut results: Vec<Value> = failed.iter().map(|it| result(report, it)).collect();
    let others: Vec<&String> = report
        .reasons
        .iter()
        .filter(|reason| !reason.starts_with("threshold `"))
        .collect();
    if !others.is_empty() {
        rules.push(json!({
            "id": "run",
            "shortDescription": { "text": "The run must be valid and its tokens right" },
            "defaultConfiguration": { "level": "error" }
        }));
    }
    results.extend(others.into_iter().map(|reason| {
        json!({
            "ruleId": "run",
            "level": "error",
            "message": { "text": format!("{}: {reason}", report.scenario.name) },
            "locations": [location(&report.scenario.file, 1)]
        })
    }));
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "loadgen",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules
            } },
            "results": results
        }]
    });
    format!("{log:#}\n")
}

fn rule(threshold: &ThresholdResult) -> String {
    format!("threshold/{}", threshold.expression)
}

fn result(report: &Report, threshold: &ThresholdResult) -> Value {
    let shown = |value: Option<f64>| {
        value.map_or_else(|| "nothing".to_owned(), |value| show(threshold.unit, value))
    };
    json!({
        "ruleId": rule(threshold),
        "level": "error",
        "message": { "text": format!(
            "{}: `{}` does not hold: measured {}, limit {}",
            report.scenario.name,
            threshold.expression,
            shown(threshold.measured),
            shown(threshold.limit)
        ) },
        "locations": [location(&threshold.file, threshold.line)],
        "partialFingerprints": {
            "scenarioThreshold/v1": format!("{}/{}", report.scenario.name, threshold.expression)
        }
    })
}

fn location(file: &str, line: u32) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": { "startLine": line.max(1) }
    } })
}
