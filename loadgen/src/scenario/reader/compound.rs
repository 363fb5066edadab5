//! The kinds made of other kinds: tables, lists, short and long forms.

use super::kind::Kind;
use super::shape::Shape;
use super::table::Table;
use crate::scenario::problem::Problems;
use crate::scenario::yaml::{Node, Value};

/// A nested table, read by a function.
pub struct TableOf<T>(pub fn(&mut Table<'_>) -> Option<T>);

impl<T> Kind for TableOf<T> {
    type Value = T;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<T> {
        if !matches!(node.value, Value::Mapping(_)) {
            problems.add(
                node.span,
                format!(
                    "expected {}, found {}",
                    self.shape().expected(),
                    node.describe()
                ),
            );
            return None;
        }
        Table::read(node, problems, self.0)
    }

    fn shape(&self) -> Shape {
        Table::describe(self.0)
    }
}

/// A table that is not read here, as it stands.
#[derive(Debug, Clone, Copy)]
pub struct AnyTable;

impl Kind for AnyTable {
    type Value = Node;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Node> {
        if matches!(node.value, Value::Mapping(_)) {
            return Some(node.clone());
        }
        problems.add(
            node.span,
            format!("expected a table, found {}", node.describe()),
        );
        None
    }

    fn shape(&self) -> Shape {
        Shape::AnyTable
    }
}

/// A list of like items. A bad item is left out, so that what is good of the
/// others can still be checked; the problem it noted fails the whole.
#[derive(Debug, Clone, Copy)]
pub struct ListOf<K> {
    /// How each item is read.
    pub item: K,
    /// Fewest items.
    pub min: usize,
    /// Most items.
    pub max: usize,
}

impl<K: Kind> Kind for ListOf<K> {
    type Value = Vec<K::Value>;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Vec<K::Value>> {
        let Value::Sequence(items) = &node.value else {
            problems.add_with_hint(
                node.span,
                format!("expected a list, found {}", node.describe()),
                "begin each item on its own line with `- `",
            );
            return None;
        };
        if items.len() < self.min || items.len() > self.max {
            problems.add(
                node.span,
                format!(
                    "expected {} to {} items, found {}",
                    self.min,
                    self.max,
                    items.len()
                ),
            );
        }
        Some(
            items
                .iter()
                .filter_map(|item| self.item.read(item, problems))
                .collect(),
        )
    }

    fn shape(&self) -> Shape {
        Shape::List {
            item: Box::new(self.item.shape()),
            min: self.min,
            max: self.max,
        }
    }
}

/// A short form as a single value, and everything else in the long form.
#[derive(Debug, Clone, Copy)]
pub struct ScalarOr<S, L> {
    /// How a single value is read.
    pub short: S,
    /// How anything else is read.
    pub long: L,
}

impl<S: Kind, L: Kind<Value = S::Value>> Kind for ScalarOr<S, L> {
    type Value = S::Value;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<S::Value> {
        match node.value {
            Value::Scalar(_) => self.short.read(node, problems),
            Value::Mapping(_) => self.long.read(node, problems),
            Value::Sequence(_) => {
                problems.add(
                    node.span,
                    format!("expected {}, found a list", self.shape().expected()),
                );
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::OneOf(vec![self.short.shape(), self.long.shape()])
    }
}

/// A value together with the scalar it was read from and its place.
#[derive(Debug, Clone, Copy)]
pub struct Located<K>(pub K);

impl<K: Kind> Kind for Located<K> {
    type Value = (K::Value, Node);

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Self::Value> {
        Some((self.0.read(node, problems)?, node.clone()))
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }
}
