//! The tree: values, keys and where they stand.

use crate::scenario::problem::quoted;
use crate::scenario::span::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What stands there.
    pub value: Value,
    /// Where: the whole of a scalar on one line, the first character of
    /// anything else.
    pub span: Span,
}

/// The three kinds of YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A single value, not yet interpreted.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in file order, no key twice.
    Mapping(Vec<Entry>),
}

/// A single value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The value, quotes and escapes undone.
    pub text: String,
    /// Whether it was written in quotes or as a block.
    pub quoted: bool,
    /// How far into the span the text begins, when it stands there as it is:
    /// then a place in the text is a place in the file.
    pub verbatim_at: Option<usize>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Its value.
    pub node: Node,
}

/// A mapping's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key, quotes undone.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// A scalar that was not written anywhere but stands for something at `span`.
    pub fn scalar(text: impl Into<String>, span: Span) -> Self {
        let scalar = Scalar {
            text: text.into(),
            quoted: false,
            verbatim_at: None,
        };
        Self {
            value: Value::Scalar(scalar),
            span,
        }
    }

    /// A mapping without keys that stands for something at `span`.
    pub fn empty_mapping(span: Span) -> Self {
        Self {
            value: Value::Mapping(Vec::new()),
            span,
        }
    }

    /// Whether nothing was written: `key:` or `key: null`.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                !scalar.quoted
                    && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::Sequence(_) | Value::Mapping(_) => false,
        }
    }

    /// What stands here in a word or two, for messages.
    pub fn describe(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => quoted(&scalar.text),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a table".to_owned(),
        }
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.value {
            Value::Scalar(_) => Box::new(std::iter::empty()),
            Value::Sequence(items) => Box::new(items.iter()),
            Value::Mapping(entries) => Box::new(entries.iter().map(|entry| &entry.node)),
        }
    }

    /// Nodes in this tree, itself included.
    pub(super) fn size(&self) -> usize {
        1 + self.children().map(Node::size).sum::<usize>()
    }

    /// Levels in this tree, at least 1. Bounded, as the tree's depth is.
    pub(super) fn height(&self) -> usize {
        1 + self.children().map(Node::height).max().unwrap_or(0)
    }
}
