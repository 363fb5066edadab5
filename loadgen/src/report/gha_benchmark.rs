//! The input of github-action-benchmark, `customSmallerIsBetter`: what is better
//! when smaller, and shares that are better when larger as what they lack.

use serde_json::{Value, json};

use super::figure::{figures, unit_word};
use super::model::Report;
use crate::gate::metric::{Better, Unit};

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let name = &report.scenario.name;
    let entries: Vec<Value> = figures(report)
        .into_iter()
        .filter_map(|figure| {
            let (figure_name, value) = match (figure.better(), figure.unit()) {
                (Better::Lower, _) => (figure.name.clone(), figure.value),
                (Better::Higher, Unit::Share) => {
                    (format!("1 - {}", figure.name), 1.0 - figure.value)
                }
                (Better::Higher | Better::Neither, _) => return None,
            };
            let mut entry = json!({
                "name": format!("{name}: {figure_name}"),
                "unit": unit_word(figure.unit()),
                "value": value,
                "extra": format!("mode {}, seed {}", report.mode.as_str(), report.seed)
            });
            if let Some((low, high)) = figure.interval {
                entry["range"] = json!(format!("{low:.3} - {high:.3}"));
            }
            Some(entry)
        })
        .collect();
    format!("{:#}\n", Value::Array(entries))
}
