//! The reference of scenario files as Markdown, made by the code that reads
//! them.

use std::fmt::Write as _;

use super::reader::{Default, Field, Shape, Table};
use super::sections;

/// The whole page.
pub fn reference() -> String {
    let out = "\
# Scenario files: every key

Made from the code that reads scenario files by `loadgen schema --of reference`; do not edit.
Durations are written `250ms`, `30s` or `1h30m`, rates `200/s`, `30/min` or `2/h`, sizes `500MB`, shares `5%`.
`${NAME}` and `${NAME:-default}` stand for variables of the environment. `loadgen explain SCENARIO` shows where
each value of a file comes from.
"
    .to_owned();
    if let Shape::Table(fields) = Table::describe(sections::read) {
        let mut page = Page {
            out,
            tables: Vec::new(),
        };
        page.table("The top level", "", &fields);
        return page.out;
    }
    out
}

struct Page {
    out: String,
    /// The tables mentioned so far, each with the path it is described at.
    tables: Vec<(Vec<Field>, String)>,
}

impl Page {
    /// A table's keys, then the tables below them.
    fn table(&mut self, title: &str, path: &str, fields: &[Field]) {
        let _ = write!(
            self.out,
            "\n## {title}\n\n| key | value | left out | what it decides |\n|---|---|---|---|\n"
        );
        let below = |field: &Field| {
            if path.is_empty() {
                field.name.to_owned()
            } else {
                format!("{path}.{}", field.name)
            }
        };
        for field in fields {
            let left_out = match field.default {
                Default::Required => "must be there".to_owned(),
                Default::Absent => "-".to_owned(),
                Default::Text(text) => format!("`{text}`"),
                Default::EmptyTable => "all defaults".to_owned(),
            };
            let value = self.value(&below(field), &field.shape);
            let _ = writeln!(
                self.out,
                "| `{}` | {value} | {left_out} | {} |",
                field.name,
                cell(field.doc)
            );
        }
        for field in fields {
            self.nested(&below(field), &field.shape);
        }
    }

    fn nested(&mut self, path: &str, shape: &Shape) {
        match shape {
            Shape::Table(fields) if self.described_at(path, fields) == path => {
                self.table(&format!("`{path}`"), path, fields);
            }
            Shape::List { item, .. } => self.nested(&format!("{path}[]"), item),
            Shape::OneOf(shapes) => {
                for shape in shapes {
                    self.nested(path, shape);
                }
            }
            _ => {}
        }
    }

    /// What may be written, in a few words.
    fn value(&mut self, path: &str, shape: &Shape) -> String {
        match shape {
            Shape::Table(fields) => {
                let described = self.described_at(path, fields);
                if described == path {
                    "a table, below".to_owned()
                } else {
                    format!("a table as for `{described}`")
                }
            }
            Shape::List { item, .. } => {
                let item = self.value(&format!("{path}[]"), item);
                format!("a list, each {item}")
            }
            Shape::OneOf(shapes) => {
                let values: Vec<String> =
                    shapes.iter().map(|shape| self.value(path, shape)).collect();
                values.join(", or ")
            }
            other => cell(&other.expected()),
        }
    }

    /// Where a table like this is described: at its first mention.
    fn described_at(&mut self, path: &str, fields: &[Field]) -> String {
        if let Some((_, first)) = self.tables.iter().find(|(known, _)| known == fields) {
            return first.clone();
        }
        self.tables.push((fields.to_vec(), path.to_owned()));
        path.to_owned()
    }
}

/// Text that cannot end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
