//! Scenarios made of others: `extends`, and the overlay of a twin.

use std::path::{Path, PathBuf};

use super::problem::{Problems, quoted};
use super::span::Origin;
use super::yaml::{self, Entry, Node, Value};

/// Files one scenario may be made of.
const MAX_FILES: usize = 8;

/// A file that a scenario extends.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// Its name, for problems.
    pub(super) name: String,
    /// What stands in it.
    pub(super) bytes: Vec<u8>,
}

/// Lays `root`, read from `path`, over the file it extends, and that over the
/// next. The files come back in the order they were found; a problem ends the
/// search.
pub(super) fn extend(
    path: &Path,
    root: Node,
    read: &dyn Fn(&Path) -> Result<Vec<u8>, String>,
    problems: &mut Problems,
) -> (Node, Vec<Base>) {
    let mut bases: Vec<Base> = Vec::new();
    let mut seen: Vec<PathBuf> = vec![identity(path)];
    let mut layers = vec![root];
    let mut directory = path.parent().unwrap_or(Path::new("")).to_owned();
    while let Some(Node {
        value: Value::Scalar(named),
        span,
    }) = layers.last().and_then(|layer| entry(layer, "extends"))
    {
        let (span, file) = (*span, directory.join(&named.text));
        if seen.len() >= MAX_FILES || seen.contains(&identity(&file)) {
            problems.add_with_hint(
                span,
                format!("{} extends itself in a circle", quoted(&named.text)),
                "a scenario extends another file, up to seven one after the other",
            );
            break;
        }
        let bytes = match read(&file) {
            Ok(bytes) => bytes,
            Err(reason) => {
                problems.add_with_hint(
                    span,
                    format!(
                        "{} cannot be read: {reason}",
                        quoted(&file.to_string_lossy())
                    ),
                    "the path is relative to the file it is written in",
                );
                break;
            }
        };
        let origin = Origin::Base(bases.len());
        let base = match yaml::text_of(&bytes) {
            Ok(text) => yaml::read(text, origin, 0, problems),
            Err(mut problem) => {
                problem.span.origin = origin;
                problems.push(problem);
                None
            }
        };
        bases.push(Base {
            name: file.to_string_lossy().into_owned(),
            bytes,
        });
        let Some(base) = base else { break };
        if !matches!(base.value, Value::Mapping(_)) {
            problems.add(
                base.span,
                format!("a scenario is a table, found {}", base.describe()),
            );
            break;
        }
        seen.push(identity(&file));
        file.parent()
            .unwrap_or(Path::new(""))
            .clone_into(&mut directory);
        layers.push(base);
    }
    let merged = layers.into_iter().rev().reduce(|mut under, over| {
        lay_over(&mut under, over);
        under
    });
    (
        merged.unwrap_or_else(|| Node::empty_mapping(super::span::Span::start_of(Origin::File))),
        bases,
    )
}

/// Lays `over` over `under`: tables merge, all else is replaced.
pub(super) fn lay_over(under: &mut Node, over: Node) {
    match (&mut under.value, over.value) {
        (Value::Mapping(entries), Value::Mapping(others)) => {
            for other in others {
                match entries
                    .iter_mut()
                    .find(|entry| entry.key.text == other.key.text)
                {
                    Some(entry) => {
                        entry.key.span = other.key.span;
                        lay_over(&mut entry.node, other.node);
                    }
                    None => entries.push(other),
                }
            }
        }
        (_, value) => {
            *under = Node {
                value,
                span: over.span,
            }
        }
    }
}

/// Takes a key out of a table.
pub(super) fn remove(node: &mut Node, key: &str) {
    if let Value::Mapping(entries) = &mut node.value {
        entries.retain(|entry| entry.key.text != key);
    }
}

/// The value of a key of a table.
pub(super) fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let mut entries = entries.iter();
    entries
        .find(|Entry { key: found, .. }| found.text == key)
        .map(|entry| &entry.node)
}

fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
