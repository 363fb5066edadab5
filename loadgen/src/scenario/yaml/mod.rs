//! YAML text as a small tree in which every value knows where it stands.
//!
//! Built from parser events rather than through serde: a serde reader stops at
//! the first problem of a file, and forgets places once values are typed.
//! Aliases are copied in, under bounds on nodes and depth, so that a few lines
//! of nested aliases cannot fill the memory.

mod builder;
mod source;
mod tree;

use self::builder::Builder;
use super::problem::{Problem, Problems};
use super::span::{Origin, Span, to_u32};

pub use tree::{Entry, Key, Node, Scalar, Value};

/// Values a text may hold, copies through aliases included.
pub const MAX_NODES: usize = 20_000;

/// How deep values may nest.
pub const MAX_DEPTH: usize = 32;

/// Reads one YAML document. `None` when the text is not YAML or is past a
/// bound, with the reason among `problems`; duplicate keys, tags and the like
/// are noted there while reading goes on.
///
/// `shift` is where the text begins on its first line, in characters.
pub fn read(text: &str, origin: Origin, shift: usize, problems: &mut Problems) -> Option<Node> {
    let mut builder = Builder::new(text, origin, shift, problems);
    match builder.document() {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// The text of a file, or the place where it stops being UTF-8.
///
/// # Errors
///
/// A problem at the first byte that is not UTF-8.
pub fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        let span = Span {
            origin: Origin::File,
            line: to_u32(before.matches('\n').count() + 1),
            column: to_u32(last_line.chars().count() + 1),
            length: 1,
        };
        Problem {
            span,
            message: "the file is not UTF-8 text from here on".to_owned(),
            hint: Some("save it with the encoding UTF-8".to_owned()),
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::problem::{Sources, render};

    fn tree(text: &str) -> (Option<Node>, Vec<Problem>) {
        let mut problems = Problems::default();
        let node = read(text, Origin::File, 0, &mut problems);
        (node, problems.sorted())
    }

    /// `key=value@line:column+length` for every scalar, in order.
    fn scalars(node: &Node) -> Vec<String> {
        fn walk(path: &str, node: &Node, out: &mut Vec<String>) {
            match &node.value {
                Value::Scalar(scalar) => {
                    let Span {
                        line,
                        column,
                        length,
                        ..
                    } = node.span;
                    out.push(format!("{path}={}@{line}:{column}+{length}", scalar.text));
                }
                Value::Sequence(items) => {
                    for (index, item) in items.iter().enumerate() {
                        walk(&format!("{path}[{index}]"), item, out);
                    }
                }
                Value::Mapping(entries) => {
                    for entry in entries {
                        walk(&format!("{path}.{}", entry.key.text), &entry.node, out);
                    }
                }
            }
        }
        let mut out = Vec::new();
        walk("", node, &mut out);
        out
    }

    fn only_problem(text: &str) -> String {
        let (_, problems) = tree(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let Problem { span, message, .. } = &problems[0];
        format!("{}:{} {message}", span.line, span.column)
    }

    #[test]
    fn every_value_knows_where_it_stands() {
        let text =
            "a: 1   # note\nb:\n  - 'two'\n  - \"th\\tree\"\nç: {d: four five , e: \"\"}\nf:\n";
        let (node, problems) = tree(text);
        assert_eq!(problems, []);
        assert_eq!(
            scalars(&node.unwrap()),
            [
                ".a=1@1:4+1",
                ".b[0]=two@3:5+5",
                ".b[1]=th\tree@4:5+9",
                ".ç.d=four five@5:8+9",
                ".ç.e=@5:23+2",
                ".f=@6:2+1"
            ]
        );
    }

    #[test]
    fn texts_that_stand_verbatim_say_so() {
        let (node, _) = tree("[plain, 'single', \"double\", 'it''s', \"a\\x41\"]");
        let Value::Sequence(items) = node.unwrap().value else {
            panic!("a list")
        };
        let offsets: Vec<Option<usize>> = items
            .iter()
            .map(|item| match &item.value {
                Value::Scalar(scalar) => scalar.verbatim_at,
                _ => panic!("a scalar"),
            })
            .collect();
        assert_eq!(offsets, [Some(0), Some(1), Some(1), None, None]);
    }

    #[test]
    fn aliases_stand_for_their_anchor() {
        let (node, problems) = tree("a: &x {k: v}\nb: *x\nc: &y 'y y'\n");
        assert_eq!(problems, []);
        assert_eq!(
            scalars(&node.unwrap()),
            [".a.k=v@1:11+1", ".b.k=v@1:11+1", ".c=y y@3:7+5"]
        );
    }

    #[test]
    fn a_duplicate_key_names_the_first_and_reading_goes_on() {
        let text = "seed: 1\nname: x\nseed: 2\nname: y\n";
        let (node, problems) = tree(text);
        assert_eq!(scalars(&node.unwrap()), [".seed=1@1:7+1", ".name=x@2:7+1"]);
        let sources = Sources {
            bases: Vec::new(),
            file: "f.yaml".to_owned(),
            text: text.to_owned(),
            overrides: vec![],
        };
        assert_eq!(
            render(&sources, &problems),
            "\
error: scenario `f.yaml` has 2 problems
 --> f.yaml:3:1
  |
3 | seed: 2
  | ^^^^ the key `seed` is written twice
  = hint: it first stands on line 1: keep one of the two

 --> f.yaml:4:1
  |
4 | name: y
  | ^^^^ the key `name` is written twice
  = hint: it first stands on line 2: keep one of the two
"
        );
    }

    #[test]
    fn what_cannot_be_read_says_where_and_why() {
        let deep = "[".repeat(40);
        let cases = [
            ("", "1:1 there is nothing in it"),
            ("# only a remark\n", "1:1 there is nothing in it"),
            ("---\n", "1:1 there is nothing in it"),
            ("a: 1\n---\nb: 2\n", "3:1 a second document begins here"),
            (
                "a: &x [*x]\n",
                "1:8 this alias stands inside its own anchor",
            ),
            (
                "a: *x\n",
                "1:4 this is not YAML: while parsing node, found unknown anchor",
            ),
            ("[a]: 1\n", "1:1 a key must be a plain word"),
            (
                "a: !secret x\n",
                "1:12 the tag `!secret` has no meaning here",
            ),
            (deep.as_str(), "1:33 values nest deeper than 32 levels"),
        ];
        for (text, expected) in cases {
            assert_eq!(only_problem(text), expected, "{text:.40}");
        }
    }

    #[test]
    fn a_tab_as_indentation_is_named() {
        let (node, problems) = tree("idp:\n\texpires_in: 1h\n");
        assert!(node.is_none());
        assert_eq!(problems[0].span.line, 2);
        assert_eq!(
            problems[0].hint.as_deref(),
            Some("indent with spaces: YAML does not take tabs")
        );
    }

    #[test]
    fn nested_aliases_cannot_fill_the_memory() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..30 {
            let below = format!("*a{}", level - 1);
            let _ = writeln!(
                text,
                "a{level}: &a{level} [{}]",
                [below.as_str(); 9].join(",")
            );
        }
        assert!(
            only_problem(&text)
                .ends_with("there are more than 20000 values up to here, aliases counted in full")
        );
        let mut chain = "a0: &a0 x\n".to_owned();
        for level in 1..60 {
            let _ = writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1);
        }
        assert!(only_problem(&chain).ends_with("this alias nests deeper than 32 levels"));
    }

    #[test]
    fn bytes_that_are_not_text_are_placed() {
        let problem = text_of(b"a: 1\nb: \xc3\xa7\xff\n").unwrap_err();
        assert_eq!((problem.span.line, problem.span.column), (2, 5));
        assert_eq!(text_of("\u{feff}a: 1".as_bytes()), Ok("a: 1"));
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_tree_or_a_problem(text in ".*", near in "[-a-c:{}\\[\\]&*!|>'\" \n\t#,?%]{0,60}") {
            for text in [text, near] {
                let (node, problems) = tree(&text);
                prop_assert!(node.is_some() || !problems.is_empty());
            }
        }
    }
}
