//! The JSON Schema of `report.json`, made from the types that write it.

use serde_json::{Value, json};

use super::model::{Report, SCHEMA_VERSION};

/// The schema, as `loadgen schema --of report` publishes it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Report).to_value();
    if let Value::Object(schema) = &mut schema {
        schema.insert(
            "title".to_owned(),
            json!(format!("loadgen report, version {SCHEMA_VERSION}")),
        );
        if let Some(version) = schema
            .get_mut("properties")
            .and_then(|all| all.get_mut("schema_version"))
        {
            *version = json!({ "const": SCHEMA_VERSION, "description": "Version of this layout." });
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn problems(report: &Value) -> Vec<String> {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        validator
            .iter_errors(report)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect()
    }

    #[test]
    fn what_is_written_fits_the_schema() {
        let report = serde_json::to_value(sample::report()).unwrap();
        assert_eq!(problems(&report), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_a_report_does_not_fit() {
        type Spoil = fn(&mut Value);
        let spoils: [Spoil; 5] = [
            |report| report["schema_version"] = json!(2),
            |report| report["verdict"] = json!("fine"),
            |report| report["totals"]["hit_ratio"] = json!("high"),
            |report| report["load"]["offered"] = json!(-1),
            |report| {
                report.as_object_mut().unwrap().remove("ledger");
            },
        ];
        for (index, spoil) in spoils.into_iter().enumerate() {
            let mut report = serde_json::to_value(sample::report()).unwrap();
            spoil(&mut report);
            assert!(!problems(&report).is_empty(), "spoil {index}");
        }
    }
}
