//! Every value of a scenario, written or not, with where it came from.

use std::path::Path;

use serde::Serialize;

use super::address;
use super::load::{Composed, LoadError, compose, read_file};
use super::overrides::Overrides;
use super::problem::Problems;
use super::reader::{Default, Field, Shape, Table};
use super::sections;
use super::span::{Origin, Span};
use super::yaml::{Node, Value};

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResolvedValue {
    /// Where it belongs: `traffic[0].rate`.
    pub path: String,
    /// As it is written.
    pub value: String,
    /// Where it came from: a line of a file, an option, a variable or the
    /// default.
    pub origin: String,
}

/// The values of the scenario at `path`, in the order of the reference.
///
/// # Errors
///
/// [`LoadError::Unreadable`] when the file cannot be read, and
/// [`LoadError::Invalid`] when there are no values to speak of.
pub fn resolve(path: &Path, overrides: &Overrides) -> Result<Vec<ResolvedValue>, LoadError> {
    let bytes = read_file(path).map_err(|reason| LoadError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    let mut problems = Problems::default();
    let composed = compose(path, &bytes, overrides, &mut problems);
    let Some(root) = composed.root.as_ref().filter(|_| problems.is_empty()) else {
        return Err(LoadError::Invalid {
            problems: problems.sorted(),
            sources: Box::new(composed.sources),
        });
    };
    let mut walk = Walk {
        composed: &composed,
        values: Vec::new(),
    };
    walk.value("", Some(root), &Table::describe(sections::read));
    Ok(walk.values)
}

struct Walk<'a> {
    composed: &'a Composed,
    values: Vec<ResolvedValue>,
}

impl Walk<'_> {
    /// `node` under `shape`; `None` is a table with every key left out.
    fn value(&mut self, path: &str, node: Option<&Node>, shape: &Shape) {
        match (table_of(shape, node), node) {
            (Some(fields), _) => self.table(path, node, fields),
            (
                None,
                Some(Node {
                    value: Value::Sequence(items),
                    ..
                }),
            ) => {
                let item_shape = item_of(shape);
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    match item_shape {
                        Some(shape) => self.value(&path, Some(item), shape),
                        None => self.written(path, item),
                    }
                }
            }
            (None, Some(node)) => self.written(path.to_owned(), node),
            (None, None) => {}
        }
    }

    fn table(&mut self, path: &str, node: Option<&Node>, fields: &[Field]) {
        for field in fields {
            let path = if path.is_empty() {
                field.name.to_owned()
            } else {
                format!("{path}.{}", field.name)
            };
            let written = node.and_then(|node| super::compose::entry(node, field.name));
            match (written, field.default) {
                (Some(node), _) => self.value(&path, Some(node), &field.shape),
                (None, Default::Text(text)) => self.values.push(ResolvedValue {
                    path,
                    value: text.to_owned(),
                    origin: "default".to_owned(),
                }),
                (None, Default::EmptyTable) => self.value(&path, None, &field.shape),
                (None, Default::Required | Default::Absent) => {}
            }
        }
    }

    fn written(&mut self, path: String, node: &Node) {
        let key = path.rsplit('.').next().unwrap_or_default();
        self.values.push(ResolvedValue {
            value: show(key, node),
            path,
            origin: self.origin(node.span),
        });
    }

    fn origin(&self, span: Span) -> String {
        let sources = &self.composed.sources;
        let mut filled = self.composed.filled.iter();
        if let Some((_, variable)) = filled.find(|(place, _)| *place == span) {
            return format!("${{{variable}}} of the environment");
        }
        match span.origin {
            Origin::File => format!("line {}", span.line),
            Origin::Base(index) => {
                let name = sources.bases.get(index).map_or("", |(name, _)| name);
                format!("{name}, line {}", span.line)
            }
            Origin::Override(index) => sources
                .overrides
                .get(index)
                .map_or_else(|| "--set".to_owned(), |(option, _)| (*option).to_owned()),
        }
    }
}

/// The fields of the table that `node` is under `shape`, if it is one.
fn table_of<'a>(shape: &'a Shape, node: Option<&Node>) -> Option<&'a [Field]> {
    match shape {
        Shape::Table(fields) => {
            let fits = match node.map(|node| &node.value) {
                None => true,
                Some(Value::Mapping(entries)) => entries
                    .iter()
                    .all(|entry| fields.iter().any(|field| field.name == entry.key.text)),
                Some(Value::Scalar(_) | Value::Sequence(_)) => false,
            };
            fits.then_some(fields.as_slice())
        }
        Shape::OneOf(shapes) => shapes.iter().find_map(|shape| table_of(shape, node)),
        _ => None,
    }
}

/// What the items of a list look like.
fn item_of(shape: &Shape) -> Option<&Shape> {
    match shape {
        Shape::List { item, .. } => Some(item),
        Shape::OneOf(shapes) => shapes.iter().find_map(item_of),
        _ => None,
    }
}

/// The value of `key` in one line, as it could be written, but addresses without
/// their passwords.
fn show(key: &str, node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if key == "url" => address::seen(scalar.text.trim()),
        Value::Scalar(scalar) => scalar.text.trim().replace('\n', " "),
        Value::Sequence(items) => {
            format!(
                "[{}]",
                items
                    .iter()
                    .map(|item| show(key, item))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}: {}", entry.key.text, show(&entry.key.text, &entry.node)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
