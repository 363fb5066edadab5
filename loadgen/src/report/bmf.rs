//! Bencher Metric Format: a benchmark's measures with their bounds.

use serde_json::{Map, Value, json};

use super::figure::figures;
use super::model::Report;

/// Renders `report` as one benchmark, named as the scenario.
pub fn render(report: &Report) -> String {
    let measures: Map<String, Value> = figures(report)
        .into_iter()
        .map(|figure| {
            let mut measure = json!({ "value": figure.value });
            if let Some((low, high)) = figure.interval {
                measure["lower_value"] = json!(low);
                measure["upper_value"] = json!(high);
            }
            (figure.name, measure)
        })
        .collect();
    let mut benchmarks = Map::new();
    benchmarks.insert(report.scenario.name.clone(), Value::Object(measures));
    format!("{:#}\n", Value::Object(benchmarks))
}
