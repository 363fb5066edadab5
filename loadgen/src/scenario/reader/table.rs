//! A table being read, or describing itself.

use super::compound::TableOf;
use super::kind::Kind;
use super::shape::{Default, Field, Shape};
use crate::scenario::feature::Feature;
use crate::scenario::problem::{Problems, alternatives, did_you_mean, quoted};
use crate::scenario::span::{Origin, Span};
use crate::scenario::yaml::{Entry, Node, Value};

/// A table whose fields are taken by name.
///
/// A section's function must take all its fields before it returns: a field
/// taken under a condition would be an unknown key whenever the condition does
/// not hold, and missing from the schema.
pub struct Table<'a> {
    entries: &'a [Entry],
    span: Span,
    mode: Mode,
    problems: &'a mut Problems,
    names: Vec<&'static str>,
    fields: Vec<Field>,
}

/// A value that is bad, or missing where it must be written. The reason is
/// among the problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad;

/// What taking a field does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Describe,
}

impl<'a> Table<'a> {
    /// Reads a mapping by `section`, then notes the keys nobody took.
    pub fn read<T>(
        node: &'a Node,
        problems: &'a mut Problems,
        section: fn(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(_) | Value::Sequence(_) => &[],
        };
        let span = entries.first().map_or(node.span, |entry| entry.key.span);
        let mut table = Table {
            entries,
            span,
            mode: Mode::Read,
            problems,
            names: Vec::new(),
            fields: Vec::new(),
        };
        let read = section(&mut table);
        table.finish();
        read
    }

    /// The fields `section` takes.
    pub fn describe<T>(section: fn(&mut Table<'_>) -> Option<T>) -> Shape {
        let mut unused = Problems::default();
        let mut table = Table {
            entries: &[],
            span: Span::start_of(Origin::File),
            mode: Mode::Describe,
            problems: &mut unused,
            names: Vec::new(),
            fields: Vec::new(),
        };
        section(&mut table);
        Shape::Table(table.fields)
    }

    /// A field that must be written. `None` when it is missing or bad.
    pub fn required<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        kind: &K,
    ) -> Option<K::Value> {
        self.take(name, doc, Default::Required, kind).ok()?
    }

    /// A field that stands for `default` when left out. `None` when it is bad.
    pub fn or<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        default: &'static str,
        kind: &K,
    ) -> Option<K::Value> {
        self.take(name, doc, Default::Text(default), kind).ok()?
    }

    /// A field that means something by being left out.
    ///
    /// # Errors
    ///
    /// When it is bad.
    pub fn optional<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        kind: &K,
    ) -> Result<Option<K::Value>, Bad> {
        self.take(name, doc, Default::Absent, kind)
    }

    /// A field that stands for a table of defaults when left out.
    pub fn or_defaults<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        kind: &K,
    ) -> Option<K::Value> {
        self.take(name, doc, Default::EmptyTable, kind).ok()?
    }

    /// A nested table, of defaults when left out.
    pub fn section<T>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        section: fn(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        self.or_defaults(name, doc, &TableOf(section))
    }

    /// Whether the key is written.
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Where the key's value stands; where the table begins when it is left out.
    pub fn value_span(&self, name: &str) -> Span {
        self.entry(name).map_or(self.span, |entry| entry.node.span)
    }

    /// Where the key stands; where the table begins when it is left out.
    pub fn key_span(&self, name: &str) -> Span {
        self.entry(name).map_or(self.span, |entry| entry.key.span)
    }

    /// Notes that the value of `name` asks for `feature`.
    pub fn needs(&mut self, feature: Feature, name: &str) {
        let span = self.value_span(name);
        self.problems.need(feature, span);
    }

    /// Where to note what is wrong with the meaning of values.
    pub fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    fn take<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        default: Default,
        kind: &K,
    ) -> Result<Option<K::Value>, Bad> {
        if self.mode == Mode::Describe {
            self.fields.push(Field {
                name,
                doc,
                default,
                shape: kind.shape(),
            });
            return Err(Bad);
        }
        self.names.push(name);
        let entries = self.entries;
        if let Some(entry) = entries.iter().find(|entry| entry.key.text == name) {
            if entry.node.is_null() {
                let expected = kind.shape().expected();
                self.problems.add_with_hint(
                    entry.key.span,
                    format!("`{name}` has no value"),
                    match default {
                        Default::Required => format!("write {expected}"),
                        _ => format!("write {expected}; or leave `{name}` out"),
                    },
                );
                return Err(Bad);
            }
            return kind.read(&entry.node, self.problems).map(Some).ok_or(Bad);
        }
        match default {
            Default::Required => {
                self.problems.add_with_hint(
                    self.span,
                    format!("`{name}` is missing"),
                    format!("write `{name}:` with {}", kind.shape().expected()),
                );
                Err(Bad)
            }
            Default::Absent => Ok(None),
            Default::Text(text) => kind
                .read(&Node::scalar(text, self.span), self.problems)
                .map(Some)
                .ok_or(Bad),
            Default::EmptyTable => kind
                .read(&Node::empty_mapping(self.span), self.problems)
                .map(Some)
                .ok_or(Bad),
        }
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key.text == name)
    }

    fn finish(self) {
        let Self {
            entries,
            names,
            problems,
            ..
        } = self;
        for Entry { key, .. } in entries
            .iter()
            .filter(|entry| !names.contains(&entry.key.text.as_str()))
        {
            let expected = format!("expected {}", alternatives(names.iter().copied()));
            let hint = match did_you_mean(&key.text, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? {expected}"),
                None => expected,
            };
            problems.add_with_hint(key.span, format!("unknown key {}", quoted(&key.text)), hint);
        }
    }
}
