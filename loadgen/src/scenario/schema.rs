//! The JSON Schema of scenario files, made by the code that reads them.

use serde_json::{Value, json};

use super::reader::Table;
use super::sections;

/// The schema, for editors: completion, descriptions and checks while typing.
pub fn schema() -> Value {
    let mut schema = Table::describe(sections::read).json_schema();
    if let Value::Object(schema) = &mut schema {
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        schema.insert("title".to_owned(), json!("loadgen scenario, version 1"));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_lists_what_the_reader_takes() {
        let schema = schema();
        assert_eq!(
            schema["required"],
            json!(["version", "duration", "traffic"])
        );
        assert_eq!(schema["additionalProperties"], json!(false));
        let properties = &schema["properties"];
        assert_eq!(properties["max_in_flight"]["default"], json!(10_000));
        assert_eq!(properties["seed"]["maximum"], json!(u64::MAX));
        assert_eq!(properties["graceful_stop"]["default"], json!("5s"));
        assert_eq!(
            properties["population"]["properties"]["users"]["default"],
            json!(1)
        );
        assert_eq!(
            properties["traffic"]["items"]["properties"]["flow"]["enum"],
            json!(crate::scenario::plan::Flow::ALL.map(crate::scenario::plan::Flow::as_str))
        );
        assert_eq!(
            properties["idp"]["properties"]["latency"]["properties"]["token"]["anyOf"][1]["properties"]
                ["lognormal"]["required"],
            json!(["median", "p99"])
        );
    }

    #[test]
    fn every_field_says_what_it_is_for() {
        fn check(path: &str, schema: &Value) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let doc = property["description"].as_str().unwrap_or_default();
                assert!(
                    doc.len() > 3 && !doc.ends_with('.'),
                    "{path}.{name}: {doc:?}"
                );
                check(&format!("{path}.{name}"), property);
                check(&format!("{path}.{name}"), &property["items"]);
                for shape in property["anyOf"].as_array().into_iter().flatten() {
                    check(&format!("{path}.{name}"), shape);
                }
            }
        }
        check("", &schema());
    }
}
