//! From parser events to the tree, within bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span as ParserSpan, StrInput};

use super::source::Source;
use super::tree::{Entry, Key, Node, Value};
use super::{MAX_DEPTH, MAX_NODES};
use crate::scenario::problem::{Problem, Problems, quoted};
use crate::scenario::span::{Origin, Span, to_u32};

type Outcome<T> = Result<T, Problem>;

pub(super) struct Builder<'text, 'problems> {
    parser: Parser<'text, StrInput<'text>>,
    source: Source<'text>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'problems mut Problems,
}

impl<'text, 'problems> Builder<'text, 'problems> {
    pub(super) fn new(
        text: &'text str,
        origin: Origin,
        shift: usize,
        problems: &'problems mut Problems,
    ) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            source: Source::new(text, origin, shift),
            anchors: HashMap::new(),
            nodes: 0,
            problems,
        }
    }

    pub(super) fn document(&mut self) -> Outcome<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return Err(fatal(
                        self.source.point(span.start),
                        "a second document begins here",
                        "a file holds one scenario: put the second in its own file",
                    ));
                }
                event => root = Some(self.node(event, span, 1)?),
            }
        }
        match root {
            Some(node) if !(node.is_null() && self.nodes == 1) => Ok(node),
            _ => Err(fatal(
                Span {
                    column: to_u32(1 + self.source.shift),
                    ..Span::start_of(self.source.origin)
                },
                "there is nothing in it",
                "the smallest scenario has `version`, `duration` and `traffic`",
            )),
        }
    }

    fn next(&mut self) -> Outcome<(Event<'text>, ParserSpan)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let span = self.source.point(*error.marker());
                Err(syntax_problem(span, error.info(), self.source.text))
            }
            // The parser ends with an event of its own; this is only for a text it cannot start on.
            None => Ok((Event::StreamEnd, ParserSpan::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: ParserSpan, depth: usize) -> Outcome<Node> {
        let place = self.source.point(span.start);
        self.count(1, place)?;
        if depth > MAX_DEPTH {
            return Err(fatal(
                place,
                format!("values nest deeper than {MAX_DEPTH} levels"),
                "a scenario needs about five",
            ));
        }
        let (anchor, tag, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, place, depth),
            Event::Scalar(text, style, anchor, tag) => (
                anchor,
                tag,
                self.source.scalar(text.into_owned(), style, span),
            ),
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (
                    anchor,
                    tag,
                    Node {
                        value: Value::Sequence(items),
                        span: place,
                    },
                )
            }
            Event::MappingStart(anchor, tag) => (anchor, tag, self.mapping(place, depth)?),
            _ => return Err(fatal(place, "this is not a value", "check the indentation")),
        };
        if let Some(tag) = tag {
            self.problems.add_with_hint(
                node.span,
                format!("the tag {} has no meaning here", quoted(&tag.to_string())),
                "leave tags out: the key decides what kind of value it takes",
            );
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn mapping(&mut self, place: Span, depth: usize) -> Outcome<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                next => next,
            };
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            let Value::Scalar(scalar) = key.value else {
                self.problems.add(key.span, "a key must be a plain word");
                continue;
            };
            if let Some(first) = seen.get(&scalar.text) {
                self.problems.add_with_hint(
                    key.span,
                    format!("the key {} is written twice", quoted(&scalar.text)),
                    format!(
                        "it first stands on line {}: keep one of the two",
                        first.line
                    ),
                );
                continue;
            }
            seen.insert(scalar.text.clone(), key.span);
            entries.push(Entry {
                key: Key {
                    text: scalar.text,
                    span: key.span,
                },
                node,
            });
        }
        Ok(Node {
            value: Value::Mapping(entries),
            span: place,
        })
    }

    fn alias(&mut self, anchor: usize, place: Span, depth: usize) -> Outcome<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(fatal(
                place,
                "this alias stands inside its own anchor",
                "write the value out",
            ));
        };
        if depth + node.height() - 1 > MAX_DEPTH {
            return Err(fatal(
                place,
                format!("this alias nests deeper than {MAX_DEPTH} levels"),
                "write the value out",
            ));
        }
        let (node, size) = (node.clone(), node.size());
        self.count(size - 1, place)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, place: Span) -> Outcome<()> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            return Err(fatal(
                place,
                format!(
                    "there are more than {MAX_NODES} values up to here, aliases counted in full"
                ),
                "a scenario needs some tens",
            ));
        }
        Ok(())
    }
}

fn fatal(span: Span, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem {
        span,
        message: message.into(),
        hint: Some(hint.into()),
    }
}

/// What the parser says, with a hint for the slips people make most.
fn syntax_problem(span: Span, said: &str, text: &str) -> Problem {
    let line = text
        .lines()
        .nth(span.line.saturating_sub(1) as usize)
        .unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    let hint = if indentation.contains('\t') {
        Some("indent with spaces: YAML does not take tabs".to_owned())
    } else if said.contains("mapping values are not allowed") {
        Some("check the indentation, and put quotes around a text with `: ` in it".to_owned())
    } else if said.contains("unknown anchor") {
        Some("define it with `&name` before using `*name`".to_owned())
    } else {
        None
    };
    Problem {
        span,
        message: format!("this is not YAML: {said}"),
        hint,
    }
}
