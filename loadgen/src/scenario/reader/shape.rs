//! What a value may look like, for messages and for the published schema.

use serde_json::{Map, Value, json};

use crate::scenario::problem::alternatives;

/// What a value may look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One of a few words.
    Choice(Vec<&'static str>),
    /// A text that follows a notation.
    Notation {
        /// What it is, with its article and an example.
        name: &'static str,
        /// Regular expression (ECMA 262) it matches.
        pattern: &'static str,
    },
    /// Any text.
    Text,
    /// A whole number.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A number above zero.
    Number {
        /// Largest.
        max: f64,
    },
    /// A number from 0 to 1.
    Fraction,
    /// `true` or `false`.
    Flag,
    /// A list.
    List {
        /// What each item looks like.
        item: Box<Shape>,
        /// Fewest items.
        min: usize,
        /// Most items.
        max: usize,
    },
    /// Any keys with any values.
    AnyTable,
    /// Keys with values.
    Table(Vec<Field>),
    /// Any of several.
    OneOf(Vec<Shape>),
}

/// A key a table may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// One line on what it decides.
    pub doc: &'static str,
    /// What stands in when it is left out.
    pub default: Default,
    /// What its value looks like.
    pub shape: Shape,
}

/// What stands in for a key that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Nothing: it must be written.
    Required,
    /// Nothing: leaving it out means something of its own.
    Absent,
    /// This text.
    Text(&'static str),
    /// A table with every key left out.
    EmptyTable,
}

impl Shape {
    /// What is accepted, as the end of "expected ...".
    pub fn expected(&self) -> String {
        match self {
            Self::Choice(words) => alternatives(words.iter().copied()),
            Self::Notation { name, .. } => (*name).to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { max } => format!("a number above 0, up to {max}"),
            Self::Fraction => "a number from 0 to 1".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::AnyTable => "a table".to_owned(),
            Self::Table(fields) => {
                format!(
                    "a table with {}",
                    alternatives(fields.iter().map(|field| field.name)).replace(" or ", " and ")
                )
            }
            Self::OneOf(shapes) => shapes
                .iter()
                .map(Self::expected)
                .collect::<Vec<_>>()
                .join(", or "),
        }
    }

    /// The shape as JSON Schema.
    pub fn json_schema(&self) -> Value {
        match self {
            Self::Choice(words) => json!({ "enum": words }),
            Self::Notation { pattern, .. } => json!({ "type": "string", "pattern": pattern }),
            Self::Text => json!({ "type": "string" }),
            Self::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Self::Number { max } => {
                json!({ "type": "number", "exclusiveMinimum": 0, "maximum": max })
            }
            Self::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::List { item, min, max } => {
                json!({ "type": "array", "items": item.json_schema(), "minItems": min, "maxItems": max })
            }
            Self::AnyTable => json!({ "type": "object" }),
            Self::Table(fields) => table_schema(fields),
            Self::OneOf(shapes) => {
                json!({ "anyOf": shapes.iter().map(Self::json_schema).collect::<Vec<_>>() })
            }
        }
    }
}

fn table_schema(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.shape.json_schema();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(field.doc));
            match field.default {
                Default::Text(text) => {
                    schema.insert("default".to_owned(), default_value(&field.shape, text));
                }
                Default::EmptyTable => {
                    schema.insert("default".to_owned(), json!({}));
                }
                Default::Required | Default::Absent => {}
            }
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.default == Default::Required)
        .map(|field| field.name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A default in the type its schema asks for.
fn default_value(shape: &Shape, text: &str) -> Value {
    let numeric = match shape {
        Shape::OneOf(shapes) => shapes
            .iter()
            .any(|shape| matches!(shape, Shape::Integer { .. })),
        Shape::Integer { .. } => true,
        _ => false,
    };
    match text.parse::<u64>() {
        _ if *shape == Shape::Flag => json!(text == "true"),
        Ok(number) if numeric => json!(number),
        _ => json!(text),
    }
}
