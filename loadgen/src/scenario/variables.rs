//! `${NAME}` and `${NAME:-default}` in the values of a scenario file.
//!
//! Only whole values and parts of single values are filled in, never keys, and
//! the result is read as if it stood in the file: `rate: ${RATE:-200}/s`. YAML
//! wants quotes around it inside `{ }`: `{ rate: "${RATE:-200}/s" }`.

use std::collections::BTreeMap;

use super::problem::{Problems, quoted};
use super::span::Span;
use super::yaml::{Node, Scalar, Value};

/// Where values came from a variable, and from which.
pub(super) type Filled = Vec<(Span, String)>;

/// Fills in every variable below `node`.
pub(super) fn fill(
    node: &mut Node,
    variables: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Filled {
    let mut filled = Vec::new();
    walk(node, variables, problems, &mut filled);
    filled
}

fn walk(
    node: &mut Node,
    variables: &BTreeMap<String, String>,
    problems: &mut Problems,
    filled: &mut Filled,
) {
    let span = node.span;
    match &mut node.value {
        Value::Scalar(scalar) => {
            if scalar.text.contains("${") && !expand(scalar, span, variables, problems, filled) {
                problems.settle(span);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                walk(item, variables, problems, filled);
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                walk(&mut entry.node, variables, problems, filled);
            }
        }
    }
}

/// Fills in one text; whether that went well.
fn expand(
    scalar: &mut Scalar,
    span: Span,
    variables: &BTreeMap<String, String>,
    problems: &mut Problems,
    filled: &mut Filled,
) -> bool {
    let mut out = String::new();
    let mut rest = scalar.text.as_str();
    let example = "write `${NAME}` or `${NAME:-default}`";
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some((inside, following)) = after.split_once('}') else {
            problems.add_with_hint(span, "a `${` is not closed", example);
            return false;
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            problems.add_with_hint(
                span,
                format!("{} is not the name of a variable", quoted(name)),
                example,
            );
            return false;
        }
        // A variable that is set to nothing is as good as none, as in a shell.
        let set = variables.get(name).filter(|value| !value.is_empty());
        let Some(value) = set.map(String::as_str).or(default) else {
            problems.add_with_hint(
                span,
                format!("the environment variable `{name}` is not set"),
                format!("set it, or write `${{{name}:-default}}`"),
            );
            return false;
        };
        out.push_str(value);
        if set.is_some() {
            filled.push((span, name.to_owned()));
        }
        rest = following;
    }
    out.push_str(rest);
    scalar.text = out;
    scalar.verbatim_at = None;
    // In flow style a variable needs quotes; a number is one nevertheless.
    scalar.quoted = false;
    true
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
